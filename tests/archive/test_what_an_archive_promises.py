"""What an archive promised stays true: its keys, what it keeps, and the stream that it is of."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from attrs import evolve
from command import secondsite
from made_archive import MadeArchive
from moments import PLAIN, bring_back, now, ship
from nats_world import Server, connect, publish, run
from stream_kinds import facts

from secondsite.archive.chain import Chain, read_head
from secondsite.archive.check import verify_archive
from secondsite.archive.compact import CompactPlan, compact
from secondsite.archive.plan import ArchivePlan
from secondsite.archive.shipper import Shipper
from secondsite.archive.source import Asked, choose_source
from secondsite.archive.travel import Wanted
from secondsite.backup.codec import Keys
from secondsite.backup.signing import ANYBODY, of_identity
from secondsite.model.errors import InputError
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENTS = (str(IDENTITY.to_public()),)
SEALED = ArchivePlan(keys=Keys(RECIPIENTS), signing=of_identity(IDENTITY))
OWN = Keys(RECIPIENTS, (IDENTITY,))


async def _orders(url: str, *others: str) -> Any:
    client = await connect(url)
    for name in ("ORDERS", *others):
        await client.jetstream().add_stream(name=name, subjects=[f"{name.lower()}.>"])
        await publish(client, name, 5)
    return client


def _objects(tmp_path: Path) -> set[Path]:
    return {path for path in (tmp_path / "archive").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("less", "why"),
    [
        (evolve(SEALED, signing=None), "is signed .* this run has no --sign; give --sign FILE"),
        (evolve(SEALED, keys=Keys()), f"is encrypted for {RECIPIENTS[0]}, and this run has no --recipient"),
    ],
    ids=["unsigned", "plain"],
)
def test_nothing_less_protected_is_written_to_it(
    start: Any, store: ObjectStorage, tmp_path: Path, less: ArchivePlan, why: str
) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await _orders(source.url), await connect(target.url)
        await ship(source.place, store, SEALED)
        await publish(client, "ORDERS", 5)
        before = _objects(tmp_path)
        with pytest.raises(InputError, match=why):
            await ship(source.place, store, less)
        opened = evolve(less, keys=evolve(less.keys, identities=(IDENTITY,)))
        with pytest.raises(InputError, match=why):
            await compact(store, CompactPlan(opened), 2**62, await Chain(store).read())
        assert _objects(tmp_path) == before
        await ship(source.place, store, SEALED)
        await bring_back(target.place, store, keys=OWN)
        assert await facts(other, "ORDERS") == await facts(client, "ORDERS")

    run(work())


def test_compact_signs_only_what_its_own_key_signed(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    source = start("source")
    key, to = tmp_path / "key.txt", f"file://{tmp_path}"
    key.write_text(f"{IDENTITY}\n")

    async def work() -> None:
        client = await _orders(source.url)
        await ship(source.place, store)
        await client.close()

    run(work())
    _, errors = secondsite("archive", "compact", "--from", to, "--sign", str(key), code=2)
    assert "this archive is rejected from here on: it is not signed" in " ".join(errors.split())
    _, errors = secondsite("archive", "--nats", source.url, "--to", to, "--once", "--sign", str(key), code=2)
    assert "start a new archive at another prefix" in " ".join(errors.split())
    assert not (tmp_path / "archive" / "bases").exists()
    secondsite("archive", "compact", "--from", to, "--sign", str(key), "--allow", "unsigned")


async def _compacted(store: ObjectStorage, oldest: datetime) -> None:
    now_ns = int(oldest.timestamp() * 10**9) + 10**9
    await compact(store, CompactPlan(PLAIN, timedelta(seconds=1)), now_ns, await Chain(store).read())


def test_a_stream_that_stood_still_is_kept_until_it_is_gone_long_enough(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await _orders(source.url, "IDLE"), await connect(target.url)
        await ship(source.place, store)
        at, expected = now(), await facts(client, "IDLE")
        await client.jetstream().delete_stream("IDLE")
        await ship(source.place, store)
        for _ in range(2):
            await _compacted(store, at)
            await bring_back(target.place, store, Wanted(at), streams=("IDLE",))
            assert await facts(other, "IDLE") == expected
            await other.jetstream().delete_stream("IDLE")
            await publish(client, "ORDERS", 5)
            await ship(source.place, store)

    run(work())


def test_what_was_given_up_does_not_come_back_empty(start: Any, store: ObjectStorage) -> None:
    """The checkpoints of that time are still there: nothing else tells that its messages are not."""
    source, target = start("source"), start("target")

    async def work() -> None:
        client = await _orders(source.url, "IDLE")
        await ship(source.place, store)
        at = now()
        await client.jetstream().delete_stream("IDLE")
        await ship(source.place, store)
        await _compacted(store, now())
        with pytest.raises(
            InputError, match="IDLE of that time is no longer in the archive: compact --keep has deleted"
        ):
            await bring_back(target.place, store, Wanted(at))
        assert await bring_back(target.place, store, Wanted(at), streams=("ORDERS",))

    run(work())


def test_a_server_that_went_on_from_an_older_disk_is_shipped_again(
    start: Any, store: ObjectStorage, tmp_path: Path
) -> None:
    """The archiver's own connection may be to another server of the cluster, and stay."""
    source, target = start("source"), start("target")

    async def written(server: Server, count: int) -> Any:
        client = await connect(server.url)
        await publish(client, "ORDERS", count, headers=True)
        return client

    async def work() -> None:
        await (await _orders(source.url)).close()
        source.kill()
        shutil.copytree(source.folder / "store", tmp_path / "servers" / "older" / "store")
        source.start()
        await (await written(source, 3)).close()
        shipper = Shipper(store, PLAIN, await read_head(await Chain(store).read()))
        async with source.place.open() as jetstream:
            assert (await shipper.once(jetstream, "")).messages == 8
        older = start("older")
        client = await written(older, 7)
        async with older.place.open() as jetstream:
            assert (await shipper.once(jetstream, "")).messages == 12
            await shipper.close()
        await bring_back(target.place, store)
        assert await facts(await connect(target.url), "ORDERS") == await facts(client, "ORDERS")

    run(work())


