"""What refuses a game day: each reason alone is enough, all are told at once, and a good one has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from secondsite.cli import game_day
from secondsite.cli.__main__ import run
from secondsite.discover.system_file.writing import write_system
from secondsite.drill.gameday.consent import GameDayFacts, SavedData, approval_hash, refusals
from secondsite.drill.gameday.identities import shared
from secondsite.kube.faults import (
    ALLOWED,
    ALLOWED_LABEL,
    FaultKind,
    FaultRecord,
    FaultStanding,
    FaultTarget,
    planned,
)
from secondsite.kube.workload import WorkloadState
from secondsite.model.access import (
    DnsProvider,
    Entrance,
    KubeAccess,
    NatsAccess,
    RecordAccess,
    RegionPlace,
    StoreAccess,
)
from secondsite.model.operate import Environment, GameDay, Operate, PathHeader, WritePath
from secondsite.model.system import System
from secondsite.model.traffic import Traffic
from secondsite.strategies.design import Kit

HOME, UID = "us-east-1", "uid-of-staging"
WORKLOAD = WorkloadState("Deployment", "shop", "api", 2, 2, "7")
TARGET = FaultTarget({"shop": {ALLOWED_LABEL: ALLOWED}}, (WORKLOAD,), ("node-1",), None)
PLACE = RegionPlace(HOME, NatsAccess(url="nats://staging:4222", user="operator", password="env:STAGING"))
OPERATE = Operate(
    environment=Environment.STAGING,
    places=(PLACE,),
    game_day=GameDay(clusters=(UID,), production="file:production.yaml"),
)
GOOD = GameDayFacts(
    region=HOME,
    operate=OPERATE,
    uid=UID,
    shared=(),
    target=TARGET,
    guarded=True,
    saved=SavedData("file:///backups", 60.0),
    fresh_within=timedelta(hours=1),
)
RECORD = planned(TARGET, "now", HOME, FaultKind.SCALE_TO_ZERO, 60)


def test_nothing_speaks_against_a_good_one() -> None:
    assert refusals(GOOD) == ()


Spoil = Callable[[GameDayFacts], GameDayFacts]


def _operate(**more: object) -> Spoil:
    return lambda facts: evolve(facts, operate=evolve(facts.operate, **more))  # type: ignore[arg-type] # its fields


def _target(**more: object) -> Spoil:
    return lambda facts: evolve(facts, target=evolve(TARGET, **more))  # type: ignore[arg-type] # its fields


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_operate(environment=Environment.PRODUCTION), "the file says environment production"),
        (_operate(game_day=GameDay((UID,))), "production is not configured"),
        (_operate(game_day=GameDay(production="file:p")), "may not be harmed"),
        (_operate(places=(evolve(PLACE, nats=NatsAccess(url="nats://staging")),)), "which may hold production's"),
        (lambda facts: evolve(facts, shared=("cluster c1",)), "production has the same cluster c1"),
        (lambda facts: evolve(facts, uid="another"), "the cluster of us-east-1 is another, which may not be harmed"),
        (lambda facts: evolve(facts, uid=""), "unknown, which may not be harmed"),
        (_target(spaces={"shop": {}}), "namespace shop does not allow a game day"),
        (_target(spaces={"shop": {ALLOWED_LABEL: "yes"}}), "namespace shop does not allow a game day"),
        (_target(spaces={"shop": None}), "namespace shop is not there"),
        (_target(workloads=()), "nothing runs in shop"),
        (_target(lacking=("patch nodes",)), "this login may not patch nodes"),
        (_target(standing=FaultStanding(RECORD, 0.0)), "fault now (scale-to-zero) is recorded there already"),
        (lambda facts: evolve(facts, guarded=False), "no guard is running that would undo the fault"),
        (lambda facts: evolve(facts, saved=SavedData("", None)), "no backup or archive"),
        (lambda facts: evolve(facts, saved=SavedData("s3://b", 7200.0)), "the newest is 2 h old, more than 60 min"),
        (lambda facts: evolve(facts, saved=SavedData("s3://b", 1.0, ("A",))), "A is not in it"),
        (lambda facts: evolve(facts, plan_refusals=("mirror behind",)), "mirror behind"),
    ],
)
def test_each_reason_alone_refuses(spoil: Spoil, says: str) -> None:
    problems = refusals(spoil(GOOD))
    assert [says in problem.what for problem in problems] == [True], problems
    assert all(problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("operate", "says"),
    [
        (evolve(OPERATE, environment=Environment.PRODUCTION, game_day=None), "the file says environment production"),
        (evolve(OPERATE, game_day=None), "production is not configured"),
    ],
)
def test_a_login_that_may_be_production_s_is_never_used(
    operate: Operate,
    says: str,
    kit: Kit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not even to look: whoever gave production's file by mistake is told before anybody is asked."""
    for asks in ("_cluster", "_fault", "_saved", "_plan_refusals", "_world"):
        monkeypatch.setattr(game_day, asks, lambda *_: pytest.fail("somebody was asked"))
    deployed = evolve(operate, deployed="warm-standby/leafnode-mirror")
    file = tmp_path / "secondsite.yaml"
    file.write_text(write_system(evolve(kit.system, operate=deployed, marks={})))
    assert run(["drill", "region-loss", "--on", "staging", "--file", str(file)]) == 2
    assert says in capsys.readouterr().err


