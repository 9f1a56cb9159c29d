"""What is written is read back: every value, every mark."""

from __future__ import annotations

import pytest
from attrs import evolve
from generated_systems import systems
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from secondsite.discover.system_file.editing import revise
from secondsite.discover.system_file.merging import merge
from secondsite.discover.system_file.reading import read_system
from secondsite.discover.system_file.scalars import flow_list, scalar
from secondsite.discover.system_file.schema import canonical
from secondsite.discover.system_file.writing import write_system
from secondsite.discover.yaml_source import load_documents, to_plain
from secondsite.model.mark import Mark, Origin
from secondsite.model.system import System

few = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # systems are large: shrinking one takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def discovered(system: System) -> dict[str, Mark]:
    return {path: mark for path, mark in canonical(system).marks.items() if mark.origin is not Origin.WRITTEN}


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
        assert {item.name: item for item in mine} == {item.name: item for item in new}
    assert (after.region, after.traffic, after.load) == (theirs.region, theirs.traffic, theirs.load)


def independent(system: System) -> System:
    """Without dependencies: those of two systems together may run in a circle."""
    services = tuple(evolve(service, depends_on=()) for service in system.services)
    return evolve(system, services=services, marks=canonical(system).marks)


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