def test_a_sequence_from_before_its_oldest_message_is_none(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client = await _orders(source.url)
        await client.jetstream().purge_stream("ORDERS", seq=4)
        await ship(source.place, store)
        for sequence in (0, 3):
            with pytest.raises(InputError, match=f"no message of ORDERS up to {sequence} is in .*its oldest is 4"):
                await bring_back(target.place, store, Wanted(None, "ORDERS", sequence))
        assert (await bring_back(target.place, store, Wanted(None, "ORDERS", 4)))["ORDERS"].ok

    run(work())


@pytest.mark.parametrize("holds", [False, True], ids=["without-the-stream", "with-one-of-its-name"])
def test_a_look_at_another_server_by_mistake_breaks_nothing(start: Any, store: ObjectStorage, holds: bool) -> None:
    """Two servers without a cluster, or two accounts of one, look alike to an archiver."""
    source, mistaken, target = start("source"), start("mistaken"), start("target")

    async def work() -> None:
        client, other = await _orders(source.url), await connect(target.url)
        await ship(source.place, store)
        before, said = (now(), await facts(client, "ORDERS")), list[str]()
        if holds:
            await _orders(mistaken.url)
        await ship(mistaken.place, store, evolve(PLAIN, report=said.append))
        assert said == ([] if holds else ["no longer there: ORDERS; what was shipped of it stays in the archive"])
        await publish(client, "ORDERS", 5)
        await ship(source.place, store)
        for _ in range(2):
            for at, expected in (before, (None, await facts(client, "ORDERS"))):
                await bring_back(target.place, store, Wanted(at))
                assert await facts(other, "ORDERS") == expected
                await other.jetstream().delete_stream("ORDERS")
            assert (await verify_archive(await Chain(store).read(), Keys())).problems == ()
            await compact(store, CompactPlan(PLAIN), 2**62, await Chain(store).read())

    run(work())


def test_compact_makes_nothing_of_segments_that_overlap(store: ObjectStorage) -> None:
    async def work() -> None:
        made = MadeArchive(store)
        await made.checkpoint(10, await made.segment(1, 5))
        await made.checkpoint(20, await made.segment(1, 10))
        with pytest.raises(InputError, match=r"1-10\.seg\.zst: it overlaps the segment before it"):
            await compact(store, CompactPlan(PLAIN), 2**62, await Chain(store).read())
        assert not await store.listing("bases")

    run(work())


def test_a_moment_without_a_stream_is_no_restore(start: Any, store: ObjectStorage) -> None:
    source = start("source")

    async def work() -> None:
        client = await _orders(source.url)
        await ship(source.place, store)
        await client.jetstream().delete_stream("ORDERS")
        await ship(source.place, store)
        whole = ObjectStorage(parse_store(store.shown.removesuffix("/archive")))
        with pytest.raises(InputError, match=r"the archive holds no stream; give an earlier .* as it held ORDERS"):
            await choose_source(whole, Keys(), ANYBODY, Asked())

    run(work())


def test_a_time_typed_as_it_is_printed_is_that_moment(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    """To the nanosecond: messages of one burst are a microsecond apart."""
    source, target, to = start("source"), start("target"), f"file://{tmp_path}"

    async def work() -> None:
        client = await connect(source.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await ship(source.place, store)
        await publish(client, "ORDERS", 10)
        await ship(source.place, store)

    async def last(url: str) -> int:
        return int((await (await connect(url)).jetstream().stream_info("ORDERS")).state.last_seq)

    run(work())
    lines = [line.split() for line in secondsite("archive", "after", "ORDERS=1", "--from", to)[0].splitlines()]
    period = secondsite("archive", "verify", "--from", to, "--no-restore")[0].splitlines()[1].split()
    restore = ("restore", "--nats", target.url, "--from", to, "--overwrite", "ORDERS")
    for moment, sequence in ((lines[3][1], int(lines[3][0])), (period[0], 0)):
        secondsite(*restore, "--at", moment)
        assert run(last(target.url)) == sequence
