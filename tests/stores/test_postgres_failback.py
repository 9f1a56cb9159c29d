"""A database comes home by the procedure's own steps, and nothing that only it committed is thrown away unseen."""

from __future__ import annotations

import asyncio
import csv
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from in_loop import in_loop
from postgres_pair import EXAMPLE, STORE, PostgresPair, postgres_pair

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.play.lab_world import LabStores
from secondsite.model.errors import MachineError
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.action import Context, Facts, ManualContext, WaitingError
from secondsite.operate.actions.follow import SAVED, FollowStores
from secondsite.operate.actions.stores import PromoteStores
from secondsite.operate.commands import Commands
from secondsite.operate.live import LiveWorld
from secondsite.operate.store_logins import StoreLogins
from secondsite.operate.verbs import commands, left_by_hand, waits_for_person
from secondsite.operate.world import Decision, ManualSteps, Stores
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_place import PostgresPlace, StoreRefusedError
from secondsite.stores.postgres_rows import salvage_rows
from secondsite.stores.redis_place import RedisPlace
from secondsite.strategies.compose import failback, lay_out
from secondsite.strategies.design import Kit

KIT = Kit.of(load_system(EXAMPLE), load_catalogue())
DEPLOYMENT = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), KIT)
BACK = failback(DEPLOYMENT, KIT)
HOME_FOLLOWS, AWAY_FOLLOWS = (step for step in BACK.steps if step.verb is Verb.FOLLOW_STORES)
(PROMOTED,) = (step for step in BACK.steps if step.verb is Verb.PROMOTE_STORES)


class Way:
    """One failback; ``noted`` is what its steps wrote into the journal."""

    def __init__(self, pair: PostgresPair, door: Stores | None = None, hands: ManualSteps | None = None) -> None:
        self.door = door or LabStores(pair.lab, pair.away)
        self.noted: list[Facts] = []
        world = LiveWorld({}, Decision("tester", 1.0, "a test"), stores=self.door)
        self._world = evolve(world, manual_steps=hands) if hands else world

    def context(self, procedure: Procedure = BACK) -> Context:
        def note(kind: str, facts: Facts) -> None:
            self.noted.append({kind: dict(facts)})

        return Context(DEPLOYMENT, procedure, self._world, {}, note, noted=list(self.noted))

    async def follow(self, step: Step) -> Mapping[str, Any]:
        facts = await FollowStores().run(self.context(), step, self.door)
        found: Mapping[str, Any] = facts["stores"][STORE]
        return found

    async def promote(self) -> Mapping[str, Any]:
        facts = await PromoteStores().run(self.context(), PROMOTED, self.door)
        found: Mapping[str, Any] = facts["stores"][STORE]
        return found

    async def changes(self, step: Step) -> tuple[str, ...]:
        action = FollowStores() if step.verb is Verb.FOLLOW_STORES else PromoteStores()
        return (await action.look(self.context(), step, self.door)).changes


@asynccontextmanager
async def lost_and_back() -> AsyncIterator[PostgresPair]:
    """The old primary committed what never got across, was lost, and is there again, alone."""
    async with postgres_pair() as pair:
        await pair.write(pair.home, "a", "b")
        await pair.caught_up()
        await pair.lab.wan.cut(pair.home, pair.away)
        await pair.write(pair.home, "only there")
        await pair.lab.kill_region(pair.home)
        await pair.server(pair.away).promote()
        await pair.write(pair.away, "c")
        await pair.lab.restart_region(pair.home, isolated=True)
        yield pair


@pytest.mark.slow
@in_loop
async def test_over_written_to_and_back_and_what_only_the_old_primary_had_is_named_first() -> None:
    async with lost_and_back() as pair:
        way = Way(pair)
        planned = [line for step in (HOME_FOLLOWS, PROMOTED) for line in await way.changes(step)]
        assert [line.split(": ")[1].split()[0] for line in planned] == ["save", "fenced", "promoted"]
        with pytest.raises(StoreRefusedError):
            await pair.write(pair.home, "before it follows")
        with pytest.raises(MachineError, match="has no primary"):
            await way.promote()
        assert not (await pair.server(pair.away).look()).fenced
        followed = await way.follow(HOME_FOLLOWS)
        (saved,) = followed["saved"].values()
        assert (saved["rows"], saved["keys"]) == (1, ["only there"])
        assert _ids_in(saved["file"]) == ["only there"]
        assert re.fullmatch(r"servers diverged at WAL location \S+ on timeline 1", _noted(way, "followed")["parted"])
        assert [kind for note in way.noted for kind in note if kind in (SAVED, "followed")] == [SAVED, "followed"]
        assert (await way.follow(HOME_FOLLOWS))["saved"] == followed["saved"]  # again: no more
        assert await way.changes(HOME_FOLLOWS) == ()
        await pair.write(pair.away, "d")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PostgresServer, "unfence", _die)
            with pytest.raises(SystemError):  # promoted, and nobody gets in: the next attempt lifts the fence
                await way.promote()
        assert (await pair.server(pair.home).look()).fenced
        assert (await way.promote())["fenced"]
        await pair.write(pair.home, "e")
        with pytest.raises(StoreRefusedError):
            await pair.write(pair.away, "late")
        again = await way.follow(AWAY_FOLLOWS)
        assert again["saved"] == {}
        position = (await pair.server(pair.home).look()).position
        assert await pair.server(pair.away).replayed_up_to(position, 10.0)
        assert await pair.ids(pair.home) == await pair.ids(pair.away) == ["a", "b", "c", "d", "e"]
        home, away = await pair.server(pair.home).look(), await pair.server(pair.away).look()
        assert (home.role, home.fenced, away.role) == ("primary", False, "standby")
        assert away.slots == ()  # nothing keeps WAL for a follower that is gone


