"""Servers of the versions that people run: there and back, and across versions; what cannot be is said before harm."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import StoreCompression, StreamSource
from nats_world import (
    Server,
    binary_of,
    cluster_place,
    connect,
    consume,
    eventually,
    everything,
    fill,
    next_of,
    publish,
    run,
    three_servers,
)

from secondsite.backup import restore as restore_module
from secondsite.backup import stream_restore
from secondsite.backup.inventory import choose_backup
from secondsite.backup.passing import Passed
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.stream_restore import StreamOutcome
from secondsite.backup.target import Changes
from secondsite.model.errors import InputError
from secondsite.nats.place import NatsPlace
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow


async def bring_back(place: NatsPlace, store: ObjectStorage, **plan: Any) -> dict[str, StreamOutcome]:
    manifest = await choose_backup(store)
    done = await run_restore(place, store, manifest, RestorePlan(**plan), Silent())
    return {outcome.target: outcome for outcome in done}


async def various(server: Server) -> list[str]:
    """Streams of several kinds; their names."""
    client = await connect(server.url)
    jetstream = client.jetstream(timeout=30)
    await fill(client, "S", 300, headers=True, compression=StoreCompression.S2)
    for sequence in (1, 7, 8, 300):
        await jetstream.delete_msg("S", sequence)
    await consume(client, "S", "worker", 40)
    await fill(client, "WORK", 50, retention="workqueue")
    await consume(client, "WORK", "w", 20)
    await fill(client, "FULL", 30, max_msgs=10)
    await fill(client, "EMPTY", 0)
    await fill(client, "PURGED", 20)
    await jetstream.purge_stream("PURGED")
    await fill(client, "BY_SUBJECT", 70)
    await jetstream.purge_stream("BY_SUBJECT", subject="by_subject.3")
    await jetstream.add_stream(name="COPY", mirror=StreamSource(name="FULL"))
    bucket = await jetstream.create_key_value(bucket="cfg", history=2)
    for value in (b"1", b"2", b"3"):
        await bucket.put("a", value)

    async def copied() -> bool:
        return (await jetstream.stream_info("COPY")).state.messages == 10

    await eventually(copied, "the mirror has its messages")
    return ["S", "WORK", "FULL", "EMPTY", "PURGED", "BY_SUBJECT", "COPY", "KV_cfg"]


async def compared(source: Server, target: Server, store: ObjectStorage, names: list[str]) -> None:
    """Restored and proven by digest; and the same again as a client reads it."""
    outcomes = await bring_back(target.place, store)
    told = {name: (item.ok, item.error, item.proof.verdict, item.proof.why) for name, item in outcomes.items()}
    assert told == dict.fromkeys(names, (True, "", "equal", ""))
    one, other = await connect(source.url), await connect(target.url)
    for name in names:
        assert await everything(one, name) == await everything(other, name)
    assert await next_of(other, "S", "worker") == 44  # three below it are deleted


def test_there_and_back_on_2_10_and_into_the_newest(start: Any, store: ObjectStorage) -> None:
    binary = binary_of("2.10.26")
    source, same, newest = start("source", binary), start("same", binary), start("newest")

    async def work() -> None:
        names = await various(source)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        assert manifest.server == "2.10.26"
        assert {stream.archive_file for stream in manifest.streams} == {"stream.tar.s2"}
        await compared(source, same, store, names)
        await compared(source, newest, store, names)
        again = await bring_back(newest.place, store, streams={"FULL": "FULL", "BY_SUBJECT": "BY_SUBJECT"})
        assert all(outcome.already_there for outcome in again.values())

    run(work())


@pytest.mark.parametrize("version", ["2.11.11", "2.12.8"])
def test_from_later_versions_into_the_newest(version: str, start: Any, store: ObjectStorage) -> None:
    source, newest = start("source", binary_of(version)), start("newest")

    async def work() -> None:
        await various(source)
        names = ("S", "WORK", "BY_SUBJECT")
        await run_backup(source.place, store, BackupPlan(streams=names), Silent())
        await compared(source, newest, store, list(names))

    run(work())


def test_what_differs_after_the_transfer_is_named(
    start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = binary_of("2.10.26")
    source, target = start("source", binary), start("target", binary)

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "S", 3000)
        await run_backup(source.place, store, BackupPlan(), Silent())
        transfer = stream_restore.transfer

        async def and_delete(*arguments: Any) -> Passed:
            passed = await transfer(*arguments)
            for sequence in (7, 8, 2900):
                await other.jetstream().delete_msg("S", sequence)
            return passed

        monkeypatch.setattr(restore_module, "transfer", and_delete)
        outcome = (await bring_back(target.place, store))["S"]
        assert (outcome.ok, outcome.proof.verdict, outcome.proof.missing) == (False, "differs", (7, 8, 2900))

    run(work())


def test_written_and_purged_meanwhile(start: Any, store: ObjectStorage) -> None:
    """Good, and proven: by digest where the archive and the count agree, else by count, which is said."""
    binary = binary_of("2.10.26")
    source, target = start("source", binary), start("target", binary)

    class Reached(Silent):
        event = asyncio.Event()

        def at(self, stream: str, done_bytes: int) -> None:
            if done_bytes > 4 * 1024**2 and not self.event.is_set():
                self.event.set()
                time.sleep(0.5)

    async def work() -> None:
        client = await connect(source.url)
        await fill(client, "S", 15_000, 1000)
        backing_up = asyncio.ensure_future(run_backup(source.place, store, BackupPlan(), Reached()))
        await Reached.event.wait()
        await client.jetstream(timeout=30).purge_stream("S", subject="s.3")
        await publish(client, "S", 100)
        manifest = await backing_up
        outcome = (await bring_back(target.place, store))["S"]
        assert outcome.ok
        assert (outcome.proof.verdict, bool(outcome.proof.why)) in (("equal", False), ("unproven", True))
        assert 0 < outcome.messages <= manifest.messages + 100

    run(work())


def test_what_2_15_wrote_is_refused_below_it_before_anything_is_lost(start: Any, store: ObjectStorage) -> None:
    source, old = start("source"), start("old", binary_of("2.10.26"))

    async def work() -> None:
        client, other = await connect(source.url), await connect(old.url)
        await fill(client, "S", 20)
        await fill(other, "S", 30)
        await run_backup(source.place, store, BackupPlan(), Silent())
        with pytest.raises(
            InputError,
            match=r"this is nats-server 2\.10\.26, and archives written by 2\.15 or later need .*: S; upgrade",
        ):
            await bring_back(old.place, store, overwrite=frozenset({"S"}))
        assert (await other.jetstream().stream_info("S")).state.messages == 30

    run(work())


def test_streams_in_memory_are_named_where_they_cannot_be_saved(
    start: Any, store: ObjectStorage, tmp_path: Path
) -> None:
    old = start("old", binary_of("2.12.8"))

    async def work() -> None:
        client = await connect(old.url)
        await fill(client, "S", 20)
        await fill(client, "M", 20, storage="memory")
        with pytest.raises(InputError, match=r"in memory, and nats-server 2\.12\.8 .*: M; .* --exclude M"):
            await run_backup(old.place, store, BackupPlan(), Silent())
        assert [path for path in (tmp_path / "backups").rglob("*") if path.is_file()] == []
        manifest = await run_backup(old.place, store, BackupPlan(exclude=("M",)), Silent())
        assert [stream.name for stream in manifest.streams] == ["S"]

    run(work())


def test_consumers_on_other_nodes_than_the_leader_are_made_again(
    tmp_path: Path, store: ObjectStorage, start: Any
) -> None:
    """Before 2.15 the archive lacks them (nats-server #7829): they are made again where they had acknowledged."""
    target = start("target")
    with three_servers(tmp_path / "cluster", binary_of("2.10.26")) as servers:

        async def work() -> None:
            client, other = await connect(servers[0].url), await connect(target.url)
            await fill(client, "R3", 100, num_replicas=3)
            for number in range(6):
                await consume(client, "R3", f"c{number}", 10 * (number + 1), num_replicas=1)
            await run_backup(cluster_place(servers), store, BackupPlan(), Silent())
            outcome = (await bring_back(target.place, store, changes=Changes(replicas=1)))["R3"]
            assert (outcome.ok, outcome.consumers, outcome.missing_consumers) == (True, 6, ())
            assert await everything(other, "R3") == await everything(client, "R3")
            for number in range(6):
                assert await next_of(other, "R3", f"c{number}") == 10 * (number + 1) + 1

        run(work())
