"""What is alive stays: a restore deletes nothing that is used or came since it looked, and saves what it replaces."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from nats.js.api import StreamSource
from nats.js.errors import NoStreamResponseError
from nats_world import Server, binary_of, connect, consume, eventually, everything, fill, run

from secondsite.backup import restore as restore_module
from secondsite.backup import stream_restore
from secondsite.backup.inventory import take_inventory
from secondsite.backup.manifest import BackupManifest
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.stream_restore import StreamOutcome
from secondsite.backup.target import Changes, mark_of
from secondsite.model.errors import InputError
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
ALL = RestorePlan()
OVER = RestorePlan(overwrite=frozenset({"S"}))


async def saved(source: Server, store: ObjectStorage, **config: Any) -> BackupManifest:
    client = await connect(source.url)
    await fill(client, "S", 20, **config)
    return await run_backup(source.place, store, BackupPlan(streams=("S",)), Silent())


async def restored(
    target: Server, store: ObjectStorage, manifest: BackupManifest, plan: RestorePlan = ALL
) -> StreamOutcome:
    (outcome,) = await run_restore(target.place, store, manifest, plan, Silent())
    return outcome


def test_a_work_queue_that_happens_to_be_empty_is_in_use(start: Any, store: ObjectStorage) -> None:
    server = start()

    async def work() -> None:
        client = await connect(server.url)
        manifest = await saved(server, store, retention="workqueue")
        await consume(client, "S", "w", 20)
        assert (await client.jetstream().stream_info("S")).state.messages == 0
        with pytest.raises(InputError, match=r"S exists with 0 messages .* 1 consumer"):
            await restored(server, store, manifest)
        await client.jetstream().delete_stream("S")
        await client.jetstream().add_stream(name="S", subjects=["s.>"])
        await consume(client, "S", "w", 0)  # never written to, and waited on
        with pytest.raises(InputError, match="the stream S exists with 0 messages"):
            await restored(server, store, manifest)
        assert (await client.jetstream().consumer_info("S", "w")).name == "w"

    run(work())


@pytest.mark.parametrize("what", ["written", "recreated"])
def test_what_came_since_the_look_stays(
    what: str, start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        manifest = await saved(source, store)
        client = await connect(target.url)
        await client.jetstream().add_stream(name="S", subjects=["s.>"])
        look = restore_module._look

        async def and_then(*arguments: Any) -> Any:
            found = await look(*arguments)
            if what == "recreated":
                await client.jetstream().delete_stream("S")
                await client.jetstream().add_stream(name="S", subjects=["s.>"])
            await client.jetstream().publish("s.1", b"just now")
            return found

        monkeypatch.setattr(restore_module, "_look", and_then)
        outcome = await restored(target, store, manifest)
        assert "after this restore checked" in outcome.error
        info = await client.jetstream().stream_info("S")
        assert (info.state.messages, info.config.subjects, info.config.metadata) == (1, ["s.>"], info.config.metadata)
        assert (await client.jetstream().publish("s.1", b"again")).seq == 2

    run(work())


def test_what_is_overwritten_is_saved_and_comes_back_when_the_server_refuses(
    start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        manifest = await saved(source, store)
        client = await connect(target.url)
        await fill(client, "S", 7, max_msgs=50)
        await consume(client, "S", "c", 3)
        before = await everything(client, "S")
        plan = RestorePlan(overwrite=frozenset({"S"}), changes=Changes(replicas=3))
        outcome = await restored(target, store, manifest, plan)
        assert "--replicas 1" in outcome.remedy
        assert "S is there again" in outcome.notes[0]
        assert await everything(client, "S") == before
        info = await client.jetstream().stream_info("S")
        assert (info.config.subjects, info.config.max_msgs, info.state.consumer_count) == (["s.>"], 50, 1)
        done = await restored(target, store, manifest, OVER)
        assert (done.ok, done.messages) == (True, 20)
        kept = (await take_inventory(store.below("replaced"))).readable
        assert [found.stream("S").messages for found in kept] == [7, 7]  # type: ignore[union-attr] # it holds S
        assert kept[0].id in done.notes[-1]
        assert (await take_inventory(store)).readable == (manifest,)

    run(work())


def test_nobody_writes_to_half_of_it(start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the transfer and its proof: clients' writes are refused, and so is none of them lost."""
    source, target = start("source"), start("target")

    class KilledError(BaseException):
        pass

    async def work() -> None:
        manifest = await saved(source, store)
        client = await connect(target.url)
        prove = stream_restore.prove

        async def killed(*_: Any) -> Any:
            with pytest.raises(NoStreamResponseError):
                await client.jetstream().publish("s.1", b"too early")
            raise KilledError

        monkeypatch.setattr(restore_module, "prove", killed)
        with pytest.raises(KilledError):
            await restored(target, store, manifest)
        monkeypatch.setattr(restore_module, "prove", prove)
        info = await client.jetstream().stream_info("S")
        assert mark_of({"metadata": info.config.metadata}) == manifest.id
        outcome = await restored(target, store, manifest)
        assert (outcome.ok, outcome.proof.verdict, outcome.differences) == (True, "equal", ())
        assert (await client.jetstream().publish("s.1", b"now")).seq == 21
        with pytest.raises(InputError, match="S exists with 21 messages"):
            await restored(target, store, manifest)

    run(work())