@pytest.mark.slow
@in_loop
async def test_rows_of_every_database_are_saved_and_a_person_without_hands_here_rewinds(tmp_path: Path) -> None:
    async with postgres_pair() as pair:
        server = pair.server(pair.home)
        async with server.place.open() as session:
            await session.rows("CREATE DATABASE billing")
        async with server.place.database("billing").open() as session:
            await session.rows('CREATE TABLE "odd/name" (what text)')
            await session.rows("INSERT INTO \"odd/name\" VALUES ('twice')")
        await pair.caught_up()
        await pair.lab.wan.cut(pair.home, pair.away)
        async with server.place.database("billing").open() as session:
            await session.rows("INSERT INTO \"odd/name\" VALUES ('twice'), ('twice'), ('new')")
        async with server.place.open() as session:
            await session.rows("CREATE DATABASE young")
        async with server.place.database("young").open() as session:
            await session.rows("CREATE TABLE all_of_it (id int PRIMARY KEY)")
            await session.rows("INSERT INTO all_of_it VALUES (1), (2)")
        await pair.lab.kill_region(pair.home)
        await pair.server(pair.away).promote()
        await pair.lab.restart_region(pair.home, isolated=True)
        way = Way(pair, StoreLogins({f"{r}/{STORE}": pair.server(r).place for r in pair.lab.regions}, tmp_path))
        with pytest.raises(WaitingError):
            await way.follow(HOME_FOLLOWS)
        tables = next(note[SAVED] for note in way.noted if SAVED in note)["tables"]
        assert {name: one["rows"] for name, one in tables.items()} == {
            **{"billing.public.odd/name": 3, "young.public.all_of_it": 2},
        }
        assert sorted(_lines(one["file"]) for one in tables.values()) == [3, 5]
        assert (await pair.server(pair.home).look()).role == "primary"
        rewinder = Rewinder(pair)
        again = Way(pair, way.door, rewinder)
        again.noted = way.noted
        saved = (await again.follow(HOME_FOLLOWS))["saved"]
        assert {name: one["keys"] for name, one in saved.items()} == {name: one["keys"] for name, one in tables.items()}
        assert rewinder.asked == [(HOME_FOLLOWS.id, pair.home, (STORE,))]
        assert _noted(again, "followed")["by"] == f"command for {HOME_FOLLOWS.id}"
        assert await again.changes(HOME_FOLLOWS) == ()


def test_what_waits_for_hands_on_the_files_is_left_to_a_person_unless_a_command_does_it() -> None:
    """A login reaches no files of PostgreSQL; Redis is told by the login."""
    logins = {f"{region}/{STORE}": PostgresPlace(f"host={region}") for region in ("us-east-1", "us-west-2")}
    world = LiveWorld({}, Decision("tester", 1.0, "a test"), stores=StoreLogins(logins))
    follow = {HOME_FOLLOWS.id, AWAY_FOLLOWS.id}
    left = {step.id: why for step, why in left_by_hand(world, BACK, "us-west-2")}
    assert follow <= set(left)
    assert "--command follow-stores" in left[HOME_FOLLOWS.id]
    assert follow <= waits_for_person(world, BACK, "us-west-2")
    done = evolve(world, manual_steps=Commands({"follow-stores": "rewind.sh"}))
    assert not follow & waits_for_person(done, BACK, "us-west-2")
    redis = {name: RedisPlace("redis://127.0.0.1:6379") for name in logins}
    assert not follow & waits_for_person(evolve(world, stores=StoreLogins(redis)), BACK, "us-west-2")


class Rewinder:
    """A command that somebody wrote for it: it has hands on the server's files. Nobody is fenced or saved by it."""

    def __init__(self, pair: PostgresPair) -> None:
        self._pair, self.asked = pair, list[tuple[str, str, tuple[str, ...]]]()

    def has_command(self, step: Step, /) -> bool:
        return step.verb is Verb.FOLLOW_STORES

    async def carry_out(self, step: Step, /) -> str | None:
        self.asked.append((step.id, step.region, step.targets))
        assert (await self._pair.server(step.region).look()).fenced
        await LabStores(self._pair.lab, self._pair.away).follow(step.region, STORE, self._pair.away)
        return f"command for {step.id}"


