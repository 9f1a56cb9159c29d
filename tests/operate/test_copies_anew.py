"""After an origin was restored, its copies by the commands that the runbook prints, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import evolve, frozen
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, make_world, stream_named, synchronised
from typed_commands import Typist

from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.nats import NatsCluster, Stream, StreamOrigin
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Strategy
from secondsite.nats.place import NatsPlace
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage
from secondsite.operate.action import ManualContext
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.plan import make_plan
from secondsite.operate.restorer import BackupRestorer
from secondsite.operate.verbs import commands
from secondsite.strategies.compose import lay_out, procedures
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES

COPIES, RESTORE = "copies-anew", "restore-streams"


@pytest.mark.slow
def test_a_mirror_of_a_restored_origin_stands_still_until_it_is_made_anew(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    deployment = deployment_of(kit, "warm-standby/leafnode-mirror", stream_named("R"))
    plain, deployment = deployment, evolve(deployment, clusters=tuple(map(_with_aggregate, deployment.clusters)))
    found = procedures(deployment, evolve(kit, system=deployment.system))[Fault.BAD_WRITE]
    step = found.step(COPIES)
    assert step.after == (RESTORE,)
    typist = Typist(tmp_path, {region: pair.url(region) for region in (HOME, AWAY)})
    typist.prepare()

    async def before() -> None:
        await create(pair, plain)
        async with door(pair, AWAY) as away:
            await away.create({"name": "R_ALL", "sources": [{"name": "R"}], "num_replicas": 1})
        await fill(pair, HOME, "e.R.x", 20)
        await synchronised(pair, plain)
        assert await _settled(pair, "R_ALL", 20) == 20
        async with door(pair, HOME) as home:  # as a restore leaves it: the same name, another stream
            state = await home.stream("R")
            assert state
            await home.delete("R")
            await home.create({**state.config})
        await fill(pair, HOME, "e.R.x", 8, start=100)
        assert await _settled(pair, "R", 8) == 20, "the mirror copies nothing of it"

    async def after() -> None:
        assert await _settled(pair, "R", 8) == 8
        assert await _settled(pair, "R_ALL", 8) == 8
        await fill(pair, HOME, "e.R.x", 2, start=200)
        assert await _settled(pair, "R", 10) == 10

    asyncio.run(before())
    lines = list(commands(ManualContext(deployment, found, HOME, Fault.BAD_WRITE), step))
    typed = typist.type(lines)
    assert typed.returncode == 0, (typed.stderr, lines)
    asyncio.run(after())
    assert list((tmp_path / "replaced").rglob("*")), "what is no mirror was saved before it was deleted"


def _with_aggregate(cluster: NatsCluster) -> NatsCluster:
    """In the standby's region a stream that sources the mirror there."""
    if cluster.region != AWAY:
        return cluster
    sources = (StreamOrigin("R", region=AWAY),)
    return evolve(cluster, streams=(*cluster.streams, Stream("R_ALL", sources=sources)))


async def _settled(pair: Pair, name: str, wanted: int) -> int:
    """How many messages the standby's stream has, after some time to get as many as are wanted."""
    count = -1
    for _ in range(60):
        async with door(pair, AWAY) as away:
            state = await away.stream(name)
            count = state.messages if state else -1
        if count == wanted:
            break
        await asyncio.sleep(0.05)
    return count


@pytest.mark.parametrize("strategy", [one for one in STRATEGIES if one.link], ids=str)
@pytest.mark.parametrize("fault", [Fault.DELETION, Fault.BAD_WRITE])
def test_each_procedure_for_destroyed_data_makes_the_copies_anew(kit: Kit, strategy: Strategy, fault: Fault) -> None:
    deployment = lay_out(strategy, kit)
    steps = procedures(deployment, kit)[fault].steps
    copied = any(s.mirror or s.sources for c in deployment.clusters for s in c.streams)
    restores = any(step.verb is Verb.RESTORE_ORIGINS and not step.blocked for step in steps)
    assert any(step.id == COPIES for step in steps) is (copied and restores)


