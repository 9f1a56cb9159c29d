"""The values that Flux or Argo CD gives a chart, from all that it takes them from, laid over each other as it does.

What is not at hand (a Secret's, another repository's) may set anything: it is named, and what nothing else sets is
unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from attrs import frozen

from secondsite.discover.helm_values import ValuesFile, over, values_in
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode, embedded
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode
from secondsite.model.place import Place

_REFERENCE = re.compile(r"\$[A-Za-z0-9_-]+/(?P<path>.+)")
"""A file of another source of the same Application, by the name that this one has for it."""
_DOTS = re.compile(r"(?<!\\)\.")
_HASH = re.compile(r"-[0-9a-z]{10}")


@frozen(eq=False)
class GivenValues:
    """``unread`` are places of values that were not at hand."""

    values: MapNode
    unread: tuple[str, ...] = ()


def flux_values(resource: Resource, inventory: ResourceInventory) -> GivenValues:
    """``valuesFrom`` in their order, and the release's own over them."""
    values, unread = _nothing(resource), []
    for given in resource.spec["valuesFrom"].items:
        kind, name = given["kind"].text, given["name"].text
        key, path = given["valuesKey"].text or "values.yaml", given["targetPath"].text
        source = next(_config_maps(inventory, resource.where, name), None) if kind == "ConfigMap" else None
        at = source.top["data"][key] if source else YamlNode(None)
        held = _parsed(at) if not path else _at_path(path, at)
        if held is None:
            unread.append(f"{kind} {name}")
        else:
            values = over(values, held)
    own = resource.spec["values"].node
    return GivenValues(over(values, _worded(own)) if isinstance(own, MapNode) else values, tuple(unread))


def _config_maps(inventory: ResourceInventory, namespace: str, name: str) -> Iterator[Resource]:
    """Of that name, or of one that a kustomization ended in a hash."""
    for resource in inventory.of_kind("ConfigMap"):
        plain = resource.name == name or _HASH.fullmatch(resource.name.removeprefix(name))
        if plain and resource.where == namespace:
            yield resource


def argo_values(resource: Resource, source: YamlNode) -> GivenValues:
    """Files below ``values``, these below ``valuesObject``, and single parameters over all."""
    helm = source["helm"]
    values, unread = _nothing(resource), [name for name in helm["valueFiles"].texts if name != "values.yaml"]
    for written in (_parsed(helm["values"]), helm["valuesObject"].node):
        if isinstance(written, MapNode):
            values = over(values, _worded(written))
    for parameter in helm["parameters"].items:
        value, plain = parameter["value"], parameter["forceString"].flag
        if held := _at_path(parameter["name"].text, value, plain=bool(plain)):
            values = over(values, held)
        else:
            unread.append(f"the parameter {parameter['name'].text}")
    return GivenValues(values, (*unread, *(one["path"].text for one in helm["fileParameters"].items)))


def with_value_files(
    resources: Sequence[Resource], files: Sequence[ValuesFile], deploys: frozenset[str]
) -> tuple[list[Resource], list[ValuesFile]]:
    """Applications with the files of ``$name/path`` in them, and the files that none of them takes.

    ``deploys`` are charts. Beside a file that is deployed so, others are those of other environments.
    """
    taken: list[ValuesFile] = []
    made = [_with_files(one, files, deploys, taken) if one.kind == "Application" else one for one in resources]
    folders = {file.path.parent for file in taken}
    return made, [file for file in files if file.named or file.path.parent not in folders]


def _with_files(
    resource: Resource, files: Sequence[ValuesFile], deploys: frozenset[str], taken: list[ValuesFile]
) -> Resource:
    sources = resource.spec["sources"]
    if not any(source["chart"].text in deploys for source in sources.items):
        return resource
    filled = [
        _filled(source, files, taken) if source["chart"].text in deploys else source.node for source in sources.items
    ]
    items = ListNode(tuple(one for one in filled if one is not None), resource.place)
    spec = _with(resource.spec.node, resource.place, sources=items)
    return resource.becoming(_with(resource.node, resource.place, spec=spec))


def _filled(source: YamlNode, files: Sequence[ValuesFile], taken: list[ValuesFile]) -> Node:
    """The source with the files' values below its own, and the names of those that were not found."""
    helm, place = source["helm"], source.place or Place("?")
    below, left = MapNode({}, {}, place), []
    for name in helm["valueFiles"].items:
        reference = _REFERENCE.fullmatch(name.text)
        ending = PurePath(reference["path"]).parts if reference else ()
        matching = [file for file in files if ending and file.path.parts[-len(ending) :] == ending]
        if len(matching) == 1:
            taken.append(matching[0])
            below = over(below, matching[0].node)
        elif name.node is not None:
            left.append(name.node)
    for written in (_parsed(helm["values"]), helm["valuesObject"].node):
        if isinstance(written, MapNode):
            below = over(below, _worded(written))
    empty = ScalarNode(None, "", place)
    kept = _with(helm.node, place, values=empty, valuesObject=below, valueFiles=ListNode(tuple(left), place))
    return _with(source.node, place, helm=kept)


def _with(node: Node | None, place: Place, **entries: Node) -> MapNode:
    old = node if isinstance(node, MapNode) else MapNode({}, {}, place)
    keys = {key: value.place for key, value in entries.items()}
    return MapNode({**old.entries, **entries}, {**keys, **old.keys}, old.place)


def _parsed(at: YamlNode) -> MapNode | None:
    document = next(iter(embedded(at)), None)
    return _worded(document) if isinstance(document, MapNode) else None


def _worded(values: MapNode) -> MapNode:
    """In the words of the official chart, where they are of one that is known by its shape."""
    return values_in(values) or values


def _at_path(path: str, at: YamlNode, *, plain: bool = False) -> MapNode | None:
    """``a.b.c`` with that value, which Helm reads as YAML unless it is ``plain`` text; lists are not followed."""
    value = at.node if plain else next(iter(embedded(at)), at.node)
    if value is None or not path or "[" in path:
        return None
    for part in reversed(_DOTS.split(path)):
        key = part.replace("\\.", ".")
        value = MapNode({key: value}, {key: value.place}, value.place)
    return value if isinstance(value, MapNode) else None


def _nothing(resource: Resource) -> MapNode:
    return MapNode({}, {}, resource.place)
