"""One Kubernetes object, read by path; and the collection of all that was found.

A value of the wrong type is an `InputError` at its place; an absent one is None or empty. Kinds are known by
name, whatever their API version, as old versions say the same things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias, TypeVar

from attrs import evolve, field, frozen

from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode, load_manifests
from secondsite.model.errors import InputError
from secondsite.model.place import Place
from secondsite.model.units import Bytes, Cores, Seconds, parse_bytes, parse_cores, parse_seconds

T = TypeVar("T")

SOURCE = "secondsite.source"
"""A label of what no manifest says: a docker compose file, or a server's own configuration."""


@frozen(eq=False)
class YamlNode:
    """A node, or the absence of one, with typed access. Never fails on what does not exist.

    ``key`` is where the key stands that leads to it: the place that a person would look at for a collection.
    """

    node: Node | None
    key: Place | None = None

    def __getitem__(self, key: str | int) -> YamlNode:
        if isinstance(key, str):
            return (
                YamlNode(self.node.get(key), self.node.keys.get(key))
                if isinstance(self.node, MapNode)
                else YamlNode(None)
            )
        items = self.node.items if isinstance(self.node, ListNode) else ()
        return YamlNode(items[key] if key < len(items) else None)

    def dig(self, *keys: str) -> YamlNode:
        at = self
        for key in keys:
            at = at[key]
        return at

    def __bool__(self) -> bool:
        """True where something other than null is written."""
        return self.node is not None and not (isinstance(self.node, ScalarNode) and self.node.value is None)

    @property
    def place(self) -> Place | None:
        if self.node is None:
            return None
        return self.node.place if isinstance(self.node, ScalarNode) or self.key is None else self.key

    @property
    def items(self) -> tuple[YamlNode, ...]:
        return tuple(YamlNode(item) for item in self.node.items) if isinstance(self.node, ListNode) else ()

    @property
    def entries(self) -> Mapping[str, YamlNode]:
        if not isinstance(self.node, MapNode):
            return {}
        return {key: YamlNode(value, self.node.keys.get(key)) for key, value in self.node.entries.items()}

    @property
    def text(self) -> str:
        """The scalar as written; empty for what is absent, null or a collection."""
        return self.node.text if isinstance(self.node, ScalarNode) and self else ""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(item.text for item in self.items)

    @property
    def flag(self) -> bool | None:
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        return value if isinstance(value, bool) else None

    @property
    def whole(self) -> int | None:
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return self._parsed(int, "is not a whole number", "write a number such as 3")

    @property
    def seconds(self) -> Seconds | None:
        return self._parsed(parse_seconds, "is not a duration", "write a number and a unit, such as 90s or 5m")

    @property
    def size(self) -> Bytes | None:
        return self._parsed(parse_bytes, "is not a size", "write a number and a unit, such as 512Mi or 10Gi")

    @property
    def cores(self) -> Cores | None:
        return self._parsed(parse_cores, "is not a number of cores", "write cores or millicores, such as 2 or 250m")

    def _parsed(self, parse: Callable[[str], T], what: str, remedy: str) -> T | None:
        if not self:
            return None
        try:
            return parse(self.text)
        except ValueError:
            raise InputError.at(self.place or Place("?"), f"{self.text[:60]!r} {what}", remedy) from None


# Knative calls a workload a Service.
_KNATIVE = {"serving.knative.dev": {"Service": "KnativeService"}}


@frozen(eq=False)
class Resource:
    """A manifest. ``namespace`` is empty where none is named; ``top.place`` is where it begins.

    ``former`` are names that a kustomization changed on the way; ``hashed``: its name will end in a hash.
    """

    node: MapNode
    kind: str
    group: str
    name: str
    namespace: str
    former: frozenset[str] = frozenset()
    hashed: bool = False

    @classmethod
    def of(cls, node: MapNode) -> Resource:
        top = YamlNode(node)
        group = top["apiVersion"].text.rpartition("/")[0]
        metadata = top["metadata"]
        name = metadata["name"].text or metadata["generateName"].text
        return cls(
            node,
            _KNATIVE.get(group, {}).get(top["kind"].text, top["kind"].text),
            group,
            name,
            metadata["namespace"].text,
        )

    def becoming(self, node: MapNode) -> Resource:
        """The same object, changed."""
        return evolve(Resource.of(node), former=self.names, hashed=self.hashed)

    @property
    def names(self) -> frozenset[str]:
        """Each name that it can be addressed by."""
        return self.former | {self.name}

    @property
    def top(self) -> YamlNode:
        return YamlNode(self.node)

    @property
    def spec(self) -> YamlNode:
        return self.top["spec"]

    @property
    def place(self) -> Place:
        return self.top.dig("metadata", "name").place or self.node.place

    @property
    def labels(self) -> Mapping[str, str]:
        return {key: value.text for key, value in self.top.dig("metadata", "labels").entries.items()}

    @property
    def annotations(self) -> Mapping[str, YamlNode]:
        return self.top.dig("metadata", "annotations").entries

    @property
    def source(self) -> str:
        """What it was made from where no manifest has it; empty for a manifest."""
        return self.labels.get(SOURCE, "")

    @property
    def where(self) -> str:
        """The namespace, by its default name where none is named."""
        return self.namespace or "default"