@frozen
class Repaired:
    """D is deleted at home after a backup and three more messages; D_RO stands beside it, D_ALL sources its mirror."""

    pair: Pair
    kit: Kit
    folder: Path
    store: ObjectStorage
    plain: Deployment

    @property
    def deployment(self) -> Deployment:
        return evolve(self.plain, clusters=tuple(map(_with_copies, self.plain.clusters)))

    @property
    def places(self) -> dict[str, NatsPlace]:
        return {region: self.pair.place(region) for region in (HOME, AWAY)}

    async def spoil(self) -> None:
        for region in (AWAY, HOME):
            async with door(self.pair, region) as there:
                for name in ("D_ALL", "D_RO", "D"):  # what another test left
                    if await there.stream(name):
                        await there.delete(name)
        await create(self.pair, self.plain)
        async with door(self.pair, AWAY) as away:
            await away.create({"name": "D_ALL", "sources": [{"name": "D"}], "num_replicas": 1})
        async with door(self.pair, HOME) as home:
            await home.create({"name": "D_RO", "mirror": {"name": "D"}, "num_replicas": 1})
            await home.create_consumer("D_RO", {"name": "reader", "durable_name": "reader", "ack_policy": "explicit"})
        await fill(self.pair, HOME, "e.D.x", 20)
        await synchronised(self.pair, self.plain)
        async with door(self.pair, HOME) as home:
            reader = await home.jetstream.connection.client.jetstream().pull_subscribe("", "reader", "D_RO")
            for message in await reader.fetch(7, timeout=30):
                await message.ack_sync()
        await run_backup(self.pair.place(HOME), self.store, BackupPlan(("D",), single_writer=True), Silent())
        await fill(self.pair, HOME, "e.D.x", 3, start=50)
        await synchronised(self.pair, self.plain)
        assert await _settled(self.pair, "D_ALL", 23) == 23
        async with door(self.pair, HOME) as home:
            await home.delete("D")

    async def repair(self, restorer: BackupRestorer) -> OperationOutcome:
        procedure = procedures(self.deployment, evolve(self.kit, system=self.plain.system))[Fault.DELETION]
        world = make_world(self.pair, self.folder, origins=restorer)
        with Journal(self.folder / "repair.jsonl", world.clock) as journal:
            planned = str(journal.entries[0].data["hash"]) if journal.entries else ""
            approved = planned or (await make_plan(procedure, self.deployment, world)).hash
            return await execute(procedure, self.deployment, world, journal, options=Options(approved=approved))

    async def check(self) -> None:
        await fill(self.pair, HOME, "e.D.x", 2, start=200)
        assert await _settled(self.pair, "D", 22) == 22
        assert await _settled(self.pair, "D_ALL", 22) == 22
        async with door(self.pair, HOME) as home:
            beside, reader = await home.stream("D_RO"), await home.consumer("D_RO", "reader")
        assert beside
        assert reader
        assert (beside.messages, reader.floor) == (22, 7)


@pytest.mark.slow
def test_an_origin_restored_by_the_executor_is_copied_on(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """One operation, interrupted once: nothing is sourced twice, mirrors go on, and so does a consumer of one."""
    store = ObjectStorage(parse_store(f"file://{tmp_path / 'store'}"), make=True)
    plain = deployment_of(kit, "warm-standby/leafnode-mirror", stream_named("D"))
    case = Repaired(pair, kit, tmp_path, store, plain)
    asyncio.run(case.spoil())
    assert not asyncio.run(case.repair(_DyingRestorer(store, case.places))).finished
    outcome = asyncio.run(case.repair(BackupRestorer(store, case.places)))
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    asyncio.run(case.check())
    remade = outcome.steps[COPIES].facts["copies"]
    assert set(remade) == {f"{HOME}/D_RO", f"{AWAY}/D", f"{AWAY}/D_ALL"}
    assert all(one["saved"] for one in remade.values()), "what came after the backup is kept beside it"


@frozen
class _DyingRestorer(BackupRestorer):
    """Restores, and finds no room for the last copy."""

    async def save(self, region: str, stream: str) -> str:
        if stream != "D_ALL":
            return await super().save(region, stream)
        raise MachineError.at(region, f"no room for {stream}", "free some")


def _with_copies(cluster: NatsCluster) -> NatsCluster:
    """A reader's mirror beside the origin, and a stream that sources the mirror of the other region."""
    if cluster.region == AWAY:
        return evolve(cluster, streams=(*cluster.streams, Stream("D_ALL", sources=(StreamOrigin("D", region=AWAY),))))
    return evolve(cluster, streams=(*cluster.streams, Stream("D_RO", mirror=StreamOrigin("D"))))


class _NothingIsTouched(BackupRestorer):
    async def put_back(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
        raise AssertionError((region, streams))


@pytest.mark.slow
def test_a_stream_that_sources_and_takes_writes_stops_a_repair_before_it_begins(
    pair: Pair, kit: Kit, tmp_path: Path
) -> None:
    """Made anew it would lose what was written to it; left, it would hold twice what it sources."""
    store = ObjectStorage(parse_store(f"file://{tmp_path / 'store'}"), make=True)
    plain = deployment_of(kit, "warm-standby/leafnode-mirror", stream_named("D"))
    case = Repaired(pair, kit, tmp_path, store, plain)
    mixed = Stream("D_MIX", subjects=("e.mix.>",), sources=(StreamOrigin("D", region=AWAY),))

    def with_mixed(cluster: NatsCluster) -> NatsCluster:
        return evolve(cluster, streams=(*cluster.streams, mixed)) if cluster.region == AWAY else cluster

    deployment = evolve(plain, clusters=tuple(map(with_mixed, plain.clusters)))
    procedure = procedures(deployment, evolve(kit, system=plain.system))[Fault.DELETION]

    async def run() -> None:
        await case.spoil()
        for allowed in (frozenset[str](), frozenset({"sources-and-writes"})):
            world = make_world(pair, tmp_path, origins=_NothingIsTouched(store, case.places))
            plan = await make_plan(procedure, deployment, world, allowed=allowed)
            told = [one.what for one in plan.refusals]
            assert any("D_MIX in us-west-2 accepts writes of its own" in one for one in told) is not bool(allowed)
        async with door(pair, HOME) as home:
            assert await home.stream("D") is None

    asyncio.run(run())
