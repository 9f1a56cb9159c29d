"""The door to Redis on real servers: what it says, what its fence holds, what following throws away, what is saved."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress
from pathlib import Path

import pytest
from in_loop import in_loop
from redis_pair import RedisPair, redis_pair

from secondsite.cli.__main__ import app
from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_place import StoreRefusedError
from secondsite.stores.redis import RedisServer
from secondsite.stores.redis_keys import salvage_keys
from secondsite.stores.redis_place import RedisPlace, redis_place

pytestmark = pytest.mark.slow


async def _linked(pair: RedisPair) -> None:
    primary = pair.server(pair.primary)
    for _ in range(200):
        if (await pair.server(pair.replica).look()).follows(await primary.look()):
            break
        await asyncio.sleep(0.05)
    assert await pair.server(pair.replica).replayed_up_to((await primary.look()).offset, 10.0)


@in_loop
async def test_a_replica_has_its_primary_s_identity_and_a_promotion_begins_a_history(tmp_path: Path) -> None:
    with redis_pair(tmp_path) as pair:
        await pair.write(pair.primary, "a", "b")
        await _linked(pair)
        primary, replica = await pair.server(pair.primary).look(), await pair.server(pair.replica).look()
        assert (primary.role, replica.role, replica.linked) == ("primary", "replica", True)
        assert primary.replication_id == replica.replication_id
        assert primary.run_id != replica.run_id
        assert [(each.state, each.behind_bytes >= 0) for each in primary.followers] == [("online", True)]
        pair.stop(pair.primary)
        promoted = await pair.server(pair.replica).promote()
        assert promoted.before == primary.replication_id
        assert promoted.replication_id != primary.replication_id
        assert (await pair.server(pair.replica).promote()).replication_id == promoted.replication_id
        await pair.write(pair.replica, "c")
        assert await pair.keys(pair.replica) == {"a", "b", "c"}
        with pytest.raises(MachineError) as silent:
            await pair.server(pair.primary).look()
        assert not isinstance(silent.value, StoreRefusedError)


async def _keep_writing(place: RedisPlace, stored: list[str], stop: asyncio.Event) -> None:
    """Lifts whatever a client may lift, and comes back whenever it is thrown out."""
    while not stop.is_set():
        with suppress(MachineError):
            async with place.open() as session:
                while not stop.is_set():
                    for lifted in (("CLIENT", "UNPAUSE"), ("CONFIG", "SET", "min-replicas-to-write", "0")):
                        with suppress(MachineError):
                            await session.ask(*lifted)
                    await session.ask("SET", f"written {len(stored)}", "x")
                    stored.append(f"written {len(stored)}")
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("fence", ["pause", "fence"])
@in_loop
async def test_the_fence_holds_against_a_writer_that_lifts_what_a_client_may(tmp_path: Path, fence: str) -> None:
    with redis_pair(tmp_path) as pair:
        await _linked(pair)
        stored: list[str] = []
        stop = asyncio.Event()
        async with pair.place(pair.primary).open() as session:  # an application that may do what most may
            await session.ask("ACL", "SETUSER", "app", "+config")
        writer = asyncio.ensure_future(_keep_writing(pair.place(pair.primary, "app"), stored, stop))
        while len(stored) < 20:  # noqa: ASYNC110 - what it writes is what is waited for
            await asyncio.sleep(0.01)
        server = pair.server(pair.primary)
        if fence == "pause":
            async with pair.place(pair.primary).open() as session:
                await session.ask("CLIENT", "PAUSE", "60000", "WRITE")
                await session.ask("CONFIG", "SET", "min-replicas-to-write", "99")
        else:
            ended, outlives = await server.fence()
            assert ended >= 1
            assert outlives
        before = len(stored)
        if fence == "pause":  # a write that was under way waits until its client gives up; the next one is let in
            async with asyncio.timeout(30):
                while len(stored) == before:  # noqa: ASYNC110 - what it writes is what is waited for
                    await asyncio.sleep(0.01)
        else:
            await asyncio.sleep(0.5)
        stop.set()
        async with asyncio.timeout(30):
            await writer
        assert (len(stored) > before) is (fence == "pause")  # which is why that is no fence
        if fence == "fence":
            await _after_the_fence(pair)


async def _after_the_fence(pair: RedisPair) -> None:
    server = pair.server(pair.primary)
    offset = (await server.look()).offset
    assert await pair.server(pair.replica).replayed_up_to(offset, 10.0)  # replication goes on
    assert await server.fence() == (0, True)
    pair.stop(pair.primary)
    pair.start(pair.primary)
    with pytest.raises(StoreRefusedError):
        await pair.write(pair.primary, "after a restart")
    assert (await server.look()).fenced
    await server.unfence()
    assert not (await server.look()).fenced
    await pair.write(pair.primary, "again")


@in_loop
async def test_a_fence_is_refused_where_no_rule_could_tell_writers_from_us(tmp_path: Path) -> None:
    with redis_pair(tmp_path) as pair:
        from valkey.asyncio import Valkey

        other = Valkey.from_url(pair.place(pair.primary).url, client_name="the-app")
        await other.ping()
        with pytest.raises(StoreRefusedError, match="as this session is"):
            await pair.server(pair.primary).fence()
        await other.aclose()
        assert not (await pair.server(pair.primary).look()).fenced
        with pytest.raises(StoreRefusedError, match="default user, which clients are too"):
            await RedisServer(RedisPlace(f"redis://:s3cret@127.0.0.1:{pair.primary}")).fence()


@in_loop
async def test_a_fence_that_had_nobody_to_turn_off_is_one(tmp_path: Path) -> None:
    with redis_pair(tmp_path) as pair:
        server = pair.server(pair.primary)
        async with server.place.open() as session:
            for user in ("app", "default"):
                await session.ask("ACL", "SETUSER", user, "off")
        await server.fence()
        assert (await server.look()).fenced
        await server.unfence()
        assert not (await server.look()).fenced
        with pytest.raises(StoreRefusedError):
            await pair.write(pair.primary, "it was off before")


@in_loop
async def test_what_only_the_old_primary_has_is_saved_and_its_following_says_what_it_throws_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis_pair(tmp_path) as pair:
        await pair.write(pair.primary, "a", "changed")
        await _linked(pair)
        await pair.server(pair.replica).promote()  # nobody follows any more
        await pair.write(pair.primary, "only there")
        async with pair.place(pair.primary, "app").open() as session:
            await session.ask("SET", "changed", "later")
        await pair.write(pair.replica, "c")
        old, new = pair.server(pair.primary), pair.server(pair.replica)
        await old.fence()
        assert ((await old.look()).only_here(await new.look()) or 0) > 0
        folder = tmp_path / "saved"
        folder.mkdir()
        saved = await salvage_keys(old.place, new.place, folder)
        assert (saved.missing, saved.differing) == (("0/only there",), ("0/changed",))
        with pytest.raises(InputError, match="earlier salvage"):
            await salvage_keys(old.place, new.place, folder)
        code, words = await _verb(pair, capsys, "follow")
        assert (code, "bytes of its log that no other server had" in words) == (0, True)
        assert await pair.keys(pair.primary) == {"a", "changed", "c"}
        assert (await _verb(pair, capsys, "caught-up"))[0] == 0
        assert saved.file is not None
        async with pair.place(pair.replica).open() as session:  # whoever owns them may put them back
            for line in _lines(saved.file):
                key, dump = (base64.b64decode(line[name]) for name in ("key", "dump"))
                await session.ask("RESTORE", key, 0, dump, "REPLACE")
            assert await session.ask("GET", "changed") == b"later"


@in_loop
async def test_by_hand_nobody_accuses_keys_that_only_the_new_primary_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis_pair(tmp_path) as pair:
        await pair.write(pair.primary, "a", "changed")
        await _linked(pair)
        await pair.server(pair.replica).promote()
        async with pair.place(pair.replica, "app").open() as session:
            await session.ask("SET", "changed", "later")
        code, words = await _verb(pair, capsys, "salvage", "--folder", str(tmp_path / "saved"))
        assert (code, words) == (0, "no key exists only there\n")
        await pair.write(pair.primary, "only there")
        code, words = await _verb(pair, capsys, "salvage", "--folder", str(tmp_path / "saved"))
        assert (code, "1 key only there" in words, "1 key with another content" in words) == (1, True, True)


async def _verb(pair: RedisPair, capsys: pytest.CaptureFixture[str], verb: str, *more: str) -> tuple[int, str]:
    """Logins as references: no password stands on the line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLD", pair.place(pair.primary).url)
        patch.setenv("NEW", pair.place(pair.replica).url)
        code = await asyncio.to_thread(app, ["redis", verb, "env:OLD", "env:NEW", *more], result_action="return_value")
    return code, capsys.readouterr().out


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_password_on_the_command_line_is_refused_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "redis://app:s3cret@127.0.0.9:1"
    with pytest.raises(InputError, match="every user") as refused:
        redis_place(secret, "URL")
    monkeypatch.setenv("DR_REDIS", secret)
    place = redis_place("env:DR_REDIS", "URL")
    assert "s3cret" not in f"{refused.value} {place!r} {place.shown}"
    with pytest.raises(InputError, match="no DR_NONE"):
        redis_place("env:DR_NONE", "URL")
    with pytest.raises(InputError, match="not a Redis URL"):
        redis_place("http://127.0.0.1", "URL")
