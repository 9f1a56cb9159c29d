"""A database fails over by the procedure's own step: fenced while its primary lives, then promoted."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Mapping

import pytest
from attrs import evolve
from in_loop import in_loop
from postgres_pair import EXAMPLE, STORE, PostgresPair, postgres_pair

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.operating_options import store_logins
from secondsite.discover.system_file.reading import load_system
from secondsite.dns.lookup import Resolved
from secondsite.drill.ledger.record import Status
from secondsite.drill.load import postgres_sender
from secondsite.drill.load.client_config import PostgresTarget
from secondsite.drill.load.postgres_sender import PostgresSender
from secondsite.drill.load.sending import Write
from secondsite.drill.play.databases import read_tables
from secondsite.drill.play.lab_world import LabStores
from secondsite.lab.postgres_files import TABLE, WRITER, tools
from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, RegionStore
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.action import Context, Facts, ManualContext
from secondsite.operate.actions import stores
from secondsite.operate.actions.stores import PromoteStores
from secondsite.operate.check import Answer, store_pair
from secondsite.operate.live import LiveWorld
from secondsite.operate.verbs import commands
from secondsite.operate.world import Decision
from secondsite.stores.postgres import PostgresServer, PostgresState
from secondsite.stores.postgres_place import StoreRefusedError
from secondsite.strategies.compose import lay_out, procedures
from secondsite.strategies.design import Kit
from secondsite.strategies.stores import store_replicas

pytestmark = pytest.mark.slow


def procedure() -> Procedure:
    kit = Kit.of(load_system(EXAMPLE), load_catalogue())
    return procedures(lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit), kit)[Fault.REGION]


def promotion() -> Step:
    return next(step for step in procedure().steps if step.verb is Verb.PROMOTE_STORES)


def context(pair: PostgresPair, noted: dict[str, Facts]) -> Context:
    world = LiveWorld({}, Decision("tester", 1.0, "a test"), stores=LabStores(pair.lab, pair.away))

    def note(what: str, facts: Facts) -> None:
        noted[what] = facts

    return Context(pair.lab.deployment, procedure(), world, {}, note)


async def _promoted(pair: PostgresPair) -> Mapping[str, object]:
    of, door = context(pair, {}), LabStores(pair.lab, pair.away)
    facts = await PromoteStores().run(of, promotion(), door)
    found: Mapping[str, object] = facts["stores"][STORE]
    return found


@in_loop
async def test_while_the_primary_lives_no_commit_is_lost_and_nobody_writes_there_any_more() -> None:
    async with postgres_pair() as pair:
        await pair.write(pair.home, "a", "b")
        of, door = context(pair, {}), LabStores(pair.lab, pair.away)
        prospect = await PromoteStores().look(of, promotion(), door)
        assert [change.split(":")[1].split()[0] for change in prospect.changes] == ["fenced", "promoted"]
        assert await _promoted(pair) == {
            **await _promoted(pair),  # once more, to the same end
            "timeline": 2,
            "fenced": True,
        }
        with pytest.raises(StoreRefusedError):
            await pair.write(pair.home, "late")
        await pair.write(pair.away, "c")
        assert await pair.ids(pair.away) == ["a", "b", "c"]
        assert (await PromoteStores().look(of, promotion(), door)).changes == ()


@in_loop
async def test_a_standby_that_does_not_get_all_of_it_leaves_the_primary_writing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stores, "_FOLLOWED_WITHIN_S", 0.5)
    async with postgres_pair() as pair:
        async with pair.server(pair.away).place.open() as session:
            await session.rows("SELECT pg_wal_replay_pause()")
        await pair.write(pair.home, "a")
        with pytest.raises(MachineError, match="does not receive"):
            await _promoted(pair)
        await pair.write(pair.home, "b")
        assert not (await pair.server(pair.home).look()).fenced
        assert (await pair.server(pair.away).look()).standby


@in_loop
async def test_a_plan_says_what_it_would_do_to_databases_and_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    async with postgres_pair() as pair:
        regions = (pair.home, pair.away)
        given = tuple(f"{each}/{STORE}=env:PG_{number}" for number, each in enumerate(regions))
        for number, each in enumerate(regions):
            monkeypatch.setenv(f"PG_{number}", f"{pair.server(each).place.conninfo} password=s3cret")
        logins = store_logins(given, pair.lab.deployment)
        assert logins is not None
        assert "s3cret" not in f"{logins!r} {logins.shown}"
        prospect = await PromoteStores().look(context(pair, {}), promotion(), logins)
        assert prospect.changes == (
            f"{STORE}: fenced in {pair.home}, until {pair.away} has all of it",
            f"{STORE}: promoted in {pair.away}",
        )
        assert prospect.guards == ()
        (replica,) = store_replicas(pair.lab.deployment)
        for same in regions:  # one server under both logins: nothing is fenced, promoted or left unfenced
            both = tuple(f"{each}/{STORE}=env:PG_{regions.index(same)}" for each in regions)
            one = store_logins(both, pair.lab.deployment)
            assert one is not None
            told = await PromoteStores().look(context(pair, {}), promotion(), one)
            assert [(guard.id, guard.absolute) for guard in told.guards] == [("strange-store", True)]
            with pytest.raises(MachineError, match="both logins lead to it"):
                await PromoteStores().run(context(pair, {}), promotion(), one)
            found = await store_pair(one, replica)
            assert found is not None
            assert found.answer is Answer.NO
        asked = await store_pair(logins, replica)
        assert asked is not None
        assert (asked.answer, asked.what) == (Answer.YES, f"{pair.away} follows {pair.home}")
        pair.lab.kill(pair.name(pair.away))
        silent = await PromoteStores().look(context(pair, {}), promotion(), logins)
        assert [(guard.id, guard.absolute) for guard in silent.guards] == [("silent-store", True)]
        with pytest.raises(InputError, match=f"no login for {pair.away}/{STORE}"):
            store_logins(given[:1], pair.lab.deployment)
        with pytest.raises(InputError, match="replicates"):
            store_logins((f"{pair.home}/redis=env:PG_0",), pair.lab.deployment)
        assert store_logins((), pair.lab.deployment) is None
        written = tuple(RegionStore(each, STORE, f"env:PG_{number}") for number, each in enumerate(regions))
        system = evolve(pair.lab.deployment.system, operate=Operate(stores=written))
        assert store_logins((), evolve(pair.lab.deployment, system=system)) == logins


@in_loop
async def test_the_printed_command_promotes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with postgres_pair() as pair:
        manual = ManualContext(pair.lab.deployment, procedure(), pair.away, Fault.REGION)
        line = next(each for each in commands(manual, promotion()) if "pg_promote" in each)
        typed = shlex.split(line.split(" -- ", 1)[1])  # what `kubectl exec` runs in the pod
        folder, at = tools(), pair.lab.databases.endpoint(pair.lab.databases.find(STORE, pair.away))
        assert folder is not None
        where = {"PGHOST": at.host, "PGPORT": str(at.port), "PGDATABASE": "postgres"}
        run = await asyncio.create_subprocess_exec(
            str(folder / typed[0]), *typed[1:], env={**os.environ, **where}, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await run.communicate()
        assert said.decode().strip() == "t|f"
        assert not (await pair.server(pair.away).look()).standby


@in_loop
async def test_a_reader_that_holds_up_replay_does_not_hold_up_the_promotion() -> None:
    """The standby would wait for it for ever: a promotion that ended no reader would not come to its end."""
    async with postgres_pair() as pair:
        await pair.write(pair.home, "a")
        await pair.caught_up()
        standby = pair.server(pair.away)
        async with standby.place.open() as session:
            await session.rows("ALTER SYSTEM SET max_standby_streaming_delay = -1")
            await session.rows("SELECT pg_reload_conf()")
        async with standby.place.open() as reader:
            await reader.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
            await reader.rows(f"SELECT count(*) FROM {TABLE}")  # noqa: S608 - our own table
            async with pair.server(pair.home).place.open() as session:
                await session.rows(f"ALTER TABLE {TABLE} ADD COLUMN seen text")
            await pair.write(pair.home, "b")
            position = (await pair.server(pair.home).look()).position
            look = await _received(standby, position)
            assert look.replayed < look.position
            await standby.promote()
            with pytest.raises(MachineError):
                await reader.rows("SELECT 1")
        assert await pair.ids(pair.away) == ["a", "b"]


async def _received(standby: PostgresServer, position: int) -> PostgresState:
    for _ in range(200):
        if (look := await standby.look()).position >= position:
            return look
        await asyncio.sleep(0.05)
    raise AssertionError("the standby does not receive what the primary has")


@in_loop
async def test_a_client_is_acknowledged_at_commit_and_follows_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    led = ["home"]

    async def look_up(*_: object) -> Resolved:
        return Resolved((led[0],), 0.0)

    monkeypatch.setattr(postgres_sender, "look_up", look_up)
    async with postgres_pair() as pair:
        fleet = pair.lab.databases
        hosts = {r: fleet.endpoint(fleet.find(STORE, r)) for r in (pair.home, pair.away)}
        databases = {"home": hosts[pair.home].host, "away": hosts[pair.away].host}
        port = hosts[pair.home].port
        target = PostgresTarget("api", ("127.0.0.1", 1), databases, port, WRITER, "postgres", TABLE)
        sender = PostgresSender(target, 2.0)
        await sender.open()
        first = await sender.send(_write(0), 0)
        assert (first.status, first.address) == (Status.STORED, databases["home"])
        assert await sender.send(_write(0), 0) == first  # sent again, stored once
        await pair.caught_up()
        led[0] = "away"
        refused = await sender.send(_write(1), 0)
        assert refused.status is Status.REFUSED
        assert "read-only" in refused.why
        led[0] = "home"
        assert await sender.send(_write(0), 0) == first
        pair.lab.kill(pair.name(pair.home))
        assert (await sender.send(_write(1), 0)).status is Status.UNKNOWN  # it was on its way
        assert (await sender.send(_write(1), 0)).status is Status.ERROR  # nobody is there to be asked
        await _promoted(pair)
        led[0] = "away"
        second = await sender.send(_write(1), 0)
        assert (second.status, second.address) == (Status.STORED, databases["away"])
        assert second.stream_sequence > first.stream_sequence
        await sender.close()
        (copy,) = await read_tables(pair.lab, "run", pair.away)
        assert (copy.complete, len(copy.rows), copy.strays) == (True, 2, ())
        assert not copy.rows["payload"].any()
        assert not copy.rows["subject"].any()
        (gone,) = await read_tables(pair.lab, "run", pair.home)
        assert not gone.complete


def _write(sequence: int) -> Write:
    name = f"run.0.{sequence}"
    return Write(name, f"{STORE}.7", "7", f"{name} ")