def test_all_reasons_are_told_at_once() -> None:
    spoiled = evolve(GOOD, guarded=False, shared=("name api",), saved=SavedData("", None))
    assert len(refusals(spoiled)) == 3


def test_the_hash_binds_what_is_harmed_and_not_how_much_of_it_runs() -> None:
    about = {"drill": "failback"}
    approved = approval_hash(RECORD, UID, about)

    def another(**more: object) -> str:
        return approval_hash(evolve(RECORD, **more), UID, about)  # type: ignore[arg-type] # its fields

    scaled = tuple(evolve(one, replicas=9) for one in RECORD.workloads)
    assert approved == another(id="tomorrow") == another(workloads=scaled)
    others = {
        another(namespaces=("shop", "other")),
        another(lasts_s=61.0),
        another(nodes=()),
        another(kind=FaultKind.NETWORK_POLICY),
        approval_hash(RECORD, "another cluster", about),
        approval_hash(RECORD, UID, {"drill": "region-loss"}),
        approval_hash(None, UID, about),
    }
    assert len(others - {approved}) == 7


def test_a_network_policy_scales_nothing() -> None:
    record = planned(TARGET, "now", HOME, FaultKind.NETWORK_POLICY, 60)
    assert (record.workloads, record.nodes) == ((), ())


def _systems(kit: Kit) -> tuple[System, System]:
    """Staging and production with nothing in common."""

    def one(name: str) -> System:
        place = RegionPlace(
            HOME,
            NatsAccess(url=f"nats://{name}:4222", user="operator", password=f"env:{name}_NATS", ca="file:/etc/ca.pem"),
            system=NatsAccess(context=f"{name}-sys"),
            kube=KubeAccess("file:~/.kube/config", name, f"uid-{name}"),
            address=Entrance(at=f"{name}.lb.example"),
            stores=(StoreAccess("postgres", f"env:{name}_PG"),),
        )
        path = WritePath(f"https://api.{name}.example/v1", headers=(PathHeader("X-API-Key", f"env:{name}_KEY"),))
        dns = RecordAccess(DnsProvider.RFC2136, f"{name}.example", "ns:53", key=f"env:{name}_TSIG")
        operate = Operate(places=(place,), path=path, dns=dns, game_day=GameDay(production="file:p"))
        return evolve(kit.system, operate=operate, traffic=Traffic(host=f"api.{name}.example"))

    return one("staging"), one("production")


def test_two_systems_with_nothing_in_common(kit: Kit) -> None:
    assert shared(*_systems(kit)) == ()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"kube": KubeAccess("file:~/.kube/config", "x", "uid-production")}, "cluster uid-production"),
        ({"nats": NatsAccess(url="nats://other,nats://production:4222")}, "NATS server production:4222"),
        ({"system": NatsAccess(context="production-sys")}, "NATS context production-sys"),
        ({"address": Entrance(at="production.lb.example")}, "address production.lb.example"),
        ({"nats": NatsAccess(url="nats://x", password="env:production_NATS")}, "credential env:production_NATS"),
        ({"stores": (StoreAccess("postgres", "env:production_PG"),)}, "login of a store env:production_PG"),
    ],
)
def test_what_a_place_shares_with_production_is_named(kit: Kit, more: dict[str, object], says: str) -> None:
    staging, production = _systems(kit)
    assert staging.operate
    place = evolve(staging.operate.places[0], **more)  # type: ignore[arg-type] # its fields
    assert shared(evolve(staging, operate=evolve(staging.operate, places=(place,))), production) == (says,)


def test_a_shared_name_header_url_and_key_are_named(kit: Kit) -> None:
    staging, production = _systems(kit)
    assert staging.operate
    assert production.operate
    operate = evolve(staging.operate, path=production.operate.path, dns=production.operate.dns)
    found = shared(evolve(staging, operate=operate, traffic=production.traffic), production)
    assert set(found) == {
        "name api.production.example",
        "credential env:production_TSIG",
        "credential of a header env:production_KEY",
        "URL api.production.example",
    }


def test_a_record_says_what_was_there() -> None:
    assert isinstance(RECORD, FaultRecord)
    assert [(one.name, one.replicas) for one in RECORD.workloads] == [("api", 2)]
    assert RECORD.nodes == ("node-1",)
