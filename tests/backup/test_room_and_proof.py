"""On a server: room is made for nothing that changed meanwhile, and what is not proven is said to be so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from attrs import evolve
from nats.aio.client import Client
from nats.js.api import StreamSource
from nats_world import Server, binary_of, connect, consume, eventually, everything, fill, next_of, run

from secondsite.backup.archive import MAGIC
from secondsite.backup.codec import Keys
from secondsite.backup.digesting import Archived
from secondsite.backup.inventory import take_inventory
from secondsite.backup.layout import proof_key
from secondsite.backup.manifest import BackupManifest, StoredObject, from_json
from secondsite.backup.objects import Reader
from secondsite.backup.progress import Silent
from secondsite.backup.proof import explain
from secondsite.backup.replace import Approved, Replaced, delete, delete_held_back, make_room
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.stream_restore import Work, is_there_already, prove, set_back
from secondsite.backup.target import Changes, fenced, held_back, mark_of
from secondsite.model.errors import InputError, MachineError
from secondsite.objects.address import StoreAddress, parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
Meanwhile = Callable[[], Awaitable[object]]


async def saved(server: Server, store: ObjectStorage, count: int = 20) -> tuple[Client, BackupManifest]:
    client = await connect(server.url)
    await fill(client, "S", count)
    return client, await run_backup(server.place, store, BackupPlan(streams=("S",)), Silent())


async def room(server: Server, manifest: BackupManifest, to: ObjectStorage, *, used: bool = True) -> Replaced | None:
    async with server.place.open() as jetstream:
        info = await jetstream.stream("S")
        assert info
        approved = Approved("S", str(info["created"]), used)
        return await make_room(server.place, jetstream, approved, "S", manifest, to)


class Between(ObjectStorage):
    """Something happens on the server after the streams were saved, right before their manifest is."""

    def __init__(self, address: StoreAddress, meanwhile: Meanwhile) -> None:
        super().__init__(address, make=True)
        self._where, self._meanwhile = address, meanwhile

    def below(self, prefix: str) -> ObjectStorage:
        return Between(evolve(self._where, container=f"{self._where.container}/{prefix}"), self._meanwhile)

    async def create(self, key: str, content: bytes) -> None:
        if key.endswith("manifest.json"):
            await self._meanwhile()
        await super().create(key, content)


def test_what_happens_behind_the_fence_is_seen(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    """Whoever gives the stream subjects again, or makes it anew, finds it there, and open."""
    server = start()
    address = parse_store(f"file://{tmp_path / 'other'}")

    async def work() -> None:
        client, manifest = await saved(server, store)
        jetstream = client.jetstream()

        async def written() -> None:
            [subject] = (await jetstream.stream_info("S")).config.subjects or [""]
            await jetstream.publish(subject, b"behind the fence")

        async def made_anew() -> None:
            await jetstream.delete_stream("S")
            await jetstream.add_stream(name="S", subjects=["new.>"])

        async def deleted() -> None:
            await jetstream.delete_stream("S")

        for meanwhile, told, left in (
            (
                written,
                r"the stream S received writes while it was saved, despite its fence; find out who gives it subjects",
                21,
            ),
            (made_anew, r"the stream S was replaced in the meantime; run again", 0),
        ):
            with pytest.raises(MachineError, match=told):
                await room(server, manifest, Between(address, meanwhile))
            info = await jetstream.stream_info("S")
            assert (info.state.messages, info.config.subjects) == (left, ["s.>"])
            assert not [key for key in info.config.metadata or {} if key.startswith("secondsite.")]
        await jetstream.publish("s.1", b"in use")
        with pytest.raises(MachineError, match=r"S is still fenced.*\(10059\)\); restore with --overwrite S"):
            await room(server, manifest, Between(address, deleted))

    run(work())


class Losing(ObjectStorage):
    """Takes an archive, and keeps the half of it."""

    async def write(self, key: str, *arguments: Any) -> None:
        await super().write(key, *arguments)
        if "stream.arc" in key and self._folder:
            path = self._folder / key
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def below(self, prefix: str) -> ObjectStorage:
        return Losing(evolve(self._address, container=f"{self._address.container}/{prefix}"), make=True)


def test_what_cannot_be_saved_is_not_deleted(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    server, bad = start(), Losing(parse_store(f"file://{tmp_path / 'bad'}"), make=True)

    async def work() -> None:
        client, manifest = await saved(server, store)
        before = await everything(client, "S")
        with pytest.raises(MachineError) as refused:
            await room(server, manifest, bad)
        (problem,) = refused.value.problems
        assert str(problem.place).startswith(f"file://{tmp_path}/bad/replaced/")
        assert problem.what.startswith("S is not overwritten: holds ")
        assert problem.remedy.endswith("give a store to save it to (--save-to URL), or delete it yourself")
        assert await everything(client, "S") == before
        assert (await client.jetstream().publish("s.1", b"and it goes on")).seq == 21

    run(work())


def test_an_empty_one_goes_at_once_and_a_fence_of_before_is_no_obstacle(start: Any, store: ObjectStorage) -> None:
    server = start()

    async def work() -> None:
        client, manifest = await saved(server, store)
        jetstream = client.jetstream()
        await jetstream.delete_stream("S")
        await jetstream.add_stream(name="S", subjects=["s.>"])
        assert await room(server, manifest, store, used=False) is None
        async with server.place.open() as asked:
            assert await asked.stream("S") is None
            await delete(asked, "S")  # a second time is no error
            assert await delete_held_back(asked, "S") is False
            config = {"name": "S", "subjects": ["s.>"], "storage": "file"}
            await asked.ask("STREAM.CREATE.S", fenced(config, manifest.id))  # a run that was killed left it so
            saved_now = await room(server, manifest, store)
            assert saved_now is None
            assert await asked.stream("S") is None
            await asked.ask("STREAM.CREATE.S", config)
            assert await delete_held_back(asked, "S") is False
            await asked.ask("STREAM.UPDATE.S", held_back(config, manifest.id))
            assert await delete_held_back(asked, "S") is True
            assert await asked.stream("S") is None

    run(work())


def test_a_restore_without_a_proof_says_what_it_counted(start: Any, store: ObjectStorage) -> None:
    server = start()

    async def work() -> None:
        client, manifest = await saved(server, store)
        await client.jetstream().delete_stream("S")
        (outcome,) = await run_restore(server.place, store, manifest, RestorePlan(prove=False), Silent())
        assert (outcome.ok, outcome.proof.verdict, outcome.messages) == (True, "unproven", 20)
        assert outcome.proof.why == "counts and sequences are the same; the messages were not compared"
        other = evolve(manifest, streams=(evolve(manifest.streams[0], messages=25, last_seq=25),))
        await client.jetstream().delete_stream("S")
        (outcome,) = await run_restore(server.place, store, other, RestorePlan(prove=False), Silent())
        assert (outcome.proof.verdict, outcome.messages) == ("unproven", 20)
        assert outcome.proof.why == "25 messages 1-25 were counted when the backup began"

    run(work())


async def work_of(reader: Reader, *, prove: bool = True) -> Work:
    (stream,) = reader.manifest.streams
    backup = await reader.document(stream, "backup.json")
    consumers = await reader.document(stream, "consumers.json")
    return Work(stream, backup["config"], backup, tuple(consumers or ()), prove)


def rewritten(folder: Path, manifest: BackupManifest, file: str, content: bytes) -> BackupManifest:
    """The same backup, had it been written so."""
    (stream,) = manifest.streams
    path = folder / (stream.archive.key if file == "archive" else stream.document(file).key)
    path.write_bytes(content)
    told = StoredObject(str(path.relative_to(folder)), len(content), hashlib.sha256(content).hexdigest())
    if file == "archive":
        return evolve(manifest, streams=(evolve(stream, archive=told),))
    documents = tuple(told if found.key == told.key else found for found in stream.documents)
    return evolve(manifest, streams=(evolve(stream, documents=documents),))


def test_an_archive_that_cannot_be_digested_proves_nothing(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    server = start()

    async def work() -> None:
        _, manifest = await saved(server, store)
        async with server.place.open() as jetstream:
            whole = Reader(store, manifest, Keys())
            there = await is_there_already(jetstream, whole, await work_of(whole))
            assert there
            assert there.digest.count == 20
            archived = Archived(lambda: whole.plain(manifest.streams[0].archive, ()))
            told = await explain(jetstream, {"name": "S"}, there.digest, there.digest, archived)
            assert (told.verdict, told.sha256) == ("equal", there.digest.sha256)
            changed = rewritten(tmp_path / "backups", manifest, "archive", b"written so, and no archive")
            reader = Reader(store, changed, Keys())
            known = await work_of(reader)
            assert await is_there_already(jetstream, reader, known) is None
            proof, sent = await prove(jetstream, reader, known, None)
            assert (proof.verdict, proof.messages, sent) == ("unproven", 20, None)
            assert proof.why == "the messages could not be read: not an S2 stream"

    run(work())


@pytest.mark.parametrize("at", [18, 19])  # the length that a block says it has, and its first tag
def test_a_damaged_archive_whose_consumers_are_put_right_is_named(
    at: int, start: Any, store: ObjectStorage, tmp_path: Path
) -> None:
    """That of a stream with three replicas, onto one server, as `backup verify` does: read before it is checked."""
    server, target = start("source"), start("target")

    async def work() -> None:
        _, manifest = await saved(server, store)
        reader = Reader(store, manifest, Keys())
        backup = await reader.document(manifest.streams[0], "backup.json")
        three = json.dumps({**backup, "config": {**backup["config"], "num_replicas": 3}}).encode()
        manifest = rewritten(tmp_path / "backups", manifest, "backup.json", three)
        path = tmp_path / "backups" / manifest.streams[0].archive.key
        data = bytearray(path.read_bytes())
        data[at] ^= 0xFF
        path.write_bytes(data)
        plan = RestorePlan(changes=Changes(detached=True))
        (outcome,) = await run_restore(target.place, store, manifest, plan, Silent())
        assert f"{manifest.streams[0].archive.key}: corrupted: its SHA-256 is " in outcome.error
        assert outcome.remedy.startswith("use another backup")

    run(work())


def test_where_sources_had_come_to_is_not_guessed(start: Any, store: ObjectStorage) -> None:
    """Opened without that, the stream would source everything a second time."""
    server, target = start("source", binary_of("2.12.8")), start("target")

    async def work() -> None:
        client, other = await connect(server.url), await connect(target.url)
        await fill(client, "O", 20)
        await client.jetstream().add_stream(name="S", sources=[StreamSource(name="O")])

        async def sourced() -> bool:
            return (await client.jetstream().stream_info("S")).state.messages == 20

        await eventually(sourced, "it has sourced")
        manifest = await run_backup(server.place, store, BackupPlan(streams=("S",)), Silent())
        other_count = evolve(manifest, streams=(evolve(manifest.streams[0], messages=25),))
        (outcome,) = await run_restore(target.place, store, other_count, RestorePlan(), Silent())
        assert outcome.error.endswith(
            "stream.tar.s2: corrupted: the archive shows 20 messages where 25 were counted: "
            "the positions of its sources are unknown, so it is fenced"
        )
        info = await other.jetstream().stream_info("S")
        assert (info.state.messages, info.config.sources, mark_of(info.config.as_dict())) == (20, None, manifest.id)
        (outcome,) = await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        assert (outcome.ok, outcome.proof.verdict) == (True, "equal")

    run(work())


def test_a_consumer_that_stands_further_back_goes_on_where_it_had_acknowledged(
    start: Any, store: ObjectStorage
) -> None:
    server = start()

    async def work() -> None:
        client = await connect(server.url)
        await fill(client, "S", 20)
        await consume(client, "S", "c", 8)
        await consume(client, "S", "gone", 2)
        manifest = await run_backup(server.place, store, BackupPlan(), Silent())
        jetstream = client.jetstream()
        await jetstream.delete_consumer("S", "gone")
        await jetstream.delete_consumer("S", "c")
        await consume(client, "S", "c", 3)
        known = await work_of(Reader(store, manifest, Keys()))
        async with server.place.open() as asked:
            assert await set_back(asked, known, ("gone",)) == ()
            assert await set_back(asked, known, ("c", "gone")) == ("c",)
        assert await next_of(client, "S", "c") == 9

    run(work())


def test_what_no_stream_matches_is_refused_before_anything_is_written(start: Any, store: ObjectStorage) -> None:
    server = start()

    async def work() -> None:
        _, manifest = await saved(server, store)
        for plan, told in (
            (
                BackupPlan(streams=("T",)),
                ("--stream: no stream T; check the account and domain; list streams with: nats stream ls"),
            ),
            (
                BackupPlan(streams=("T*",)),
                ("--stream: no stream matches; check the account and domain; list streams with: nats stream ls"),
            ),
            (
                BackupPlan(exclude=("S",)),
                ("--stream: no stream matches; check the account and domain; list streams with: nats stream ls"),
            ),
        ):
            with pytest.raises(InputError) as refused:
                await run_backup(server.place, store, plan, Silent())
            assert str(refused.value).startswith(told)
        inventory = await take_inventory(store)
        assert (inventory.readable, inventory.incomplete) == ((manifest,), ())

    run(work())


def test_streams_that_are_gone_make_a_backup_suspicious(start: Any, store: ObjectStorage) -> None:
    server = start()

    async def work() -> None:
        client, _ = await saved(server, store)
        await fill(client, "B", 2)
        both = await run_backup(server.place, store, BackupPlan(), Silent())
        await client.jetstream().delete_stream("B")
        less = await run_backup(server.place, store, BackupPlan(), Silent())
        assert less.suspicious == (f"{both.id} holds streams that are gone: B",)
        asked = await run_backup(server.place, store, BackupPlan(streams=("S",)), Silent())
        assert asked.suspicious == ()

    run(work())


def test_a_store_that_shows_less_than_was_sent_holds_no_backup(start: Any, tmp_path: Path) -> None:
    server, store = start(), Losing(parse_store(f"file://{tmp_path / 'backups'}"), make=True)
    with pytest.raises(MachineError, match=r"stream.arc.s2: holds \d+ bytes where \d+ were written; check who else"):
        run(saved(server, store))
    inventory = run(take_inventory(store))
    assert (inventory.entries, inventory.incomplete) == ((), ())


@pytest.mark.parametrize(("compression", "codecs"), [("zstd", ("zstd", "age")), ("none", ("age",))])
def test_archives_are_compressed_before_they_are_encrypted(
    compression: Any, codecs: tuple[str, ...], start: Any, store: ObjectStorage
) -> None:
    server, identity = start(), pyrage.x25519.Identity.generate()
    keys = Keys((str(identity.to_public()),), (identity,))

    async def work() -> None:
        client = await connect(server.url)
        await fill(client, "S", 20)
        made = await run_backup(server.place, store, BackupPlan(keys=keys, compression=compression), Silent())
        (stream,) = made.streams
        assert (stream.codecs, stream.document_codecs) == (codecs, ("age",))
        reader = Reader(store, from_json(await store.read(f"{made.id}/manifest.json"), made.id, "x"), keys)
        plain = b"".join([piece async for piece in reader.plain(stream.archive, stream.codecs)])
        assert MAGIC in plain[:64]
        assert MAGIC not in await store.read(stream.archive.key)

    run(work())


def test_two_proofs_of_one_second_are_two_in_the_order_of_time() -> None:
    """A backup that was verified twice in a second, on two releases, had its second proof refused."""
    first = datetime(2026, 11, 24, 1, 0, 0, 999_998, tzinfo=UTC)
    keys = [proof_key("b", first + timedelta(microseconds=more)) for more in range(4)]
    assert len(set(keys)) == 4
    assert keys == sorted(keys)
