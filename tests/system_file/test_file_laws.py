"""What is written is read back: every value, every mark. Systems are drawn from the types of the nouns."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from random import Random
from typing import Any, get_args, get_origin

import pytest
from attrs import evolve
from file_schema import faults
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from revised import revise

from secondsite.discover.system_file.merging import merge
from secondsite.discover.system_file.reading import read_system
from secondsite.discover.system_file.scalars import flow_list, scalar
from secondsite.discover.system_file.schema import Field, FieldShape, canonical, fields_of, identity, paths
from secondsite.discover.system_file.writing import write_system
from secondsite.discover.yaml_source import load_documents, to_plain
from secondsite.model.access import (
    DnsProvider,
    Entrance,
    KubeAccess,
    NatsAccess,
    RecordAccess,
    RegionPlace,
    StoreAccess,
)
from secondsite.model.contract import Contract
from secondsite.model.external_service import ExternalService
from secondsite.model.fault import Fault
from secondsite.model.load import Load, Population
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import NatsCluster, Stream, StreamOrigin
from secondsite.model.operate import Operate, Writers
from secondsite.model.place import Place
from secondsite.model.region import Region
from secondsite.model.service import Autoscale
from secondsite.model.settings import Settings
from secondsite.model.store import Replication
from secondsite.model.system import System
from secondsite.model.units import Bytes, Cores, Seconds
from secondsite.model.watching import WatchPolicy

NAMES = st.sampled_from(["api", "nats-1", "B"]) | st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{0,8}", fullmatch=True)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
SUBJECTS = st.from_regex(r"[a-zé\"$]{1,4}(\.[a-z*]{1,3}){0,2}(\.>)?", fullmatch=True)
ASIDES = st.from_regex(r"[a-z][a-z0-9,#%-]{0,12}( [a-z0-9.']{1,9})?", fullmatch=True)
PLACES = st.builds(
    Place, st.sampled_from(["a.yaml", "m/b-c.yaml", "nats://h:4222", "ends-in-"]), st.just(0)
) | st.builds(Place, st.sampled_from(["a.yaml", "dir/with blank.yaml"]), st.integers(1, 99), st.integers(0, 9))
MARKS = (
    st.builds(Mark, st.just(Knowledge.READ), PLACES)
    | st.builds(Mark, st.just(Knowledge.READ), PLACES, ASIDES)
    | st.builds(Mark, st.just(Knowledge.ASSUMED), st.none(), ASIDES)
    | st.builds(Mark, st.just(Knowledge.ASSUMED), PLACES, ASIDES)
)
REFERENCES = st.sampled_from(["", "env:DR_KEY", "file:~/a b"])
OPERATED = (
    RegionPlace(
        "a", NatsAccess(context="c", domain="d"), kube=KubeAccess("file:k", context="c"), address=Entrance("n/s")
    ),
    RegionPlace(
        "b", address=Entrance(at="b.example.io"), stores=(StoreAccess("x", "env:X"), StoreAccess("y", "env:Y"))
    ),
)
JSON = st.recursive(
    WORDS | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
_LEAVES: Mapping[Any, st.SearchStrategy[Any]] = {
    str: WORDS,
    bool: st.booleans(),
    int: st.integers(1, 5),
    float: st.floats(0.001, 1, allow_nan=False) | st.integers(0, 1).map(float),
    Seconds: st.integers(0, 10_000_000).map(lambda ms: Seconds(ms / 1000)) | st.just(Seconds(86400.0)),
    Bytes: st.integers(0, 2**44).map(Bytes) | st.integers(1, 99).map(lambda n: Bytes(n * 2**20)),
    Cores: st.integers(0, 64_000).map(lambda m: Cores(m / 1000)),
    Settings: st.dictionaries(WORDS, JSON, max_size=3).map(Settings),
}


def leaves(field: Field) -> st.SearchStrategy[Any]:
    hint = field.hint
    if get_origin(hint) is tuple:
        return st.lists(_leaf(get_args(hint)[0]), max_size=2).map(tuple)
    return _leaf(hint)


def _leaf(hint: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(hint)) if isinstance(hint, type) and issubclass(hint, StrEnum) else _LEAVES[hint]


def nouns(noun: type[Any]) -> st.SearchStrategy[Any]:
    """Any of that class, names apart from each other; what refers to another noun is left empty."""
    parts: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields_of(noun):
        if field.kind is FieldShape.LEAF:
            drawn = leaves(field)
        elif field.kind is FieldShape.NOUN:
            drawn = nouns(field.noun or object)
        else:
            drawn = _lists(field.noun or object)
        if field.attribute in (
            "service",
            "depends_on",
            "called_by",
            "routes_to",
            "covers",
            "copy_of",
            "mirror",
            "sources",
        ):
            drawn = st.just({"service": "", "copy_of": "", "mirror": None}.get(field.attribute, ()))
        if field.attribute in ("name", "rule", "region", "cluster", "stream", "reason") and field.hint is str:
            drawn = NAMES
        if field.attribute == "host" and noun is ExternalService:
            drawn = NAMES
        if field.attribute == "restore_bytes_per_s":
            drawn = st.integers(1, 2**40).map(Bytes)
        if field.attribute == "at":
            drawn = st.just("")
        if "subjects" in field.attribute and noun is Stream:
            drawn = st.lists(SUBJECTS, max_size=2).map(tuple)
        parts[field.attribute] = st.none() | drawn if field.optional else drawn
    return st.builds(noun, **_NARROWED.get(noun, parts))


def _lists(noun: type[Any]) -> st.SearchStrategy[Any]:
    return st.lists(nouns(noun), max_size=2, unique_by=identity).map(tuple)


_NARROWED: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    Autoscale: {"min_replicas": st.integers(1, 3), "max_replicas": st.integers(3, 9)},
    Load: {"mean_per_s": st.integers(1, 9).map(float), "peak_per_s": st.floats(9, 99)},
    Contract: {
        "subject": leaves(fields_of(Contract)[0]),
        "fault": leaves(fields_of(Contract)[1]),
        "rto_s": _LEAVES[Seconds],
        "confidence": st.sampled_from([0.5, 0.9, 0.999]),
    },
    Operate: {
        "lease_s": st.sampled_from([Seconds(3), Seconds(10), Seconds(90)]),
        "places": st.sampled_from([(), OPERATED]),
        "dns": st.none() | st.builds(RecordAccess, st.just(DnsProvider.ROUTE53), st.just("Z1"), key=REFERENCES),
        "watch": st.none()
        | st.builds(WatchPolicy, ask=st.lists(st.sampled_from(Fault), max_size=2).map(tuple), block_s=_LEAVES[Seconds]),
    },
    Region: {"provider": st.sampled_from(["aws", "gcp"]), "name": NAMES, "zones": st.integers(1, 3)},
}


@st.composite
def systems(draw: st.DrawFn) -> System:
    system: System = draw(nouns(System))
    system = evolve(system, name=draw(NAMES), users=(Population("us", 0.25), Population("eu", 0.75)), marks={})
    second = evolve(system.second, name="second-1") if system.second else None
    third = evolve(system.third, name="third-1") if system.third and second else None
    system = evolve(system, region=evolve(system.region, name="first-1"), second=second, third=third)
    chain = [service.name for service in system.services]
    services = tuple(evolve(s, depends_on=tuple(chain[i + 1 :])) for i, s in enumerate(system.services))
    streams = (
        Stream("A", mirror=StreamOrigin("B")),
        Stream("B"),
        Stream("C", sources=(StreamOrigin("A"), StreamOrigin("X", domain="d"))),
    )
    clusters = system.nats
    if not {"n"} & {cluster.name for cluster in clusters}:
        clusters = (*clusters, NatsCluster("n", streams=streams))
    if system.operate and system.operate.writers is Writers.ONE:  # which no server in operator mode can keep
        clusters = tuple(evolve(cluster, operator=False) for cluster in clusters)
    of_postgres = (Replication.SYNCHRONOUS, Replication.ARCHIVE)
    stores = tuple(
        evolve(store, engine="postgres") if store.replication in of_postgres else store for store in system.stores
    )
    system = evolve(system, services=services, nats=clusters, stores=stores)
    return evolve(system, marks=draw(marks_of(system)))


@st.composite
def marks_of(draw: st.DrawFn, system: System) -> dict[str, Mark]:
    """A quarter of all paths, marked from a small stock: drawing each anew would be most of the work."""
    stock, chance = draw(st.lists(MARKS, min_size=3, max_size=6)), Random(draw(st.integers(0, 2**32)))
    return {path: chance.choice(stock) for path in paths(system, "") if path and chance.random() < 0.25}


# It would hide the failure that it is raised for.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
few = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # systems are large: shrinking one takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def discovered(system: System) -> dict[str, Mark]:
    return {path: mark for path, mark in canonical(system).marks.items() if mark.origin is not Knowledge.WRITTEN}


@pytest.mark.slow
@given(systems())
@few
def test_a_system_is_read_back_as_it_was_written(system: System) -> None:
    back = read_system(write_system(system), "s.yaml")
    assert back == system
    assert discovered(back) == discovered(system)


@pytest.mark.slow
@given(systems())
@few
def test_what_is_written_is_valid_by_the_json_schema(system: System) -> None:
    assert faults(write_system(system)) == []


@pytest.mark.slow
@given(systems())
@few
def test_writing_what_was_read_gives_the_same_file(system: System) -> None:
    text = write_system(system)
    assert write_system(read_system(text, "s.yaml")) == text


@pytest.mark.slow
@given(systems())
@few
def test_revising_to_what_it_says_already_changes_nothing(system: System) -> None:
    text = write_system(system)
    assert revise(text, "s.yaml", read_system(text, "s.yaml")) == text


@pytest.mark.slow
@given(systems(), systems(), systems(), st.booleans())
@few
def test_a_second_run_changes_nothing(base: System, yours: System, theirs: System, kept: bool) -> None:
    base, yours, theirs = (independent(system) for system in (base, yours, theirs))
    first = run(write_system(yours), base if kept else None, theirs)
    assert run(first, theirs, theirs) == first


@pytest.mark.slow
@given(systems(), systems())
@few
def test_what_only_the_tool_wrote_follows_the_manifests(base: System, theirs: System) -> None:
    base, theirs = independent(base), independent(theirs)
    after = read_system(run(write_system(base), base, theirs), "s.yaml")
    for mine, new in ((after.services, theirs.services), (after.nats, theirs.nats), (after.alerts, theirs.alerts)):
        assert {item.name: ordered(item) for item in mine} == {item.name: ordered(item) for item in new}
    assert (after.region, after.traffic, after.load) == (theirs.region, theirs.traffic, theirs.load)


def ordered(noun: Any) -> Any:
    """With its lists of nouns sorted: the file keeps the order it has."""
    lists = [field.attribute for field in fields_of(type(noun)) if field.kind is FieldShape.NOUNS]
    inside = {name: tuple(ordered(item) for item in sorted(getattr(noun, name), key=identity)) for name in lists}
    return evolve(noun, **inside)


def independent(system: System) -> System:
    """Without what two systems together may contradict: circles of dependencies, a third region but no second, a way
    to the other region that the other's engine has not, a lease that servers in operator mode cannot keep.
    """
    services = tuple(evolve(service, depends_on=()) for service in system.services)
    stores = tuple(evolve(store, replication=Replication.REPLICA) for store in system.stores)
    nats = tuple(evolve(cluster, operator=False) for cluster in system.nats)
    return evolve(system, services=services, stores=stores, nats=nats, third=None, marks=canonical(system).marks)


def run(text: str, base: System | None, theirs: System) -> str:
    last = read_system(write_system(base), "d.yaml") if base else None
    return revise(text, "s.yaml", merge(last, read_system(text, "s.yaml"), theirs).system)


@given(st.text() | st.integers() | st.booleans() | st.none() | st.from_regex(r"[-0-9a-z.:_#' ]{0,9}", fullmatch=True))
def test_any_scalar_is_read_back(value: str | int | bool | None) -> None:
    text = f"a: {scalar(value)}  # read x\nb: {flow_list([value, value])}\n"
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert to_plain(load_documents(text, "s.yaml")[0]) == {"a": value, "b": [value, value]}
