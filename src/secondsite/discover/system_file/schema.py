"""The shape of the file, derived from the nouns: which key holds which attribute, and how its value is spelt.

Nothing is listed twice: a field that a noun gains is a key of the file at once. Lists of nouns are keyed by
`identity`, which is also the segment that marks use in their paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum, StrEnum
from types import NoneType, UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

import attrs

from secondsite.model.access import RegionPlace, StoreAccess
from secondsite.model.contract import Contract
from secondsite.model.external_service import ExternalService
from secondsite.model.load import Population
from secondsite.model.mark import key_of
from secondsite.model.nats import GatewayLink, LeafLink, StreamOrigin
from secondsite.model.operate import Reconciler, RegionCluster, RegionEntrance, RegionStore
from secondsite.model.premises import OwnPrice, OwnRoundTrip, Premises
from secondsite.model.system import System
from secondsite.model.units import Bytes, Cores, Seconds, format_bytes, format_cores, format_seconds
from secondsite.model.waiver import Waiver

SCHEMA = "secondsite/system/1"

Noun: TypeAlias = Any  # an instance of any attrs class of the model
Scalar: TypeAlias = "str | int | float | bool | None"


class FieldShape(Enum):
    LEAF = "leaf"
    NOUN = "noun"
    NOUNS = "nouns"


@attrs.frozen
class Field:
    """``hint`` is the type without its None; ``noun`` the class of what is inside, for all but leaves.

    ``spelt`` is the attribute that the file shows instead, where it shows more than this one.
    """

    attribute: str
    key: str
    kind: FieldShape
    hint: Any
    optional: bool
    noun: type[Noun] | None
    default: Any
    spelt: str = ""

    def value(self, noun: Noun) -> Any:
        """What the file says of it: for a contract's subject, the stream or store with it."""
        return getattr(noun, self.spelt or self.attribute)

    @property
    def required(self) -> bool:
        return self.default is attrs.NOTHING

    def format(self, value: object) -> Scalar | list[Scalar]:
        """A leaf's value as it is spelt in the file."""
        if isinstance(value, tuple):
            return [_plain(item, get_args(self.hint)[0]) for item in value]
        return _plain(value, self.hint)


# What a person is asked for stands before what was found; the long lists come last.
_SYSTEM_ORDER = (
    *("name", "region", "second", "third", "contracts", "traffic", "load", "users", "economics", "premises"),
    *("services", "nats", "stores", "secrets", "gateways", "external_services"),
    *("backups", "alerts", "waivers", "operate"),
)


def fields_of(noun: type[Noun]) -> tuple[Field, ...]:
    """The fields of a noun in the order of the file."""
    return _FIELDS.get(noun) or _FIELDS.setdefault(noun, _fields(noun))


_FIELDS: dict[type[Noun], tuple[Field, ...]] = {}


def _fields(noun: type[Noun]) -> tuple[Field, ...]:
    hints = get_type_hints(noun)
    written = [one for one in attrs.fields(noun) if one.name != "marks" and "spelt_in" not in one.metadata]
    fields = [_field(attribute, hints[attribute.name]) for attribute in written]
    if noun is Contract:
        fields = [attrs.evolve(one, spelt="about") if one.attribute == "subject" else one for one in fields]
    if noun is System:
        fields.sort(key=lambda field: (*_SYSTEM_ORDER, field.attribute).index(field.attribute))
    return tuple(fields)


def keys_of(noun: type[Noun]) -> Mapping[str, Field]:
    return {field.key: field for field in fields_of(noun)}


def identity(noun: Noun) -> str:
    """What tells an item of a list from the others of that list."""
    by_type = _IDENTITIES.get(type(noun))
    return by_type(noun) if by_type else str(noun.name)


