"""Folders that describe one system several times over: overlays of one base, a folder per cluster, values per stage.

Reading them all as one system would mix them, and reading the first would be a guess: a person says which is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from attrs import field, frozen

from secondsite.discover.helm_values import ValuesFile
from secondsite.discover.resources import Resource
from secondsite.model.errors import Problem
from secondsite.model.place import Place

_COMPARED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "CronJob", "HelmRelease", "Stream"})
_STAGE = re.compile(
    r"(?:^|[-_.])(dev|develop|development|test|testing|int|integration|qa|uat|stag|stage|staging|preprod|pre|prod|"
    r"production|live|sandbox|demo|preview|local|ci|e2e|minikube|kind|aws|gcp|gke|eks|aks|azure)(?:\d*)(?:$|[-_.])",
    re.IGNORECASE,
)
_REMEDY = "name one with --environment NAME, or name its folder alone"
_BASE_VALUES = re.compile(r"values\.ya?ml", re.IGNORECASE)
_AROUND_NAME = re.compile(r"^values[-_.]?|[-_.]?values$", re.IGNORECASE)


@frozen(eq=False)
class Unit:
    """What stands together: a kustomization as built, or one file. ``bases`` are the folders that it is made of."""

    folder: Path
    resources: Sequence[Resource] = field(repr=False)
    bases: frozenset[Path] = frozenset()
    named: bool = False


def chosen_units(
    units: Sequence[Unit], wanted: Sequence[str], shown: Callable[[Path], str], problems: list[Problem]
) -> list[Unit]:
    """Without those of the environments that are not wanted; where none was named, the question is a problem."""
    parts = {unit.folder for one, other in _alternatives(units) for unit in _parts(one, other)}
    units = [unit for unit in units if unit.folder not in parts]
    groups: dict[Path, set[Path]] = {}
    for one, other in _alternatives(units):
        parent, *children = _parting(one.folder, other.folder)
        groups.setdefault(parent, set()).update(children)
    dropped: set[Path] = set()
    for parent, candidates in groups.items():
        kept = {child for child in candidates if _is_wanted(child, wanted, shown)}
        if len(kept) == 1:
            dropped |= candidates - kept
        elif not any(child.is_relative_to(gone) for gone in dropped for child in candidates):
            names = ", ".join(shown(child) for child in sorted(candidates))
            what = f"{len(candidates)} environments of one system: {names}"
            problems.append(Problem(Place(shown(parent)), what, _REMEDY))
    return [unit for unit in units if not any(unit.folder.is_relative_to(gone) for gone in dropped)]


def _parts(one: Unit, other: Unit) -> Iterator[Unit]:
    """Which of two stands in what the other is made of: a part of it, and no environment."""
    for part, whole in ((one, other), (other, one)):
        if not part.named and any(part.folder.resolve().is_relative_to(base) for base in whole.bases):
            yield part


def _is_wanted(folder: Path, wanted: Sequence[str], shown: Callable[[Path], str]) -> bool:
    return any(name.rstrip("/") in (folder.name, shown(folder)) for name in wanted)


def _alternatives(units: Sequence[Unit]) -> Iterator[tuple[Unit, Unit]]:
    """Pairs of units that deploy the same workload, in folders of which neither contains the other.

    A workload that each renames in its own way is still the one of the base that they share.
    """
    by_object: dict[tuple[str, str, str], dict[Path, tuple[Unit, Resource]]] = {}
    for unit in units:
        for resource in unit.resources:
            for name in resource.names if resource.kind in _COMPARED else ():
                key = (resource.group, resource.kind, name)
                by_object.setdefault(key, {}).setdefault(unit.folder, (unit, resource))
    for resources in by_object.values():
        for (one, first), (other, second) in combinations(resources.values(), 2):
            apart = not one.folder.is_relative_to(other.folder) and not other.folder.is_relative_to(one.folder)
            same = first.name == second.name and first.where == second.where
            if apart and not (one.named and other.named) and _same_system(one, other, same_place=same):
                yield one, other


def _same_system(one: Unit, other: Unit, *, same_place: bool) -> bool:
    _, first, second = _parting(one.folder, other.folder)
    stages = all(_STAGE.search(folder.name) for folder in (first, second))
    return same_place or stages or bool(one.bases & other.bases)


def _parting(one: Path, other: Path) -> tuple[Path, Path, Path]:
    """The last folder that two have in common, and the first of each that is its own."""
    same = 0
    for same, (first, second) in enumerate(zip(one.parts, other.parts, strict=False)):  # noqa: B007 (used after)
        if first != second:
            break
    parent = Path(*one.parts[:same])
    return parent, parent / one.parts[same], parent / other.parts[same]


def chosen_values(
    files: Sequence[ValuesFile],
    wanted: Sequence[str],
    deployed: Mapping[str, Sequence[str]],
    shown: Callable[[Path], str],
    problems: list[Problem],
) -> list[list[ValuesFile]]:
    """Layers, release by release. Files that a person named together are layers in that order.

    ``deployed`` are the files that a folder is deployed with, where that is written; nobody has to be asked then.
    """
    named = [file for file in files if file.named]
    releases = [named] if named else []
    folders: dict[Path, list[ValuesFile]] = {}
    for file in files:
        if not file.named:
            folders.setdefault(file.path.parent, []).append(file)
    for folder, together in folders.items():
        names_of = next((names for path, names in deployed.items() if folder.as_posix().endswith(f"/{path}")), ())
        layers = [file for name in names_of for file in together if file.path.name == name.rpartition("/")[2]]
        if layers:
            releases.append(layers)
            continue
        base = [file for file in together if _BASE_VALUES.fullmatch(file.path.name)]
        others = [file for file in together if file not in base]
        kept = [file for file in others if _stage_of(file) in wanted or shown(file.path) in wanted]
        if not others or len(kept) == 1:
            releases.append([*base, *kept])
        elif len(others) == 1 and not base:
            releases.append(others)
        else:
            names = ", ".join(shown(file.path) for file in others)
            what = f"{len(others)} values file{'s' * (len(others) > 1)} of one chart"
            what += f" over {shown(base[0].path)}: {names}" if base else f": {names}"
            stages = ", ".join(_stage_of(file) for file in others)
            remedy = f"name one with --environment ({stages}), or the files that belong together, as layers"
            problems.append(Problem(Place(shown(folder)), what, remedy))
    return releases


def _stage_of(file: ValuesFile) -> str:
    stem = file.path.stem
    return _AROUND_NAME.sub("", stem) or stem
