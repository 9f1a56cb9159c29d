"""Kustomize patches on nodes: strategic merge (as far as Kubernetes' own kinds need it) and JSON 6902.

A changed value stands where the patch wrote it, so a mark leads to the line that decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import evolve

from secondsite.discover.resources import Resource, YamlNode, with_entries, without_entry
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode
from secondsite.model.errors import InputError
from secondsite.model.place import Place

# The lists of Kubernetes' own kinds that merge by a key; in every other list the patch replaces.
_MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port"),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "hostAliases": ("ip",),
}
_STRATEGIC_GROUPS = ("", "apps", "batch", "autoscaling", "policy", "networking.k8s.io")


def strategic_merge(target: MapNode, patch: MapNode) -> MapNode | None:
    """The target with the patch merged in; None when the patch deletes it. Custom kinds merge without list keys."""
    if YamlNode(patch)["$patch"].text == "delete":
        return None
    merged = _merge_maps(target, patch, lists=Resource.of(target).group in _STRATEGIC_GROUPS)
    # Patches are addressed by these; they do not rename.
    kept: dict[str, Node] = {key: target.entries[key] for key in ("kind", "apiVersion") if key in target.entries}
    return with_entries(merged, kept)


def _merge_maps(target: MapNode, patch: MapNode, *, lists: bool) -> MapNode:
    if YamlNode(patch)["$patch"].text == "replace":
        return without_entry(patch, "$patch")
    result = target
    for key, value in patch.entries.items():
        if key.startswith("$"):
            continue
        if isinstance(value, ScalarNode) and value.value is None:
            result = without_entry(result, key)
            continue
        present = result.get(key)
        if isinstance(present, ScalarNode) and isinstance(value, ScalarNode) and present.value == value.value:
            continue
        if isinstance(present, MapNode) and isinstance(value, MapNode):
            value = _merge_maps(present, value, lists=lists)  # noqa: PLW2901 (the merged value takes its place)
        elif lists and key in _MERGE_KEYS and isinstance(present, ListNode) and isinstance(value, ListNode):
            value = _merge_lists(present, value, _MERGE_KEYS[key])  # noqa: PLW2901 (as above)
        result = with_entries(result, {key: value})
    return result


def _merge_lists(target: ListNode, patch: ListNode, keys: tuple[str, ...]) -> ListNode:
    items = list(target.items)
    for change in patch.items:
        directive = YamlNode(change)["$patch"].text
        if directive == "replace":
            others = [item for item in patch.items if YamlNode(item)["$patch"].text != "replace"]
            return ListNode(tuple(others), patch.place)
        name = _identity(change, keys)
        index = next((i for i, item in enumerate(items) if name is not None and _identity(item, keys) == name), None)
        if index is None:
            if directive != "delete":
                items.append(change)
        elif directive == "delete":
            del items[index]
        else:
            present = items[index]
            both = isinstance(present, MapNode) and isinstance(change, MapNode)
            items[index] = _merge_maps(present, change, lists=True) if both else change  # type: ignore[arg-type] # both
    return evolve(target, items=tuple(items))


def _identity(item: Node, keys: tuple[str, ...]) -> str | None:
    return next((YamlNode(item)[key].text for key in keys if YamlNode(item)[key]), None)


def json_patch(target: MapNode, operations: ListNode) -> MapNode:
    """Apply add, replace, remove, test, copy and move in order. Raises `InputError` at the operation that fails."""
    node: Node = target
    for operation in operations.items:
        at = YamlNode(operation)
        name, path = at["op"].text, _pointer(at["path"], operation.place)
        value = at["value"].node
        if name in ("copy", "move"):
            source = _pointer(at["from"], operation.place)
            value = _lookup(node, source, operation.place)
            if name == "move":
                node = _change(node, source, operation.place, None, add=False)
        elif name in ("add", "replace", "test") and value is None:
            raise InputError.at(operation.place, f"the operation {name!r} has no value", "write `value:`")
        if name == "remove":
            node = _change(node, path, operation.place, None, add=False)
        elif name == "replace":
            _lookup(node, path, operation.place)
            node = _change(node, path, operation.place, value, add=False)
        elif name in ("add", "copy", "move"):
            node = _change(node, path, operation.place, value, add=True)
        elif name != "test":
            raise InputError.at(operation.place, f"{name!r} is no patch operation", "write add, replace or remove")
    if not isinstance(node, MapNode):
        raise InputError.at(operations.place, "the patch replaces the whole object", "name a path inside it")
    return node


def _pointer(at: YamlNode, place: Place) -> list[str]:
    text = at.text
    if not text.startswith("/"):
        raise InputError.at(at.place or place, f"{text!r} is no path of a patch", "write one such as /spec/replicas")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _lookup(node: Node, path: list[str], place: Place) -> Node:
    for part in path:
        holder: Node | None = None
        if isinstance(node, MapNode):
            holder = node.get(part)
        elif isinstance(node, ListNode) and part.isdecimal() and int(part) < len(node.items):
            holder = node.items[int(part)]
        if holder is None:
            raise InputError.at(place, f"the patch names /{'/'.join(path)}, which does not exist", "correct the path")
        node = holder
    return node


def _change(node: Node, path: list[str], place: Place, value: Node | None, *, add: bool) -> Node:
    """The node with the value at the path set, inserted or (None) removed."""
    head, rest = path[0], path[1:]
    if isinstance(node, MapNode):
        if rest or value is None:
            child = _lookup(node, [head], place)
            if not rest:
                return without_entry(node, head)
            return with_entries(node, {head: _change(child, rest, place, value, add=add)})
        return with_entries(node, {head: value})
    if not isinstance(node, ListNode) or not (head.isdecimal() or head == "-"):
        raise InputError.at(place, f"the patch's path has no {head!r} there", "correct the path")
    items = list(node.items)
    index = len(items) if head == "-" else int(head)
    if index > len(items) or (index == len(items) and (rest or not add)):
        raise InputError.at(place, f"the patch names item {head} of a list of {len(items)}", "correct the path")
    if rest:
        items[index] = _change(items[index], rest, place, value, add=add)
    elif value is None:
        del items[index]
    elif add:
        items.insert(index, value)
    else:
        items[index] = value
    return evolve(node, items=tuple(items))


def matcher(target: YamlNode) -> Callable[[Resource], bool]:
    """Whether a patch's `target` selects a resource; names and namespaces are anchored regular expressions."""
    patterns = {key: _pattern(target[key]) for key in ("kind", "name", "namespace", "group", "version")}

    def matches(resource: Resource) -> bool:
        version = resource.top["apiVersion"].text.rpartition("/")[2]
        facts = {
            "kind": {resource.kind},
            "name": resource.names,
            "namespace": {resource.namespace},
            "group": {resource.group},
            "version": {version},
        }
        if any(pattern and not any(map(pattern.fullmatch, facts[key])) for key, pattern in patterns.items()):
            return False
        wanted = dict(part.split("=", 1) for part in target["labelSelector"].text.split(",") if "=" in part)
        return all(resource.labels.get(key.strip().rstrip("=!")) == value.strip("= ") for key, value in wanted.items())

    return matches


def _pattern(at: YamlNode) -> re.Pattern[str] | None:
    if not at.text:
        return None
    # Kustomize's patterns are RE2, which cannot backtrack without end; nested repetition is not taken here.
    if len(at.text) > 200 or re.search(r"[+*}]\)?[+*{]", at.text):
        raise InputError.at(at.place or Place("?"), f"{at.text[:60]!r} is no plain pattern", "write a name or name.*")
    try:
        return re.compile(at.text)
    except re.error as error:
        raise InputError.at(at.place or Place("?"), f"{at.text!r} is no pattern: {error}", "write a name") from None
