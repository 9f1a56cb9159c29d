"""What holds for every system: the audit answers, in one order, and waivers change nothing but what they waive."""

from __future__ import annotations

import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sound_world import SYSTEM, WORLDS, in_service, in_system
from work import calls

from secondsite.audit.registry import RULES, at_or_above, audit
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import Estimate, fixed
from secondsite.model.hazard import Severity
from secondsite.model.procedure import Procedure
from secondsite.model.service import Service
from secondsite.model.settings import Settings
from secondsite.model.system import System
from secondsite.model.waiver import Waiver

TEXTS = ("a", "b", "nats", "", "a.>", "*", "2.10-alpine", "2.15.1", "latest", "mirror-lag", "backup-age", "redis")


SETTINGS = (Settings(), Settings({"max_consumers": 1, "consumer_limits": {"max_ack_pending": 1}}))


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Small values of a field's type: few names, so that references meet what they name."""
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.sampled_from(TEXTS),
        bool: st.booleans(),
        int: st.integers(0, 6),
        float: st.floats(0, 1e5),
    }
    plain[Settings] = st.sampled_from(SETTINGS)
    if kind in plain:
        return plain[kind]
    if kind is Estimate:
        return st.floats(0, 1e5).map(lambda value: fixed("x", value, "s", "a test"))
    if hasattr(kind, "__supertype__"):
        return values(kind.__supertype__)
    if attrs.has(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{field.name: values(hints[field.name]) for field in attrs.fields(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    return _container(get_origin(kind), get_args(kind))


def _container(origin: Any, inner: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin in (Union, types.UnionType):
        return st.one_of(*(st.none() if one is type(None) else values(one) for one in inner))
    if origin is Mapping:
        return st.just({})
    if origin is frozenset:
        return st.frozensets(values(inner[0]), max_size=3)
    if origin is tuple and inner[-1] is ...:
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    raise TypeError(f"no strategy for {origin} of {inner}")


def systems() -> st.SearchStrategy[System]:
    return values(System)


BOUNDED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@BOUNDED
@given(systems())
def test_every_system_has_an_answer_in_one_order(system: System) -> None:
    found = audit(system)
    assert list(found) == sorted(found, key=lambda h: (h.severity.rank, h.place.file, h.place.line))
    assert found == audit(evolve(system))
    unused = sum(hazard.rule == "waiver-unused" for hazard in found)
    assert len(set(found)) >= len(found) - unused


@BOUNDED
@given(values(Deployment), st.lists(values(Procedure), max_size=2).map(tuple))
def test_every_deployment_has_an_answer(deployment: Deployment, procedures: tuple[Procedure, ...]) -> None:
    for hazard in audit(deployment.system, deployment, procedures):
        assert hazard.severity in Severity


@BOUNDED
@given(systems(), st.sampled_from([known.id for known in RULES if known.id != "waiver-unused"]))
def test_a_waiver_marks_its_rule_and_nothing_else(system: System, rule_id: str) -> None:
    system = evolve(system, waivers=())
    before = audit(system)
    after = audit(evolve(system, waivers=(Waiver(rule_id, "accepted"),)))
    found = [hazard for hazard in after if hazard.rule != "waiver-unused"]
    assert {evolve(hazard, waived="") for hazard in found} == set(before)
    assert all((hazard.waived == "accepted") is (hazard.rule == rule_id) for hazard in found)
    used = any(hazard.rule == rule_id for hazard in before)
    assert used is (len(found) == len(after))
    assert not any(hazard.rule == rule_id for hazard in at_or_above(after, Severity.LOW))


def test_the_order_in_which_services_are_told_does_not_matter() -> None:
    world = in_service("api", image="api", spread_nodes=Service("x").spread_nodes)(WORLDS["system"])
    backwards = in_system(services=tuple(reversed(world.system.services)))(world)
    assert world.hazards()
    assert world.hazards() == backwards.hazards()


@pytest.mark.parametrize(
    ("at", "waived"), [("", True), ("postgres", True), ("services.postgres", True), ("redis", False)]
)
def test_a_waiver_may_be_for_one_place(at: str, waived: bool) -> None:
    world = in_system(waivers=(Waiver("image-latest", "pinned by digest at admission", at),))(
        in_service("postgres", image="postgres")(WORLDS["system"])
    )
    hazard = next(h for h in world.hazards() if h.rule == "image-latest")
    assert bool(hazard.waived) is waived
    assert ("waiver-unused" in world.rules()) is not waived


def test_a_waiver_of_a_rule_that_does_not_exist_is_told_in_every_audit() -> None:
    waive = in_system(waivers=(Waiver("no-such-rule", "because"), Waiver("image-latest", "unused here")))
    told = [h.message for h in waive(WORLDS["leaf"]).hazards() if h.rule == "waiver-unused"]
    assert told == ["no rule has the id 'no-such-rule'"]
    assert len([h for h in waive(WORLDS["system"]).hazards() if h.rule == "waiver-unused"]) == 2


@pytest.mark.parametrize(("severity", "counts"), [("fatal", 0), ("high", 0), ("medium", 1), ("low", 1)])
def test_at_or_above_counts_the_severity_itself(severity: str, counts: int) -> None:
    hazards = in_service("api", image="api")(WORLDS["system"]).hazards()
    assert len(at_or_above(hazards, Severity(severity))) == counts


def large(size: int) -> Deployment:
    """Warm standby with so many services and mirrored streams."""
    leaf = WORLDS["leaf"]
    assert leaf.deployment
    home, standby = leaf.deployment.clusters
    api, origin = SYSTEM.services[0], home.streams[0]
    mirrors = [stream for stream in standby.streams if stream.mirror]
    return evolve(
        leaf.deployment,
        system=evolve(SYSTEM, services=tuple(evolve(api, name=f"api-{n}") for n in range(size))),
        clusters=(
            evolve(home, streams=tuple(evolve(origin, name=f"S{n}", subjects=(f"s{n}.>",)) for n in range(size))),
            evolve(
                standby,
                streams=tuple(
                    evolve(stream, name=f"S{n}", mirror=evolve(stream.mirror, stream=f"S{n}"))
                    for n in range(size)
                    for stream in mirrors
                    if stream.mirror
                ),
            ),
        ),
    )


def test_the_work_grows_with_the_size_and_not_faster() -> None:
    def work(size: int) -> int:
        deployment = large(size)
        return calls(lambda: audit(SYSTEM, deployment, WORLDS["leaf"].procedures))

    assert work(160) < 5 * work(40)
