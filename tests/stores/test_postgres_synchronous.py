"""A standby that commits wait for, over a link with a round trip: nothing acknowledged is lost, at that price."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from statistics import median

import pytest
from attrs import evolve
from in_loop import in_loop
from postgres_pair import STORE, PostgresPair, postgres_pair

from secondsite.catalogue.bundle import load_catalogue
from secondsite.drill.play.lab_world import LabStores
from secondsite.lab import postgres_fleet
from secondsite.lab.postgres_files import TABLE
from secondsite.model.errors import MachineError
from secondsite.model.procedure import Verb
from secondsite.model.store import Replication
from secondsite.operate.action import Context
from secondsite.operate.actions.follow import FollowStores
from secondsite.operate.live import LiveWorld
from secondsite.operate.world import Decision
from secondsite.stores import postgres
from secondsite.stores.inspect import inspect_postgres
from secondsite.stores.postgres_place import PostgresSession
from secondsite.strategies.compose import failback
from secondsite.strategies.design import Kit
from secondsite.strategies.store_servers import CONFIRMING

pytestmark = pytest.mark.slow
RTT_MS = 60.0
WAITS = {"synchronous_standby_names": CONFIRMING}
INSERT = f"INSERT INTO {TABLE} (id, key, data) VALUES (%s, 0, 'x')"  # noqa: S608 - our own table


async def seconds_each(session: PostgresSession, names: list[str]) -> list[float]:
    taken = []
    for name in names:
        begin = time.perf_counter()
        await session.rows(INSERT, [name])
        taken.append(time.perf_counter() - begin)
    return taken


async def patiently(pair: PostgresPair, region: str, name: str) -> None:
    async with evolve(pair.writer(region), within_s=20.0).open() as session:
        await session.rows(INSERT, [name])


async def written_until_killed(pair: PostgresPair, acknowledged: list[str], enough: asyncio.Event) -> None:
    """One commit after the other: each is in the list once the server has answered."""
    with suppress(MachineError):
        async with pair.writer(pair.home).open() as session:
            for number in range(100_000):
                await session.rows(INSERT, [f"w{number}"])
                acknowledged.append(f"w{number}")
                if number == 20:
                    enough.set()


async def lost_with_the_primary(pair: PostgresPair) -> set[str]:
    """Of what was acknowledged when SIGKILL came; a commit that nobody answered is nobody's."""
    acknowledged: list[str] = []
    enough = asyncio.Event()
    writer = asyncio.create_task(written_until_killed(pair, acknowledged, enough))
    await enough.wait()
    pair.lab.kill(pair.name(pair.home))
    await asyncio.wait_for(writer, 20)
    await pair.server(pair.away).promote()
    return set(acknowledged) - set(await pair.ids(pair.away))


@in_loop
async def test_no_acknowledged_commit_is_lost_and_each_takes_a_round_trip() -> None:
    async with postgres_pair(way=Replication.SYNCHRONOUS, rtt_ms=RTT_MS) as pair:
        async with pair.writer(pair.home).open() as session:
            across = await seconds_each(session, [f"s{number}" for number in range(10)])
            await session.rows("SET synchronous_commit = local")
            local = await seconds_each(session, [f"l{number}" for number in range(10)])
        assert min(across) >= RTT_MS / 1000, "the standby answers over the link"
        assert median(across) >= median(local) + 0.9 * RTT_MS / 1000
        live = await inspect_postgres(pair.server(pair.home).place, sample_s=0.1)
        assert (str(live.running.replicated), live.running.confirming) == ("synchronous", 1)
        await without_its_standby(pair)
        assert await lost_with_the_primary(pair) == set()
        await over_there_and_followed_again(pair)


async def without_its_standby(pair: PostgresPair) -> None:
    """A commit waits, and is answered once the standby is back."""
    pair.lab.kill(pair.name(pair.away))
    waiting = asyncio.create_task(patiently(pair, pair.home, "while it was away"))
    async with pair.server(pair.home).place.open() as session:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        while not await session.value(asked):
            assert not waiting.done(), "it waited for nobody"
            await asyncio.sleep(0.02)
    await pair.lab.restart(pair.name(pair.away))
    await waiting


async def over_there_and_followed_again(pair: PostgresPair) -> None:
    """The promoted server waits for nobody; once the old one follows, it waits for that."""
    await pair.write(pair.away, "alone")
    await pair.lab.kill_region(pair.home)
    await pair.lab.restart_region(pair.home, isolated=True)
    back = failback(pair.lab.deployment, Kit.of(pair.lab.deployment.system, load_catalogue()))
    step = next(step for step in back.steps if step.verb is Verb.FOLLOW_STORES)
    world = LiveWorld({}, Decision("tester", 1.0, "a test"), stores=LabStores(pair.lab, pair.away))
    context = Context(pair.lab.deployment, back, world, {}, lambda _kind, _facts: None)
    facts = await FollowStores().run(context, step, LabStores(pair.lab, pair.away))
    assert facts["stores"][STORE]["synchronous"] is True
    begin = time.perf_counter()
    await pair.write(pair.away, "with a standby")
    assert time.perf_counter() - begin >= RTT_MS / 1000
    assert "with a standby" in await pair.ids(pair.home)


@in_loop
async def test_the_same_loss_takes_commits_of_a_standby_that_nobody_waits_for() -> None:
    """The control: over this link a test that finds no loss would be blind."""
    async with postgres_pair(rtt_ms=RTT_MS) as pair:
        assert await lost_with_the_primary(pair)


@in_loop
async def test_a_copy_of_a_waiting_primary_takes_commits_once_it_is_promoted() -> None:
    async with postgres_pair() as pair:
        away = pair.server(pair.away)
        async with away.place.open() as session:  # as pg_basebackup copies it with the primary's settings
            await session.rows(f"ALTER SYSTEM SET synchronous_standby_names = '{CONFIRMING}'")
            await session.rows("SELECT pg_reload_conf()")
        pair.lab.kill(pair.name(pair.home))
        await away.promote()
        await patiently(pair, pair.away, "after")
        assert await pair.ids(pair.away) == ["after"]


@in_loop
async def test_what_alter_system_cannot_change_stops_the_promotion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command line is stronger: promoted so, it would take no commit."""
    monkeypatch.setattr(postgres_fleet, "_SETTINGS", {**postgres_fleet._SETTINGS, **WAITS})
    monkeypatch.setattr(postgres, "_RELOADED_WITHIN_S", 0.5)
    async with postgres_pair() as pair:
        with pytest.raises(MachineError, match="take synchronous_standby_names off its command line"):
            await pair.server(pair.away).promote()
        assert (await pair.server(pair.away).look()).standby