def origin_identity(origin: StreamOrigin) -> str:
    """By stream, domain and what is taken of it: a stream may source another twice."""
    transforms = origin.settings.get("subject_transforms") or ()
    taken = origin.settings.get("filter_subject") or " ".join(str(each.get("src")) for each in transforms)
    where = f"@{origin.domain}" if origin.domain else ""
    return f"{origin.stream}{where}" + (f" {taken}".replace(".", "/") if taken else "")


_IDENTITIES: Mapping[type[Noun], Callable[[Noun], str]] = {
    Contract: lambda contract: contract.name,
    Population: lambda population: population.region,
    ExternalService: lambda one: one.host,
    Premises: lambda place: place.region,
    OwnPrice: lambda price: price.item,
    OwnRoundTrip: lambda trip: trip.to,
    RegionEntrance: lambda entrance: entrance.region,
    RegionCluster: lambda cluster: cluster.region,
    RegionStore: lambda one: f"{one.region}/{one.store}",
    RegionPlace: lambda place: place.region,
    StoreAccess: lambda one: one.store,
    Reconciler: lambda one: f"{one.region}/{one.kind}/{one.namespace}/{one.name}",
    Waiver: lambda waiver: f"{waiver.rule}@{waiver.at}" if waiver.at else waiver.rule,
    GatewayLink: lambda link: link.cluster,
    LeafLink: lambda link: f"{link.cluster}@{link.account}" if link.account else link.cluster,
    StreamOrigin: origin_identity,
}


def join(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part


def paths(noun: Noun, path: str) -> Iterator[str]:
    """The path of the noun and of everything below it, as marks spell them."""
    yield path
    for field in fields_of(type(noun)):
        value, below = getattr(noun, field.attribute), join(path, field.key)
        if field.kind is FieldShape.NOUNS:
            yield below
            for item in value:
                yield from paths(item, join(below, identity(item)))
        elif field.kind is FieldShape.NOUN and value is not None:
            yield from paths(value, below)
        else:
            yield below


def canonical(system: System) -> System:
    """The mark of an item's first value is that of the item: they share a line."""
    marks = dict(system.marks)
    for first, item in _firsts(system, ""):
        if first in marks:
            mark = marks.pop(first)
            marks.setdefault(item, mark)
    return attrs.evolve(system, marks=marks)


def _firsts(noun: Noun, path: str) -> list[tuple[str, str]]:
    firsts = []
    for entry in fields_of(type(noun)):
        value, below = getattr(noun, entry.attribute), join(path, entry.key)
        if entry.kind is FieldShape.NOUN and value is not None:
            firsts += _firsts(value, below)
        elif entry.kind is FieldShape.NOUNS:
            for item in value:
                where = join(below, identity(item))
                firsts += [(join(where, fields_of(type(item))[0].key), where), *_firsts(item, where)]
    return firsts


def _field(attribute: attrs.Attribute[Any], hint: Any) -> Field:
    inner, optional = _without_none(hint)
    default = attribute.default
    key = key_of(attribute.name)
    if attrs.has(inner):
        return Field(attribute.name, key, FieldShape.NOUN, inner, optional, inner, default)
    if get_origin(inner) is tuple and attrs.has(get_args(inner)[0]):
        return Field(attribute.name, key, FieldShape.NOUNS, inner, optional, get_args(inner)[0], default)
    return Field(attribute.name, key, FieldShape.LEAF, inner, optional, None, default)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, UnionType):
        inner = [argument for argument in get_args(hint) if argument is not NoneType]
        return inner[0], True
    return hint, False


def _plain(value: object, hint: Any) -> Scalar:
    if value is None:
        return None
    formatter = _FORMATTERS.get(hint)
    if formatter:
        spelt = formatter(value)
        return int(spelt) if spelt.isdigit() else spelt
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"no spelling for {hint} in secondsite.yaml")


_FORMATTERS: Mapping[Any, Callable[[Any], str]] = {
    Seconds: format_seconds,
    Bytes: format_bytes,
    Cores: format_cores,
}
