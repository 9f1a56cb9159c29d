"""Kustomize replacements: one field's value copied into others.

Covers sources and targets by kind, name, namespace, group and version, rejects, lists by key, index and ``*``,
delimiters and ``create``. The value of a Secret is not known here: what would take it stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from attrs import evolve, frozen

from secondsite.discover.resources import Resource, YamlNode, mapping, scalar, with_entries
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode
from secondsite.model.errors import InputError
from secondsite.model.place import Place

_PART = re.compile(r"((?:\[[^\]]*\]|\\.|[^.\[\\])+)(?:\.|$)")
_LIST_KEY = re.compile(r"\[([^=\]]+)=([^\]]*)\]")

Change = Callable[[Node | None], Node]


def replaced(resources: list[Resource], entries: Iterable[YamlNode]) -> list[Resource]:
    """The resources with the replacements applied in order. Raises `InputError`."""
    for entry in entries:
        source = entry["source"]
        value = _value(resources, source)
        if value is None:
            continue
        for target in entry["targets"].items:
            resources = [_changed(one, target, value) if _wanted(one, target) else one for one in resources]
    return resources


def _value(resources: list[Resource], source: YamlNode) -> Node | None:
    """What is copied; None where it is a Secret's, and so unknown."""
    selected = [one for one in resources if _selected(one, source)]
    place = source.place or (source["name"] or source["kind"]).place or Place("?")
    if len(selected) != 1:
        what = f"a replacement's source selects {len(selected)} objects"
        raise InputError.at(place, what, "name the kind and name of one object")
    path = _path(source["fieldPath"].text or "metadata.name")
    if selected[0].kind == "Secret" and path[0] in ("data", "stringData"):
        return None
    node = _read(selected[0].node, path)
    if node is None:
        what = f"{selected[0].kind} {selected[0].name} has no field {source['fieldPath'].text!r}"
        raise InputError.at(source["fieldPath"].place or place, what, "correct the path")
    delimiter = source.dig("options", "delimiter").text
    if not delimiter or not isinstance(node, ScalarNode):
        return node
    parts, index = node.text.split(delimiter), source.dig("options", "index").whole or 0
    if not 0 <= index < len(parts):
        what = f"{node.text[:60]!r} has no part {index}"
        raise InputError.at(source.dig("options", "index").place or place, what, f"write 0 to {len(parts) - 1}")
    return scalar(parts[index], node.place)


def _wanted(resource: Resource, target: YamlNode) -> bool:
    rejected = any(_selected(resource, reject) for reject in target["reject"].items)
    return _selected(resource, target["select"]) and not rejected


def _selected(resource: Resource, select: YamlNode) -> bool:
    group, _, version = resource.top["apiVersion"].text.rpartition("/")
    return (
        select["kind"].text in ("", resource.kind)
        and (not select["name"] or select["name"].text in resource.names)
        and select["namespace"].text in ("", resource.namespace)
        and select["group"].text in ("", group)
        and select["version"].text in ("", version)
    )


def _changed(resource: Resource, target: YamlNode, value: Node) -> Resource:
    options = target["options"]
    for field_path in target["fieldPaths"].items or (YamlNode(scalar("metadata.name", resource.place)),):
        writing = _Writing(_putting(value, options), create=options["create"].flag or False)
        node = writing.into(resource.node, _path(field_path.text))
        if node is None or not isinstance(node, MapNode):
            what = f"{resource.kind} {resource.name} has no field {field_path.text!r}"
            raise InputError.at(field_path.place or resource.place, what, "correct the path, or write `create: true`")
        resource = resource.becoming(node)
    return resource


def _putting(value: Node, options: YamlNode) -> Change:
    delimiter, index = options["delimiter"].text, options["index"].whole or 0

    def put(present: Node | None) -> Node:
        if not delimiter or not isinstance(present, ScalarNode) or not isinstance(value, ScalarNode):
            return value
        parts = present.text.split(delimiter)
        if index < 0:
            parts.insert(0, value.text)
        elif index >= len(parts):
            parts.append(value.text)
        else:
            parts[index] = value.text
        return scalar(delimiter.join(parts), value.place)

    return put


@frozen
class _Writing:
    put: Change
    create: bool

    def into(self, node: Node | None, path: list[str]) -> Node | None:
        """The node with the field put; None where the path leads nowhere."""
        if not path:
            return self.put(node) if node is not None or self.create else None
        head, rest = path[0], path[1:]
        if isinstance(node, ListNode):
            return self._into_list(node, head, rest)
        if head == "*" and isinstance(node, MapNode):
            inner = {key: self.into(value, rest) for key, value in node.entries.items()}
            return with_entries(node, {key: value for key, value in inner.items() if value is not None})
        if node is not None and not isinstance(node, MapNode):
            return None
        child = self.into(node.get(head) if node else None, rest)
        if child is None:
            return None
        return with_entries(node, {head: child}) if node else mapping({head: child}, child.place)

    def _into_list(self, node: ListNode, head: str, rest: list[str]) -> Node | None:
        items = list(node.items)
        chosen = [number for number, item in enumerate(items) if _is(item, number, head)]
        for number in chosen:
            changed = self.into(items[number], rest)
            if changed is None:
                return None
            items[number] = changed
        key = _LIST_KEY.fullmatch(head)
        if not chosen and self.create and key:
            new = self.into(mapping({key[1]: scalar(key[2], node.place)}, node.place), rest)
            return evolve(node, items=(*items, new)) if new else None
        return evolve(node, items=tuple(items)) if chosen else None


def _is(item: Node, number: int, part: str) -> bool:
    key = _LIST_KEY.fullmatch(part)
    return YamlNode(item)[key[1]].text == key[2] if key else part in ("*", str(number))


def _read(node: Node | None, path: list[str]) -> Node | None:
    for part in path:
        if isinstance(node, ListNode):
            node = next((item for number, item in enumerate(node.items) if _is(item, number, part)), None)
        else:
            node = node.get(part) if isinstance(node, MapNode) else None
    return node


def _path(text: str) -> list[str]:
    """Parts between dots; a dot in brackets or behind a backslash is part of a name."""
    return [part if part.startswith("[") else part.replace("\\", "") for part in _PART.findall(text)] or [""]
