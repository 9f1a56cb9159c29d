"""Silence, a refusal of us, and an answer are three things; and who answers has to be the region that was meant."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from attrs import evolve, frozen
from region_pair import AWAY, HOME, Pair, create, deployment_of, make_world, stream_named

from secondsite.cli.__main__ import run
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place
from secondsite.operate.epoch import Epoch
from secondsite.operate.identity import Identity, mismatch
from secondsite.operate.plan import Plan, make_plan
from secondsite.strategies.compose import failover
from secondsite.strategies.design import Kit

LEAF = "warm-standby/leafnode-mirror"
KNOWN = {
    "east": Identity("east", frozenset({"d-east"}), frozenset({"nats"})),
    "west": Identity("west", frozenset({"d-west"}), frozenset({"nats-west"})),
    "plain": Identity("plain", frozenset(), frozenset({"nats", "nats-west"})),
}


@pytest.mark.parametrize(
    ("region", "info", "told"),
    [
        ("east", {"domain": "d-east", "cluster": "nats"}, ""),
        ("east", {"domain": "d-west"}, "its JetStream domain is d-west, that of east is d-east"),
        ("east", {}, "it has no JetStream domain, that of east is d-east"),
        ("east", {"domain": "d-east", "cluster": "nats-west"}, "its cluster is nats-west, which is not in east"),
        ("east", {"domain": "d-east", "tags": ["region:west"]}, "its servers are tagged region:west, not region:east"),
        ("east", {"domain": "d-east", "tags": ["region:east", "ssd"], "cluster": "mine"}, ""),
        ("plain", {"domain": "any", "cluster": "nats"}, ""),
        ("unknown", {"domain": "any"}, ""),
    ],
)
def test_who_answers(region: str, info: dict[str, object], told: str) -> None:
    assert mismatch(region, KNOWN, info) == told


@frozen
class Case:
    pair: Pair
    deployment: Deployment
    kit: Kit
    folder: Path

    def plan(self, home: NatsPlace, away: NatsPlace | None = None, fault: Fault = Fault.REGION) -> Plan:
        world = make_world(self.pair, self.folder, "e.W.path")
        world = evolve(world, regions={HOME: home, AWAY: away or self.pair.place(AWAY)})
        return asyncio.run(make_plan(failover(self.deployment, self.kit, fault), self.deployment, world))


@pytest.fixture
def case(pair: Pair, kit: Kit, tmp_path: Path) -> Case:
    deployment = deployment_of(kit, LEAF, stream_named("W"))
    return Case(pair, deployment, evolve(kit, system=deployment.system), tmp_path)


def _guards(plan: Plan) -> dict[str, bool]:
    return {guard.id: guard.absolute for step in plan.steps for guard in step.guards}


def _closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.slow
def test_a_region_that_refuses_us_is_not_lost(case: Case) -> None:
    """Neither by a wrong password, nor by TLS that only one side wants, nor by a name that nobody has."""
    asyncio.run(create(case.pair, case.deployment))
    port = case.pair.ports[HOME][0]
    for url in (f"nats://app:wrong@127.0.0.1:{port}", f"tls://app:app@127.0.0.1:{port}", "nats://no-such.invalid:4222"):
        plan = case.plan(nats_place(url, ConnectOptions(timeout_s=2)))
        assert _guards(plan).get("refused-us") is True, url
        assert not any("unfenced" in change for step in plan.steps for change in step.changes)


@pytest.mark.slow
def test_a_wrong_port_is_no_lost_region_while_its_peers_hear_it(case: Case) -> None:
    """A refused connection is what a dead region looks like too: the other region's link tells them apart."""
    place = nats_place(f"nats://app:app@127.0.0.1:{_closed_port()}", ConnectOptions(timeout_s=2))
    guards = _guards(case.plan(place))
    assert guards["still-heard"] is False
    case.pair.kill(HOME)
    try:
        dead = case.plan(case.pair.place(HOME))
    finally:
        case.pair.start(HOME)
    assert "still-heard" not in _guards(dead)
    assert [problem.remedy for problem in dead.refusals] == [
        "find out whether it is lost; if it is, give --allow unfenced"
    ]


@pytest.mark.slow
def test_regions_that_are_swapped_are_refused(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = case.plan(case.pair.place(AWAY), case.pair.place(HOME))
    assert _guards(plan)["refused-us"] is True
    assert "its JetStream domain is us-west-2, that of us-east-1 is us-east-1" in str(plan.refusals)
    example = str(Path(__file__).parents[2] / "examples/kgents/secondsite.yaml")
    monkeypatch.setenv("NATS_USER", "app")
    monkeypatch.setenv("NATS_PASSWORD", "app")
    ports = [case.pair.ports[region][0] for region in (AWAY, HOME)]
    swapped = [f"{HOME}=nats://127.0.0.1:{ports[0]}", f"{AWAY}=nats://127.0.0.1:{ports[1]}"]
    arguments = ["--file", example, "--nats", swapped[0], "--nats", swapped[1], "--who", "me"]
    assert run(["failback", "plan", *arguments]) == 1
    assert "is not us-east-1: its JetStream domain is us-west-2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("serving", "silent", "told"),
    [
        ((), (), "no region accepts writes"),
        ((AWAY,), (), f"{AWAY} serves"),
        ((HOME, AWAY), (), f"{HOME} and {AWAY} serve"),
        ((), (HOME,), f"{HOME} does not answer, no other region accepts writes"),
        ((AWAY,), (HOME,), f"{HOME} does not answer, {AWAY} serves"),
    ],
)
def test_of_a_silent_region_nobody_says_that_it_takes_no_writes(
    serving: tuple[str, ...], silent: tuple[str, ...], told: str
) -> None:
    """It may be alive, behind a cut."""
    assert Epoch({"EVENTS": serving} if serving else {}, silent=silent).summary() == told
