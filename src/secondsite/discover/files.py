"""From the paths a person names to the objects in them, each file read once.

In a folder with a kustomization that file says what belongs to it; other folders are searched for YAML. Links are
followed once; hidden folders and the templates of Helm charts are left out. All problems are collected.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import define, field

from secondsite.discover.helm_nats import is_nats_values
from secondsite.discover.kustomize import FILE_NAMES, Build, kustomization_of, referenced_folders, unfold
from secondsite.discover.resources import Resource, YamlNode
from secondsite.discover.yaml_source import MapNode, load_documents
from secondsite.model.errors import InputError, MachineError, Problem
from secondsite.model.place import Place

MAX_FILES = 20_000
KUBECTL_TIMEOUT_S = 60
_ENDINGS = (".yaml", ".yml")


@define
class FoundFiles:
    """``values`` are Helm values files of the NATS chart."""

    resources: list[Resource] = field(factory=list)
    values: list[MapNode] = field(factory=list)
    notes: list[str] = field(factory=list)


def find(paths: Sequence[Path], base: Path, *, kubectl: bool = False) -> FoundFiles:
    """Read all paths. Raises `InputError` with every problem in every file."""
    build = Build(lambda path: _shown(path, base))
    found = FoundFiles()
    for path in paths:
        try:
            _read(path, build, found, kubectl=kubectl)
        except InputError as error:
            build.problems.extend(error.problems)
    if build.problems:
        raise InputError(list(dict.fromkeys(build.problems)))
    found.notes = [*build.notes, *found.notes]
    found.resources = _unique(found.resources, found.notes)
    return found


def _shown(path: Path, base: Path) -> str:
    """Relative to the base where it lies below it; as given otherwise."""
    absolute, root = (Path(os.path.normpath(one.absolute())) for one in (path, base))
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else os.path.normpath(path)


def _read(path: Path, build: Build, found: FoundFiles, *, kubectl: bool) -> None:
    if path.is_file() and path.name in FILE_NAMES:
        path = path.parent
    if path.is_file():
        _read_file(path, build, found, asked=True)
    elif path.is_dir():
        _read_folder(path, build, found, kubectl=kubectl)
    else:
        raise InputError.at(build.shown(path), "is not there", "name a file or folder with manifests")


def _read_folder(path: Path, build: Build, found: FoundFiles, *, kubectl: bool) -> None:
    files, kustomizations = _walk(path, build)
    roots = _entry_points(kustomizations, build)
    if len(roots) > 1:
        names = ", ".join(build.shown(root) for root in roots)
        found.notes.append(f"{len(roots)} kustomizations that no other one contains were all read: {names}")
    for root in roots:
        if kubectl and shutil.which("kubectl"):
            found.resources += _kubectl(root, build)
        else:
            found.resources += build.root(root)
    for file in files:
        if file.resolve() not in build.files:
            _read_file(file, build, found, asked=False)
    if not files and not kustomizations:
        raise InputError.at(build.shown(path), "has no YAML files in it", "name a folder with manifests")


def _walk(top: Path, build: Build) -> tuple[list[Path], list[Path]]:
    """YAML files outside of kustomizations, and folders with one. A folder is entered once, however often linked."""
    files: list[Path] = []
    kustomizations: list[Path] = []
    seen: set[Path] = set()
    waiting = [(top, False)]
    while waiting:
        folder, inside = waiting.pop()
        real = folder.resolve()
        if real in seen:
            continue
        seen.add(real)
        if kustomization_of(folder):
            kustomizations.append(folder)
            inside = True
        chart = (folder / "Chart.yaml").is_file()
        for entry in sorted(_entries(folder, build), reverse=True):
            if entry.name.startswith(".") or (chart and entry.name in ("templates", "crds", "Chart.yaml")):
                continue
            if entry.is_dir():
                waiting.append((entry, inside))
            elif entry.suffix in _ENDINGS and not inside and entry.is_file():
                files.append(entry)
        if chart:
            build.notes.append(f"{build.shown(folder)}: a Helm chart; its templates were not rendered")
        if len(files) + len(seen) > MAX_FILES:
            raise InputError.at(build.shown(top), f"has more than {MAX_FILES:,} files", "name the folder that matters")
    return sorted(files), sorted(kustomizations)


def _entries(folder: Path, build: Build) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError as error:
        build.problems.append(
            Problem(Place(build.shown(folder)), f"cannot be listed: {error.strerror}", "make it readable")
        )


def _entry_points(kustomizations: list[Path], build: Build) -> list[Path]:
    """Those that no other contains, components aside (they are parts by nature); all of them in a cycle."""
    named: set[Path] = set()
    standing = []
    for folder in kustomizations:
        path = kustomization_of(folder)
        if path is None:
            continue
        named.update(part.resolve() for part in referenced_folders(path, build.shown))
        if not _is_component(path, build):
            standing.append(folder)
    roots = [folder for folder in standing if folder.resolve() not in named]
    return roots or standing


def _is_component(path: Path, build: Build) -> bool:
    """Asked before the file is read for good; what is wrong with it is told then."""
    try:
        documents = load_documents(path.read_text(errors="replace"), build.shown(path))
    except (InputError, OSError):
        return False
    return any(YamlNode(document)["kind"].text == "Component" for document in documents)


def _read_file(path: Path, build: Build, found: FoundFiles, *, asked: bool) -> None:
    """A file of manifests, or of values of the NATS chart. ``asked``: a person named it, so it must hold either."""
    documents = build.documents(path)
    before = len(found.resources) + len(found.values)
    for document in documents:
        values = is_nats_values(document)
        if values is not None:
            found.values.append(values)
            continue
        for resource in unfold(document):
            if resource.name:
                found.resources.append(resource)
            elif resource.kind not in ("Kustomization", "Component"):
                build.problems.append(
                    Problem(resource.node.place, f"a {resource.kind} without metadata.name", "give it a name")
                )
    if documents and len(found.resources) + len(found.values) == before and not build.problems:
        what = f"{build.shown(path)}: holds no Kubernetes objects"
        if asked:
            raise InputError.at(build.shown(path), "holds no Kubernetes objects", "name a file with manifests")
        found.notes.append(what)


def _kubectl(folder: Path, build: Build) -> list[Resource]:
    """What kubectl makes of it. Places are lines of its output, not of the files."""
    shown = build.shown(folder)
    try:
        done = subprocess.run(  # noqa: S603 (fixed arguments, a folder that the person named)
            ["kubectl", "kustomize", str(folder)],  # noqa: S607 (the person's own kubectl is meant)
            capture_output=True,
            text=True,
            timeout=KUBECTL_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise MachineError.at(
            shown, f"kubectl kustomize took more than {KUBECTL_TIMEOUT_S} s", "run it without kubectl"
        ) from None
    if done.returncode:
        reason = (done.stderr.strip() or "it gave no reason").splitlines()[-1]
        raise InputError.at(shown, f"kubectl kustomize refuses it: {reason}", "correct the kustomization")
    return [
        found
        for node in load_documents(done.stdout, f"kubectl kustomize {shown}")
        for found in unfold(node)
        if found.name
    ]


def _unique(resources: list[Resource], notes: list[str]) -> list[Resource]:
    """One object per kind, namespace and name: the first that was found."""
    seen: dict[tuple[str, str, str, str], Resource] = {}
    for resource in resources:
        key = (resource.group, resource.kind, resource.where, resource.name)
        if key in seen:
            notes.append(f"{resource.place}: {resource.kind} {resource.name} stands also at {seen[key].place}, kept")
        seen.setdefault(key, resource)
    return list(seen.values())
