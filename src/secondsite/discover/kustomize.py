"""A kustomization, built in memory: which manifests belong together, and what is changed on the way.

Covers resources, components, bases, namespace, name prefix and suffix, labels, images, replicas, generators, patches
and replacements. Not covered, and then noted: remote resources, Helm charts, variables and plugins. Places stay those
of the files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from secondsite.discover.generators import Generators, with_hashes
from secondsite.discover.manifest_text import parts_of
from secondsite.discover.patches import json_patch, matcher, strategic_merge
from secondsite.discover.replacements import replaced
from secondsite.discover.resources import Resource, YamlNode, with_entries
from secondsite.discover.transforms import annotated, labelled, namespaced, renamed, with_images, with_replicas
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode, load_manifests, read_text
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MAX_FOLDERS_DEEP = 50
MAX_RESOURCES = 100_000

_NOT_APPLIED = ("helmCharts", "helmChartInflationGenerator", "vars", "generators", "transformers")
_REMOTE = re.compile(r"^[a-z+]+://|^git@|^(github|gitlab|bitbucket)\.[a-z]+/|\?ref=|\.git(//|$)")


def kustomization_of(folder: Path) -> Path | None:
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)


def referenced_folders(path: Path, shown: Callable[[Path], str]) -> list[Path]:
    """The folders that this kustomization names as its own parts; broken files name none."""
    try:
        documents = load_manifests(read_text(path, shown(path)), shown(path))
    except InputError:
        return []
    entries = [
        entry for document in documents for entry in _listed(YamlNode(document), "resources", "bases", "components")
    ]
    return [folder for entry in entries if entry.text and (folder := path.parent / entry.text).is_dir()]


@define
class Build:
    """``files`` are those that were read; ``problems`` are collected, so that all are told at once."""

    shown: Callable[[Path], str]
    problems: list[Problem] = field(factory=list)
    notes: list[str] = field(factory=list)
    files: set[Path] = field(factory=set)
    _stack: list[Path] = field(factory=list)

    def root(self, folder: Path) -> list[Resource]:
        """The resources of the kustomization in the folder, as they are deployed."""
        return with_hashes(self._folder(folder))

    def _folder(self, folder: Path) -> list[Resource]:
        path, real = kustomization_of(folder), folder.resolve()
        if path is None:
            raise InputError.at(self.shown(folder), "has no kustomization.yaml", "name a file or a kustomization")
        if real in self._stack:
            raise InputError.at(self.shown(folder), "is part of itself (a cycle)", "take one of the references out")
        if len(self._stack) >= MAX_FOLDERS_DEEP:
            what = f"is nested more than {MAX_FOLDERS_DEEP} kustomizations deep"
            raise InputError.at(self.shown(folder), what, "refer to fewer folders one from another")
        self._stack.append(real)
        try:
            result: list[Resource] = []
            for document in self.documents(path):
                result = self._apply(YamlNode(document), folder, result)
            return result
        finally:
            self._stack.pop()

    def documents(self, path: Path) -> list[Node]:
        """The documents of a file; what is wrong with it is collected."""
        self.files.add(path.resolve())
        shown = self.shown(path)
        documents: list[Node] = []
        try:
            parts = list(parts_of(read_text(path, shown)))
        except InputError as error:
            self.problems.extend(error.problems)
            return []
        for part in parts:
            try:
                documents += load_manifests(part.text, shown, first_line=part.first_line)
            except InputError as error:
                self.problems.extend(error.problems)
        return documents

    def manifests(self, path: Path) -> list[Resource]:
        """The Kubernetes objects in a file, lists unfolded."""
        resources = [resource for node in self.documents(path) for resource in unfold(node)]
        for resource in resources:
            if not resource.name and resource.kind != "Kustomization":
                self._problem(resource.node.place, f"a {resource.kind} without metadata.name", "give it a name")
        return [resource for resource in resources if resource.name]

    def _apply(self, at: YamlNode, folder: Path, before: list[Resource]) -> list[Resource]:
        """One kustomization, in the order in which kustomize applies its parts."""
        resources = before + self._members(at, folder)
        if len(resources) > MAX_RESOURCES:
            raise InputError.at(self.shown(folder), f"has more than {MAX_RESOURCES:,} objects", "name a part of it")
        resources = self._generators.apply(at, folder, resources)
        for entry in _listed(at, "components"):
            resources = self._component(entry, folder, resources)
        resources = self._patched(at, folder, resources)
        resources = [with_replicas(resource, at["replicas"].items) for resource in resources]
        resources = [namespaced(resource, at["namespace"]) for resource in resources]
        resources = renamed(resources, at["namePrefix"], at["nameSuffix"])
        resources = [labelled(resource, at) for resource in resources]
        resources = [with_images(resource, at["images"].items) for resource in resources]
        self.notes += [
            f"{entry.place}: {key} of a kustomization are not applied; build it with kubectl to have them"
            for key in _NOT_APPLIED
            if (entry := at[key])
        ]
        resources = [annotated(resource, at["commonAnnotations"]) for resource in resources]
        return self._replaced(at, folder, resources)

    @property
    def _generators(self) -> Generators:
        return Generators(self.shown, self.problems, self.notes, self.files)

    def _replaced(self, at: YamlNode, folder: Path, resources: list[Resource]) -> list[Resource]:
        """Entries of the kustomization itself, and lists of them in the files that it names."""
        entries: list[YamlNode] = []
        for entry in at["replacements"].items:
            if entry["path"]:
                for document in self.documents(folder / entry["path"].text):
                    entries += YamlNode(document).items or (YamlNode(document),)
            else:
                entries.append(entry)
        try:
            return replaced(resources, entries)
        except InputError as error:
            self.problems.extend(error.problems)
            return resources

    def _members(self, at: YamlNode, folder: Path) -> list[Resource]:
        members: list[Resource] = []
        for entry in _listed(at, "resources", "bases"):
            if _REMOTE.search(entry.text):
                self.notes.append(f"{entry.place}: {entry.text} is remote and was not fetched")
                continue
            path = folder / entry.text
            try:
                if path.is_dir():
                    members += self._folder(path)
                elif path.is_file():
                    members += self.manifests(path)
                else:
                    self._problem(
                        entry.place, f"{entry.text!r} does not exist", "correct the path, or take the line out"
                    )
            except InputError as error:
                self.problems.extend(Problem(entry.place or p.place, p.what, p.remedy) for p in error.problems)
            except OSError as error:
                self._problem(entry.place, f"{entry.text[:80]!r} cannot be read: {error.strerror}", "correct the path")
        return members

    def _component(self, entry: YamlNode, folder: Path, resources: list[Resource]) -> list[Resource]:
        part = folder / entry.text
        path = kustomization_of(part)
        if path is None or part.resolve() in self._stack or len(self._stack) >= MAX_FOLDERS_DEEP:
            self._problem(entry.place, f"{entry.text!r} is not a component", "name a folder with a kustomization")
            return resources
        self._stack.append(part.resolve())
        for document in self.documents(path):
            resources = self._apply(YamlNode(document), part, resources)
        self._stack.pop()
        return resources

    def _patched(self, at: YamlNode, folder: Path, resources: list[Resource]) -> list[Resource]:
        for entry in (*at["patches"].items, *at["patchesJson6902"].items, *at["patchesStrategicMerge"].items):
            inline = entry["patch"] if entry["patch"] else YamlNode(None) if entry["path"] else entry
            if entry["path"] or ("\n" not in inline.text and (folder / inline.text).is_file()):
                patches = self.documents(folder / (entry["path"].text or inline.text))
            else:
                patches = self._inline_patch(inline)
            for patch in patches:
                try:
                    resources = _apply_patch(resources, patch, entry["target"], entry.place or patch.place)
                except InputError as error:
                    self.problems.extend(error.problems)
        return resources

    def _inline_patch(self, inline: YamlNode) -> list[Node]:
        if not isinstance(inline.node, ScalarNode):
            return [inline.node] if inline.node else []
        try:
            file, line = inline.node.place.file, inline.node.first_line
            return load_manifests(inline.text, file, first_line=line, columns=False)
        except InputError as error:
            self.problems.extend(error.problems)
            return []

    def _problem(self, place: Place | None, what: str, remedy: str) -> None:
        self.problems.append(Problem(place or Place("?"), what, remedy))


def unfold(node: Node) -> list[Resource]:
    """The objects in a document: itself, or the items of a List."""
    if not isinstance(node, MapNode):
        return []
    at = YamlNode(node)
    if at["kind"].text.endswith("List") and at["items"].items:
        return [resource for item in at["items"].items if item.node for resource in unfold(item.node)]
    return [Resource.of(node)] if at["kind"].text and at["apiVersion"].text else []


def _listed(at: YamlNode, *keys: str) -> list[YamlNode]:
    return [entry for key in keys for entry in at[key].items if entry.text]


def _apply_patch(resources: list[Resource], patch: Node, target: YamlNode, place: Place) -> list[Resource]:
    if isinstance(patch, MapNode) and not target:
        named = Resource.of(patch)
        selected = [
            match
            for match in resources
            if match.kind == named.kind and named.name in match.names and named.namespace in ("", match.namespace)
        ]
    else:
        selected = [match for match in resources if matcher(target)(match)] if target else []
    if not selected and not target:
        raise InputError.at(place, "the patch matches no object", "name the kind and name of one, or a target")
    result = []
    for resource in resources:
        node: MapNode | None = resource.node
        if resource in selected and isinstance(patch, MapNode):
            node = strategic_merge(resource.node, _addressed(patch, resource))
        elif resource in selected and isinstance(patch, ListNode):
            node = json_patch(resource.node, patch)
        if node is not None:
            result.append(resource if node is resource.node else resource.becoming(node))
    return result


def _addressed(patch: MapNode, resource: Resource) -> MapNode:
    """The patch without the name that it was addressed by: with a target, that name may be any."""
    metadata = patch.get("metadata")
    name = resource.top.dig("metadata", "name").node
    if not isinstance(metadata, MapNode) or name is None:
        return patch
    return with_entries(patch, {"metadata": with_entries(metadata, {"name": name})})