_Selecting: TypeAlias = "Mapping[tuple[str, tuple[str, str] | None], list[Resource]]"


def _by_first_label(resources: Iterator[Resource], selector: str) -> _Selecting:
    """By namespace and a label that the selector asks for; None where it asks for none by value."""
    by_label: dict[tuple[str, tuple[str, str] | None], list[Resource]] = {}
    for resource in resources:
        wanted = resource.spec[selector]["matchLabels"].entries
        pair = next(((key, value.text) for key, value in wanted.items()), None)
        by_label.setdefault((resource.where, pair), []).append(resource)
    return by_label


@frozen
class ResourceInventory:
    """Everything found, in order; one object per kind, namespace and name."""

    resources: tuple[Resource, ...] = ()
    by_kind: Mapping[str, tuple[Resource, ...]] = field(factory=dict, repr=False)
    _selectors: dict[tuple[str, str], _Selecting] = field(factory=dict, init=False, eq=False, repr=False)

    @classmethod
    def of(cls, resources: tuple[Resource, ...]) -> ResourceInventory:
        by_kind: dict[str, list[Resource]] = {}
        for resource in resources:
            by_kind.setdefault(resource.kind, []).append(resource)
        return cls(resources, {kind: tuple(of_kind) for kind, of_kind in by_kind.items()})

    def of_kind(self, *kinds: str) -> Iterator[Resource]:
        for kind in kinds:
            yield from self.by_kind.get(kind, ())

    def find(self, kind: str, namespace: str, name: str) -> Resource | None:
        return self._named.get((kind, namespace, name))

    @cached_property
    def _named(self) -> Mapping[tuple[str, str, str], Resource]:
        by_name: dict[tuple[str, str, str], Resource] = {}
        for resource in self.resources:
            by_name.setdefault((resource.kind, resource.where, resource.name), resource)
        return by_name

    def scaling(self, kind: str, namespace: str, name: str) -> Sequence[Resource]:
        """The HorizontalPodAutoscalers and ScaledObjects of a workload."""
        return self._scalers.get((kind, namespace, name), ())

    @cached_property
    def _scalers(self) -> Mapping[tuple[str, str, str], Sequence[Resource]]:
        scalers: dict[tuple[str, str, str], list[Resource]] = {}
        for scaler in self.of_kind("HorizontalPodAutoscaler", "ScaledObject"):
            target = scaler.spec["scaleTargetRef"]
            key = (target["kind"].text or "Deployment", scaler.where, target["name"].text)
            scalers.setdefault(key, []).append(scaler)
        return scalers

    def selecting(self, kind: str, selector: str, namespace: str, labels: Mapping[str, str]) -> Iterator[Resource]:
        """Objects of the kind whose ``spec.SELECTOR`` selects the labels; only those that share one are looked at."""
        index = self._selectors.get((kind, selector))
        if index is None:
            index = self._selectors[(kind, selector)] = _by_first_label(self.of_kind(kind), selector)
        for pair in (None, *labels.items()):
            for resource in index.get((namespace, pair), ()):
                if selects(resource.spec[selector], labels):
                    yield resource


def embedded(at: YamlNode) -> list[Node]:
    """The YAML documents in a text that an object holds, with the lines of the file; none where it is no YAML."""
    if not isinstance(at.node, ScalarNode):
        return []
    try:
        return load_manifests(at.text, at.node.place.file, first_line=at.node.first_line, columns=False)
    except InputError:
        return []


def selects(selector: YamlNode, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector or a plain map of labels matches. An empty one selects everything."""
    plain = selector["matchLabels"] if selector["matchLabels"] or selector["matchExpressions"] else selector
    if any(labels.get(key) != value.text for key, value in plain.entries.items() if key != "matchExpressions"):
        return False
    return all(_expression_holds(expression, labels) for expression in selector["matchExpressions"].items)


def _expression_holds(expression: YamlNode, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"].text, expression["values"].texts
    operator = expression["operator"].text
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) == (operator == "Exists")


def with_entries(node: MapNode, changes: Mapping[str, Node]) -> MapNode:
    """The mapping with some entries set; a new key stands where its value stands."""
    keys = {**{key: value.place for key, value in changes.items()}, **node.keys}
    return evolve(node, entries={**node.entries, **changes}, keys=keys)


def without_entry(node: MapNode, key: str) -> MapNode:
    return evolve(node, entries={name: value for name, value in node.entries.items() if name != key})


def scalar(value: str | int | bool, place: Place) -> ScalarNode:
    return ScalarNode(value, str(value), place)


def mapping(entries: dict[str, Node], place: Place) -> MapNode:
    return MapNode(entries, {key: value.place for key, value in entries.items()}, place)
