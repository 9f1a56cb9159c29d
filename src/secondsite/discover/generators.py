"""ConfigMaps and Secrets that a kustomization generates, and the hash of the content behind their names.

Of a Secret the keys only: its files are not opened, so its hash is unknown and its name stays plain. References
then name it plainly too, so they still meet.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from attrs import evolve, frozen

from secondsite.discover.resources import Resource, YamlNode, mapping, scalar, with_entries
from secondsite.discover.transforms import named_anew
from secondsite.discover.yaml_source import Node, Plain, ScalarNode, read_text, to_plain
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

_KINDS = (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret"))
_READABLE = str.maketrans("013ae", "ghkmt")


@frozen
class Generators:
    """``problems``, ``notes`` and ``files`` are those of the build: what is found is added to them."""

    shown: Callable[[Path], str]
    problems: list[Problem]
    notes: list[str]
    files: set[Path]

    def apply(self, at: YamlNode, folder: Path, resources: list[Resource]) -> list[Resource]:
        """The resources with those that this kustomization generates, merges into or replaces."""
        for key, kind in _KINDS:
            for entry in at[key].items:
                made = self._made(kind, entry, at["generatorOptions"], folder)
                if made.name:
                    resources = self._placed(made, entry, resources)
        return resources

    def _placed(self, made: Resource, entry: YamlNode, resources: list[Resource]) -> list[Resource]:
        behavior = entry["behavior"].text or "create"
        place = entry["behavior"].place or made.place
        index = next((number for number, one in enumerate(resources) if _same(one, made)), None)
        if index is None:
            if behavior in ("merge", "replace"):
                what = f"there is no {made.kind} {made.name!r} to {behavior}"
                self.problems.append(
                    Problem(place, what, "name one that is defined before it, or leave `behavior` out")
                )
                return resources
            return [*resources, made]
        if behavior not in ("merge", "replace"):
            what = f"there is a {made.kind} {made.name!r} already"
            self.problems.append(Problem(place, what, "write `behavior: merge` or `replace`, or another name"))
            return resources
        joined = _joined(resources[index], made, merge=behavior == "merge")
        return [*resources[:index], joined, *resources[index + 1 :]]

    def _made(self, kind: str, entry: YamlNode, common: YamlNode, folder: Path) -> Resource:
        own = entry["options"]
        place = entry["name"].place or entry.place or Place("?")
        metadata: dict[str, Node] = {"name": scalar(entry["name"].text, place)}
        if entry["namespace"].node:
            metadata["namespace"] = entry["namespace"].node
        for key in ("labels", "annotations"):
            pairs = {k: at.node for options in (common, own) for k, at in options[key].entries.items() if at.node}
            if pairs:
                metadata[key] = mapping(pairs, place)
        data = self._data(entry, folder, secret=kind == "Secret")
        parts: dict[str, Node] = {
            "apiVersion": scalar("v1", place),
            "kind": scalar(kind, place),
            "metadata": mapping(metadata, place),
        }
        if data:
            parts["data"] = mapping(data, place)
        if kind == "Secret":
            parts["type"] = entry["type"].node or scalar("Opaque", place)
        if _either(own, common, "immutable"):
            parts["immutable"] = scalar(True, place)
        plain = _either(own, common, "disableNameSuffixHash")
        return evolve(Resource.of(mapping(parts, place)), hashed=not plain)

    def _data(self, entry: YamlNode, folder: Path, *, secret: bool) -> dict[str, Node]:
        data: dict[str, Node] = {}
        for item in (*entry["envs"].items, *((entry["env"],) if entry["env"] else ())):
            data.update(self._env_file(folder / item.text, item, secret=secret))
        for item in entry["files"].items:
            key, _, name = item.text.rpartition("=")
            value = self._file(folder / name, item, secret=secret)
            if value:
                data[key or Path(name).name] = value
        for literal in entry["literals"].items:
            key, _, value_text = literal.text.partition("=")
            data[key] = scalar("" if secret else _unquoted(value_text), literal.place or Place("?"))
        return data

    def _file(self, path: Path, item: YamlNode, *, secret: bool) -> Node | None:
        place = item.place or Place("?")
        if not path.is_file():
            self.problems.append(Problem(place, f"{item.text.rpartition('=')[2]!r} does not exist", "correct the path"))
            return None
        if secret:
            return scalar("", place)
        self.files.add(path.resolve())
        try:
            text = read_text(path, self.shown(path))
        except InputError:
            self.notes.append(f"{item.place}: {item.text.rpartition('=')[2]} is not text and was left out")
            return None
        return ScalarNode(text, text, Place(self.shown(path), 1))

    def _env_file(self, path: Path, item: YamlNode, *, secret: bool) -> dict[str, Node]:
        try:
            lines = read_text(path, self.shown(path)).splitlines()
        except InputError as error:
            problem = error.problems[0]
            self.problems.append(Problem(item.place or Place("?"), problem.what, problem.remedy))
            return {}
        pairs = [(number, *line.lstrip().partition("=")[::2]) for number, line in enumerate(lines, 1) if "=" in line]
        return {
            key: scalar("" if secret else value, Place(self.shown(path), number))
            for number, key, value in pairs
            if not key.startswith("#")
        }


def with_hashes(resources: list[Resource]) -> list[Resource]:
    """The names as they are deployed: generated ConfigMaps end in a hash of what they hold, references follow."""
    renames = {
        (one.kind, one.name): f"{one.name}-{content_hash(to_plain(one.node))}"
        for one in resources
        if one.hashed and one.kind == "ConfigMap"
    }
    return named_anew(resources, lambda kind, name: renames.get((kind, name), name)) if renames else resources


def content_hash(config_map: Plain) -> str:
    """As kustomize computes it: of the data as Go writes JSON, in letters that spell no words."""
    held = config_map if isinstance(config_map, dict) else {}
    text = json.dumps(
        {"data": held.get("data", ""), "kind": "ConfigMap", "name": ""},
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10].translate(_READABLE)


def _same(one: Resource, made: Resource) -> bool:
    return one.kind == made.kind and made.name in one.names and made.namespace in ("", one.namespace)


def _joined(old: Resource, new: Resource, *, merge: bool) -> Resource:
    """The new content under the old name; a hash only where both want one."""
    before, now = old.top["metadata"], new.top["metadata"]
    metadata: dict[str, Node] = {key: at.node for key, at in before.entries.items() if at.node}
    for key in ("labels", "annotations"):
        pairs = {k: at.node for part in (before, now) for k, at in part[key].entries.items() if at.node}
        if pairs:
            metadata[key] = mapping(pairs, new.place)
    changes: dict[str, Node] = {"metadata": mapping(metadata, old.place)}
    if merge:
        data = {k: at.node for one in (old, new) for k, at in one.top["data"].entries.items() if at.node}
        if data:
            changes["data"] = mapping(data, new.place)
    return evolve(old.becoming(with_entries(new.node, changes)), hashed=old.hashed and new.hashed)


def _either(own: YamlNode, common: YamlNode, key: str) -> bool:
    return bool(own[key].flag or common[key].flag)


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text