@pytest.mark.parametrize("version", ["2.10.26", ""])
def test_a_stream_with_sources_sources_nothing_again(version: str, start: Any, store: ObjectStorage) -> None:
    binary = binary_of(version) if version else None
    server, target = start("source", binary), start("target", binary)

    async def count(url: str) -> int:
        return (await (await connect(url)).jetstream().stream_info("ALL")).state.messages

    async def work() -> None:
        client, other = await connect(server.url), await connect(target.url)
        for name, number in (("A", 10), ("B", 20)):
            await fill(client, name, number)
            await fill(other, name, number)
        sources = [StreamSource(name="A"), StreamSource(name="B")]
        await client.jetstream().add_stream(name="ALL", subjects=["all.>"], sources=sources)
        await client.jetstream().publish("all.1", b"its own")
        await eventually(lambda: _is(count(server.url), 31), "it has sourced")
        await run_backup(server.place, store, BackupPlan(streams=("ALL",)), Silent())
        manifest = (await take_inventory(store)).readable[0]
        outcome = await restored(target, store, manifest)
        assert (outcome.ok, outcome.differences) == (True, ())
        await other.jetstream().publish("a.new", b"one more")
        await eventually(lambda: _is(count(target.url), 32), "it sources what is new")
        await asyncio.sleep(0.3)
        assert await count(target.url) == 32

    run(work())


async def _is(counting: Any, number: int) -> bool:
    return bool(await counting == number)


def test_a_first_sequence_is_no_order_to_purge(start: Any, store: ObjectStorage) -> None:
    binary = binary_of("2.10.26")
    source, target = start("source", binary), start("target", binary)

    async def work() -> None:
        manifest = await saved(source, store, first_seq=5000)
        outcome = await restored(target, store, manifest)
        assert (outcome.ok, outcome.messages, outcome.first_seq, outcome.differences) == (True, 20, 5000, ())

    run(work())


def test_what_a_version_would_drop_is_said_before_anything_is_deleted(start: Any, store: ObjectStorage) -> None:
    source, old = start("source", binary_of("2.12.8")), start("old", binary_of("2.10.26"))

    async def work() -> None:
        client, other = await connect(source.url), await connect(old.url)
        config = {"name": "S", "subjects": ["s.>"], "allow_atomic": True, "allow_msg_ttl": True}
        await client.request("$JS.API.STREAM.CREATE.S", json.dumps(config).encode())
        paused = {"durable_name": "c", "ack_policy": "explicit", "pause_until": "2099-01-01T00:00:00Z"}
        request = {"stream_name": "S", "config": paused}
        await client.request("$JS.API.CONSUMER.DURABLE.CREATE.S.c", json.dumps(request).encode())
        await fill(other, "S", 5)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        fields = r"allow_msg_ttl \(2\.11\), allow_atomic \(2\.12\), pause_until of consumer c"
        told = rf"nats-server 2\.10\.26 does not support: {fields}"
        with pytest.raises(InputError, match=told):
            await restored(old, store, manifest, OVER)
        assert (await other.jetstream().stream_info("S")).state.messages == 5

    run(work())


@pytest.mark.parametrize(
    ("version", "name", "renamed"), [("2.12.8", "S", False), ("2.15.1", "KV_S", False), ("2.15.1", "S", True)]
)
def test_another_name_is_advised_where_it_can_be(
    version: str, name: str, renamed: bool, start: Any, store: ObjectStorage
) -> None:
    server = start(binary=binary_of(version))

    async def work() -> None:
        client = await connect(server.url)
        await client.jetstream().add_stream(name=name, subjects=["s.>"])
        await client.jetstream().publish("s.a")
        manifest = await run_backup(server.place, store, BackupPlan(), Silent())
        await client.jetstream().publish("s.a")
        with pytest.raises(InputError, match=f"--overwrite {name}") as refused:
            await run_restore(server.place, store, manifest, ALL, Silent())
        assert ("NEWNAME" in str(refused.value)) is renamed

    run(work())
