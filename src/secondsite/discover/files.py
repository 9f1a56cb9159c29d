"""From the paths a person names to the objects in them, each file read once.

In a folder with a kustomization that file says what belongs to it; other folders are searched. What a person named by
itself has to be readable; anything else that is no manifest is skipped, with its place and the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from secondsite.discover.bare_conf import ENDING, ServerFile, is_nats_conf, server_of, servers_in
from secondsite.discover.compose import FILE_NAME, ComposeFile, is_compose, mounted_by, resources_of, usual
from secondsite.discover.environments import Unit, chosen_units, chosen_values
from secondsite.discover.helm_releases import CHARTS, value_files
from secondsite.discover.helm_values import ValuesFile, aliases_of, values_in
from secondsite.discover.kustomize import FILE_NAMES, Build, kustomization_of, referenced_folders, unfold
from secondsite.discover.manifest_text import Part, parts_of
from secondsite.discover.other_languages import language_notes
from secondsite.discover.placeholders import is_name, placed
from secondsite.discover.reading_notes import chart_notes, listed, unique
from secondsite.discover.release_values import with_value_files
from secondsite.discover.resources import Resource, YamlNode
from secondsite.discover.stream_scripts import adds_streams, script_of
from secondsite.discover.walking import MAX_FILES, SCRIPT, Walk
from secondsite.discover.workloads import KINDS
from secondsite.discover.yaml_source import MAX_FILE_BYTES, MapNode, Node, decoded, load_manifests, read_text
from secondsite.model.errors import InputError, MachineError, Problem
from secondsite.model.place import Place

KUBECTL_TIMEOUT_S = 60
STANDARD_INPUT = "-"
_DEPLOYING = ("Job", "HelmRelease", "Application", "Stream", "EventBus", "InterStepBufferService", "NATS")
"""Beside workloads: what has others made."""
_VALUES_NAME = re.compile(r"values", re.IGNORECASE)
_RENDER = "render it first, as with `helm template`, and name the result"


@define
class ManifestFiles:
    """``values`` are layers of Helm values of the NATS chart, one list a release. ``skipped`` is what nobody named."""

    resources: list[Resource] = field(factory=list)
    values: list[list[ValuesFile]] = field(factory=list)
    notes: list[str] = field(factory=list)
    skipped: list[Problem] = field(factory=list)


@define
class _Reading:
    """What is gathered before it is decided which environment is meant."""

    build: Build
    excluded: Sequence[str] = ()
    kubectl: bool = False
    units: list[Unit] = field(factory=list)
    values: list[ValuesFile] = field(factory=list)
    composed: list[ComposeFile] = field(factory=list)
    confs: list[Path] = field(factory=list)
    skipped: list[Problem] = field(factory=list)


def find(
    paths: Sequence[Path],
    base: Path,
    *,
    kubectl: bool = False,
    exclude: Sequence[str] = (),
    environments: Sequence[str] = (),
) -> ManifestFiles:
    """Read all paths. Raises `InputError` with every problem in what was named, or where it has to be asked which
    environment is meant.
    """
    build = Build(lambda path: _shown(path, base))
    reading = _Reading(build, exclude, kubectl)
    for path in paths:
        try:
            _read(path, reading)
        except InputError as error:
            build.problems.extend(error.problems)
    if build.problems:
        raise InputError(list(dict.fromkeys(build.problems)))
    return _decided(reading, environments)


def _decided(reading: _Reading, environments: Sequence[str]) -> ManifestFiles:
    build = reading.build
    problems: list[Problem] = []
    _add_composed(reading)
    _add_confs(reading)
    units = chosen_units(reading.units, environments, build.shown, problems)
    given, beside = with_value_files([one for unit in units for one in unit.resources], reading.values, CHARTS)
    values = chosen_values(beside, environments, value_files(given), build.shown, problems)
    if problems:
        raise InputError(problems)
    notes = list(build.notes)
    resources = unique(given, notes)
    return ManifestFiles(resources, values, notes, list(dict.fromkeys(reading.skipped)))


def _add_composed(reading: _Reading) -> None:
    """What a person named, and what stands where no manifest does: beside those a compose file is for developers."""
    beside = _says_what_runs(reading)
    taken = [file for file in reading.composed if file.named or not beside]
    left = [file for file in reading.composed if file not in taken]
    for folder in dict.fromkeys(file.path.parent for file in taken):
        files, others = usual([file for file in taken if file.path.parent == folder])
        left += others
        shown = {path.resolve(): reading.build.shown(path) for file in files for path in mounted_by(file)}
        resources = resources_of(files, shown)
        reading.units.append(Unit(folder, resources, named=any(file.named for file in files)))
    for file in left:
        what = "is a docker compose file beside what is read"
        reading.skipped.append(Problem(file.node.place, what, "name it by itself to have it read, or with the others"))
    if beside and left:
        names = listed(list(dict.fromkeys(reading.build.shown(file.path) for file in left)))
        how = "name it instead to read it" if len(left) == 1 else "name them instead to read them"
        reading.build.notes.append(f"not read, as Kubernetes files are there too: docker compose in {names}; {how}")


def _says_what_runs(reading: _Reading) -> bool:
    """Services, roles and definitions alone run nothing."""
    kinds = (resource.kind for unit in reading.units for resource in unit.resources)
    return bool(reading.values) or any(kind in KINDS or kind in _DEPLOYING for kind in kinds)


def _add_confs(reading: _Reading) -> None:
    """Where nothing else says what runs."""
    if _says_what_runs(reading):
        return
    for path, resources in servers_in(reading.confs, reading.build.shown, reading.skipped):
        reading.units.append(Unit(path.parent, resources))


def _shown(path: Path, base: Path) -> str:
    """Relative to the base where it lies below it; as given otherwise."""
    absolute, root = (Path(os.path.normpath(one.absolute())) for one in (path, base))
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else os.path.normpath(path)


def _read(path: Path, reading: _Reading) -> None:
    if str(path) == STANDARD_INPUT or path.name == STANDARD_INPUT:
        _read_text(_standard_input(), "standard input", Path(), reading, asked=True)
        return
    if path.is_file() and path.name in FILE_NAMES:
        path = path.parent
    if path.is_file():
        _read_file(path, reading, asked=True)
    elif path.is_dir():
        _read_folder(path, reading)
    else:
        raise InputError.at(reading.build.shown(path), "does not exist", "name a file or folder with manifests")


def _read_folder(path: Path, reading: _Reading) -> None:
    build = reading.build
    walk = Walk(build.shown, reading.excluded)
    walk.below(path, MAX_FILES)
    build.problems += walk.problems
    reading.confs += walk.confs
    build.notes += [*chart_notes(walk.charts, build.shown), *language_notes(walk.others, build.shown)]
    for root in _entry_points(walk.kustomizations, build):
        _read_kustomization(root, reading, asked=root == path)
    for file in walk.files:
        if file.resolve() not in build.files:
            _read_file(file, reading, asked=False)
    for script in walk.scripts:
        _read_script(script, reading)
    if not (walk.files or walk.kustomizations or walk.confs or reading.units):
        more = "".join(f"; {note}" for note in language_notes(walk.others, build.shown))
        raise InputError.at(build.shown(path), f"has no YAML or JSON files in it{more}", "name a folder with manifests")


def _read_script(path: Path, reading: _Reading) -> None:
    """One that adds streams; no other says anything."""
    shown = reading.build.shown(path)
    try:
        text = read_text(path, shown)
    except InputError:
        return
    if adds_streams(text):
        reading.units.append(Unit(path.parent, [script_of(text, path, reading.build.shown)]))


def _read_kustomization(root: Path, reading: _Reading, *, asked: bool) -> None:
    """One that nobody named may be a broken sample: what can be read of it is, the rest is skipped."""
    build, before = reading.build, len(reading.build.problems)
    resources: list[Resource] = []
    try:
        use_kubectl = reading.kubectl and shutil.which("kubectl")
        resources = _kubectl(root, build) if use_kubectl else build.root(root)
    except InputError as error:
        build.problems.extend(error.problems)
    missing = build.problems[before:]
    scaffold = not resources and bool(missing) and all("does not exist" in problem.what for problem in missing)
    if not asked or scaffold:
        reading.skipped += build.problems[before:]
        del build.problems[before:]
    if scaffold:
        build.notes.append(
            f"{build.shown(root)}: its kustomization lists files that do not exist; the files in the folder were read"
        )
        for file in sorted({*root.glob("*.yaml"), *root.glob("*.yml")}):
            if file.name not in FILE_NAMES:
                _read_file(file, reading, asked=False)
    path = kustomization_of(root)
    bases = {part.resolve() for part in referenced_folders(path, build.shown)} if path else set()
    shared = frozenset(part for part in bases if not _component_at(part, build))
    reading.units.append(Unit(root, resources, shared))


def _entry_points(kustomizations: list[Path], build: Build) -> list[Path]:
    """Those that no other contains, components aside (they are parts by nature); all of them in a cycle."""
    named: set[Path] = set()
    standing = []
    for folder in kustomizations:
        path = kustomization_of(folder)
        if path is None:
            continue
        named.update(part.resolve() for part in referenced_folders(path, build.shown))
        if not _component_at(folder, build):
            standing.append(folder)
    roots = [folder for folder in standing if folder.resolve() not in named]
    return roots or standing


def _component_at(folder: Path, build: Build) -> bool:
    """Asked before the file is read for good; what is wrong with it is told then."""
    path = kustomization_of(folder)
    try:
        documents = load_manifests(path.read_text(errors="replace"), build.shown(path)) if path else []
    except (InputError, OSError):
        return False
    return any(YamlNode(document)["kind"].text == "Component" for document in documents)


def _read_file(path: Path, reading: _Reading, *, asked: bool) -> None:
    """A file of manifests, or of values of the NATS chart. ``asked``: a person named it, so it must hold either."""
    shown = reading.build.shown(path)
    reading.build.files.add(path.resolve())
    try:
        text = read_text(path, shown)
    except InputError as error:
        if asked:
            raise
        reading.skipped += error.problems
        return
    _read_text(text, shown, path, reading, asked=asked)


def _read_text(text: str, shown: str, path: Path, reading: _Reading, *, asked: bool) -> None:
    problems: list[Problem] = []
    resources: list[Resource] = []
    values = 0
    if asked and path.suffix == ENDING and is_nats_conf(text):
        reading.units.append(Unit(path.parent, server_of(text, ServerFile(path, reading.build.shown)), named=True))
        return
    if asked and path.suffix == SCRIPT and adds_streams(text):
        reading.units.append(Unit(path.parent, [script_of(text, path, reading.build.shown)], named=True))
        return
    for part in parts_of(text):
        named = _VALUES_NAME.search(path.name) or FILE_NAME.fullmatch(path.name)
        may_be_values = asked or bool(named) or "jetstream" in part.text
        if not part.is_object and not may_be_values:
            continue
        for document in _documents(part, shown, problems):
            charts = values_in(document, aliases_of(path.parent), asked=asked)
            if isinstance(document, MapNode) and is_compose(document, path):
                reading.composed.append(ComposeFile(path, document, named=asked))
                values += 1
            elif charts is not None:
                reading.values.append(ValuesFile(path, charts, named=asked))
                values += 1
            else:
                resources += _named(unfold(document), problems)
    if resources:
        reading.units.append(Unit(path.parent, resources, named=asked))
    if not resources and not values and not problems and text.strip():
        problems.append(Problem(Place(shown), "holds no Kubernetes objects", "name a file with manifests"))
    if asked and problems:
        raise InputError(problems)
    reading.skipped += problems


def _named(resources: Sequence[Resource], problems: list[Problem]) -> list[Resource]:
    """Those with a name; kubeconfig files, cluster definitions and test suites look like objects and have none."""
    for resource in resources:
        if not resource.name and resource.kind not in ("Kustomization", "Component", "List"):
            what = f"a {resource.kind} without metadata.name"
            problems.append(Problem(resource.node.place, what, "give it a name if it is an object"))
    return [placed(resource, problems) for resource in resources if is_name(resource, problems)]


def _documents(part: Part, shown: str, problems: list[Problem]) -> list[Node]:
    try:
        return load_manifests(part.text, shown, first_line=part.first_line)
    except InputError as error:
        if part.is_template:
            place = error.problems[0].place
            problems.append(Problem(place, "is a template, not YAML", _RENDER))
        else:
            problems.extend(error.problems)
        return []


def _standard_input() -> str:
    try:
        return sys.stdin.read(MAX_FILE_BYTES + 1)
    except UnicodeDecodeError:
        raise InputError.at("standard input", "is not UTF-8 text", "give it as UTF-8") from None


def _kubectl(folder: Path, build: Build) -> list[Resource]:
    """What kubectl makes of it. Places are lines of its output, not of the files."""
    shown = build.shown(folder)
    try:
        done = subprocess.run(  # noqa: S603 (fixed arguments, a folder that the person named)
            ["kubectl", "kustomize", str(folder)],  # noqa: S607 (the person's own kubectl is meant)
            capture_output=True,
            timeout=KUBECTL_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise MachineError.at(
            shown, f"kubectl kustomize took more than {KUBECTL_TIMEOUT_S} s", "run it without kubectl"
        ) from None
    if done.returncode:
        reason = (done.stderr.decode(errors="replace").strip() or "it gave no reason").splitlines()[-1]
        raise InputError.at(shown, f"kubectl kustomize refuses it: {reason}", "correct the kustomization")
    place = f"kubectl kustomize {shown}"
    return [
        resource
        for node in load_manifests(decoded(done.stdout, place), place)
        for resource in unfold(node)
        if resource.name
    ]