@pytest.mark.slow
@in_loop
async def test_large_objects_are_compared_and_numbers_that_may_come_twice_are_told(tmp_path: Path) -> None:
    async with postgres_pair() as pair:
        old, new = pair.server(pair.home), pair.server(pair.away)
        async with old.place.open() as session:
            await session.rows("CREATE SEQUENCE invoices")
            both = await session.value("SELECT lo_from_bytea(0, 'in both')")
        await pair.caught_up()
        await pair.lab.wan.cut(pair.home, pair.away)
        async with old.place.open() as session:
            await session.rows("SELECT nextval('invoices') FROM generate_series(1, 100)")
            only = await session.value("SELECT lo_from_bytea(0, 'only there')")
        await new.promote()
        tables = {one.name: one for one in await salvage_rows(old.place, new.place, tmp_path) if one.keys}
        (told,) = tables["postgres.public.invoices"].keys
        assert re.match(r"gave numbers up to 1\d\d, the other server up to 0: ", told)
        assert tables["postgres.pg_catalog.pg_largeobject"].keys == (f"({only},0)",)
        saved = tables["postgres.pg_catalog.pg_largeobject"].file
        assert saved is not None
        assert f"{only},0,\\x{b'only there'.hex()}" in saved.read_text()
        assert str(both) not in saved.read_text()
        assert set(tables) == {"postgres.public.invoices", "postgres.pg_catalog.pg_largeobject"}


def _noted(way: Way, kind: str) -> Mapping[str, Any]:
    """The first note of this kind."""
    found: Mapping[str, Any] = next(note[kind] for note in way.noted if kind in note)
    return found


async def _die(_server: PostgresServer) -> None:
    raise SystemError


def _ids_in(path: str) -> list[str]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [row["id"] for row in csv.DictReader(file)]


def _lines(path: str) -> int:
    return len(Path(path).read_text(encoding="utf-8").splitlines())


@pytest.mark.slow
@in_loop
async def test_the_printed_commands_bring_it_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person stops and starts the server where the runbook says so."""
    async with lost_and_back() as pair:
        manual = ManualContext(DEPLOYMENT, BACK, pair.home, None)
        lines = [line for step in (HOME_FOLLOWS, PROMOTED) for line in commands(manual, step)]
        host = pair.lab.databases.host(STORE, pair.home)
        secret = f"s3cret-{secrets.token_hex(8)}"
        logins = {r: f"{pair.server(r).place.conninfo} password={secret}" for r in (pair.home, pair.away)}
        given = {f"PG_{region.upper().replace('-', '_')}": login for region, login in logins.items()}
        monkeypatch.setenv("PGDATA", str(host.data))
        for name, login in given.items():
            monkeypatch.setenv(name, login)
        _write_tool(tmp_path / "pg_config", f"echo {host.tools}")
        monkeypatch.setenv("PATH", f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}")
        for typed in _between_comments(lines):
            if typed.startswith("secondsite postgres follow"):
                pair.lab.kill(pair.name(pair.home))
            assert await _typed(typed, tmp_path, secret) == 0, typed
            if typed.startswith("secondsite postgres follow"):
                await pair.lab.restart(pair.name(pair.home))
        await pair.write(pair.home, "d")
        assert await pair.ids(pair.home) == ["a", "b", "c", "d"]
        assert [_ids_in(str(path)) for path in _files(tmp_path / "rows")] == [["only there"]]
        settings = host.data / "postgresql.auto.conf"  # the server's own, for nobody else to read
        assert settings.stat().st_mode & 0o077 == 0
        assert {path.stat().st_uid for path in host.data.rglob("*")} == {host.data.stat().st_uid}  # run as root or not
        assert "pg_rewind: servers diverged at WAL location 0/" in (tmp_path / "typed.log").read_text()
        places = [tmp_path, pair.lab.folder / "logs", pair.lab.folder / "stores"]
        assert _holding(secret, *places) in ([], [settings])


async def _typed(line: str, folder: Path, secret: str) -> int:
    """What it outputs is kept; no process has the secret among its arguments while it runs."""
    with (folder / "typed.log").open("ab") as log:
        run = await asyncio.create_subprocess_exec("bash", "-ec", line, cwd=folder, stdout=log, stderr=log)
        while run.returncode is None:
            assert not _processes_with(secret)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await run.wait()
    return run.returncode


def _processes_with(secret: str) -> list[Path]:
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if secret in _read(path)]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:  # it ended meanwhile
        return ""


def _holding(secret: str, *folders: Path) -> list[Path]:
    """Files with the secret in them, the values of an environment left out."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if secret in _read(path)]


def _between_comments(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("#")]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.csv"))


def _write_tool(path: Path, does: str) -> None:
    path.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    path.chmod(0o755)


def test_a_store_without_a_replica_is_brought_back_by_hand() -> None:
    known = {step.id: step for step in BACK.steps}
    assert [known[name].targets for name in ("follow-stores", "restore-stores", "promote-stores", "serve-stores")] == [
        *(("postgres",), ("qdrant",)),
        *(("postgres",), ("qdrant",)),
    ]
    assert not known["follow-stores"].reversible
    assert (
        known["promote-stores"].id in known["change-traffic"].after or "serve-stores" in known["change-traffic"].after
    )
    assert known["follow-again"].region == DEPLOYMENT.sites[1].region.name
