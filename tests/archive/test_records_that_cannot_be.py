"""What whoever may write to the store could have written: each part that cannot be is told, and nothing comes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pyrage
import pytest
from attrs import evolve
from made_archive import BEGIN_NS, CONFIG, LIFE, SECOND_NS, MadeArchive

from secondsite.archive.chain import Chain, details_of, details_text, read_head
from secondsite.archive.check import verify_archive
from secondsite.archive.entries import moment
from secondsite.archive.layout import BASES, BUNDLES, base_key, bundle_key, index_key
from secondsite.archive.plausible import MAX_STORED_BYTES, details_flaw, flaw
from secondsite.archive.records import (
    ArchiveSegment,
    Base,
    Checkpoint,
    DamagedArchiveError,
    StreamCheckpoint,
    StreamDetails,
    to_json,
)
from secondsite.archive.sealed import (
    MAX_PLAIN_BYTES,
    SealError,
    seal,
    seal_text,
    stored_bytes,
    unseal,
    unseal_text,
    unsealed,
)
from secondsite.archive.source import Asked, choose_source
from secondsite.archive.travel import BeforeArchiveError, Wanted, reader_of, travel
from secondsite.backup.archive import entry
from secondsite.backup.codec import Keys
from secondsite.backup.digesting import DigestError
from secondsite.backup.objects import BrokenObjectError
from secondsite.backup.signing import ANYBODY, Trust
from secondsite.backup.stream_restore import Work, digest_backup
from secondsite.model.errors import InputError
from secondsite.objects.store import ObjectStorage

SEGMENT = ArchiveSegment("packs/000000000001-0123abcd/ORDERS/1-9.seg.zst", 9, "", 9, 9, 1, 9, 1, 9, ("zstd",))
STREAM = StreamCheckpoint("ORDERS", LIFE, 1, 9, 1, 9, 9, 0, 0, (SEGMENT,))
CHECKPOINT = Checkpoint(1, "", "", 1, "", "", "", "", (), (STREAM,), (), (), "")
BASE = Base(1, "", 1, "", "", (), (), (STREAM,), "")
FLOOR = {"name": "c", "config": {}, "ack_floor": {"stream_seq": 3}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": "index/000000000001.json"}, "is not a segment of an archive"),
        ({"key": "packs/000000000001-0123abcd/../x"}, "is not a segment of an archive"),
        ({"first_seq": 0}, "ends before it begins"),
        ({"first_seq": 10}, "ends before it begins"),
        ({"last_seq": 2**64}, "ends before it begins"),
        ({"first_ns": -1}, "a segment's time"),
        ({"last_ns": 2**63}, "a segment's time"),
        ({"messages": 0}, "more messages than sequences"),
        ({"messages": 10}, "more messages than sequences"),
        ({"size_bytes": MAX_STORED_BYTES + 1}, "larger than one can be"),
        ({"plain_bytes": MAX_PLAIN_BYTES + 1}, "larger than one can be"),
        ({"codecs": ("rot13",)}, "has an unknown encoding"),
    ],
)
def test_a_segment_that_cannot_be(changes: dict[str, Any], why: str) -> None:
    stream = evolve(STREAM, segments=(evolve(SEGMENT, **changes),))
    assert why in flaw(evolve(CHECKPOINT, streams=(stream,)))
    assert why in flaw(evolve(BASE, former=(stream,)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"life": "yesterday"}, "the stream's creation time"),
        ({"life": "2023-11-14T22:13:20Z#one"}, "the stream's creation time"),
        ({"life": "2023-11-14T22:13:20Z#" + "9" * 5000}, "the stream's creation time"),
        ({"life": "2023-99-14T22:13:20Z#1"}, "the stream's creation time"),
        ({"at_ns": -1}, "its time is impossible"),
        ({"vanished": -1}, "a sequence or a count"),
        ({"through": 2**64}, "a sequence or a count"),
    ],
)
def test_a_stream_that_cannot_be(changes: dict[str, Any], why: str) -> None:
    assert why in flaw(evolve(CHECKPOINT, streams=(evolve(STREAM, **changes),)))
    assert "its time is impossible" in flaw(evolve(CHECKPOINT, at_ns=2**63))
    assert flaw(CHECKPOINT) == flaw(BASE) == ""


@pytest.mark.parametrize(
    ("details", "why"),
    [
        (StreamDetails(all_gone=((5, 3),)), "a span of deleted messages"),
        (StreamDetails(newly_gone=((1, 2, 3),)), "a span of deleted messages"),
        (StreamDetails(config={"max_msgs": "many"}), "a limit is not a number"),
        (StreamDetails(config={"max_bytes": True}), "a limit is not a number"),
        (StreamDetails(consumers=({"name": "c"},)), "a consumer is none"),
        (StreamDetails(consumers=({**FLOOR, "config": None},)), "a consumer is none"),
        (StreamDetails(consumers=({**FLOOR, "ack_floor": {"stream_seq": "3"}},)), "a consumer is none"),
    ],
)
def test_details_that_cannot_be(details: StreamDetails, why: str) -> None:
    assert f"ORDERS: {why}" in details_flaw({"ORDERS": details})
    assert details_flaw({"ORDERS": StreamDetails(consumers=(FLOOR,), config={"max_msgs": -1})}) == ""


def test_what_cannot_be_opened_says_why() -> None:
    key, stranger = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    keys = Keys((str(key.to_public()),), (key,))
    sealed = seal(b"x" * 100, keys)
    assert b"".join(unsealed(sealed, ("zstd", "age"), keys)) == b"x" * 100
    assert b"".join(unsealed(b"plain", (), Keys())) == b"plain"
    with pytest.raises(SealError, match="none of the given identities"):
        unseal(sealed, ("zstd", "age"), Keys((), (stranger,)))
    for broken in (sealed[:-1], sealed[:40]):
        with pytest.raises(SealError):
            list(unsealed(broken, ("zstd", "age"), keys))
    packed = seal(b"y" * 10**6, Keys())
    for broken in (packed[:-1], packed + b"more", b"nothing"):
        with pytest.raises(SealError):
            list(unsealed(broken, ("zstd",), Keys()))
        with pytest.raises(SealError):
            unseal(broken, ("zstd",), Keys())
    with pytest.raises(SealError, match="not base64"):
        unseal_text("?", Keys(), encrypted=False)


def test_a_few_kilobytes_that_unpack_to_more_than_a_segment_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondsite.archive.sealed.MAX_PLAIN_BYTES", 10**6)
    monkeypatch.setattr("secondsite.archive.sealed.PIECE_BYTES", 10**5)
    held: list[int] = []

    def read() -> None:
        held.extend(len(piece) for piece in unsealed(seal(bytes(10**8), Keys()), ("zstd",), Keys()))

    with pytest.raises(SealError, match="too large"):
        read()
    assert sum(held) <= 1.2 * 10**6


def test_a_stored_segment_that_is_another(store: ObjectStorage) -> None:
    async def work() -> None:
        segment = await MadeArchive(store).segment(1, 9)
        assert len(await stored_bytes(store, segment)) == segment.size_bytes
        for other, why in (
            (evolve(segment, key="packs/none"), "missing"),
            (evolve(segment, size_bytes=segment.size_bytes - 1), "corrupted: it is larger"),
            (evolve(segment, size_bytes=segment.size_bytes + 1), "truncated"),
            (evolve(segment, sha256="0"), "corrupted: its SHA-256"),
        ):
            with pytest.raises(DamagedArchiveError, match=why):
                await stored_bytes(store, other)

    asyncio.run(work())


def test_details_that_cannot_be_read(store: ObjectStorage) -> None:
    key = pyrage.x25519.Identity.generate()
    locked = evolve(CHECKPOINT, recipients=(str(key.to_public()),))
    for keys, given in ((Keys(), "you gave no key"), (Keys((), (pyrage.x25519.Identity.generate(),)), "the wrong key")):
        with pytest.raises(InputError, match=given):
            details_of(locked, keys, "here")
    for text in ("?", seal_text(b"[]", Keys()), seal_text(b'{"ORDERS": {"config": 3}}', Keys())):
        with pytest.raises(DamagedArchiveError, match="cannot be read"):
            details_of(evolve(CHECKPOINT, details=text), Keys(), "here")
    cannot = seal_text(details_text({"ORDERS": {"all_gone": [[5, 3]]}}), Keys())
    with pytest.raises(DamagedArchiveError, match="a span of deleted"):
        details_of(evolve(CHECKPOINT, details=cannot), Keys(), "here")
    assert details_of(CHECKPOINT, Keys(), "here") == {}


async def _named(store: ObjectStorage, trust: Trust = ANYBODY) -> str:
    with pytest.raises(InputError) as refused:
        await read_head(await Chain(store, trust).read())
    return str(refused.value)


def test_a_chain_that_was_tampered_with(store: ObjectStorage) -> None:
    async def work() -> None:
        assert await read_head(await Chain(store).read()) is None
        made = MadeArchive(store)
        await made.checkpoint(10, await made.segment(1, 5))
        await made.checkpoint(20, await made.segment(6, 9))
        head = await read_head(await Chain(store).read())
        assert head is not None
        assert (head.number, head.ends["ORDERS"][0]) == (2, 9)
        assert (await Chain(store).read()).newest_key == index_key(2)
        stranger = Trust(frozenset({"somebody"}))
        assert "is rejected from here on" in await _named(store, stranger)
        await made.checkpoint(30, previous="of another chain")
        assert "does not match the previous checkpoint" in await _named(store)
        await store.delete([index_key(3)])
        made.number, made.previous = 2, head.sha256
        await made.checkpoint(-(10**12), number=3)
        assert "its time is impossible" in await _named(store)
        await store.delete([index_key(1), index_key(3)])
        assert "missing" in await _named(store)

    asyncio.run(work())


def test_bundles_and_bases_that_were_tampered_with(store: ObjectStorage) -> None:
    async def work() -> None:
        made = MadeArchive(store)
        await made.checkpoint(10, await made.segment(1, 5))
        raw = await store.read(index_key(1))
        await store.create(f"{BUNDLES}/nothing.zst", b"")
        await store.create(bundle_key(1, 1), seal(raw, Keys()))
        await made.checkpoint(20, await made.segment(6, 9))
        await store.delete([index_key(1)])
        head = await read_head(await Chain(store).read())
        assert head is not None
        assert head.number == 2
        await store.delete([bundle_key(1, 1)])
        await store.create(bundle_key(1, 1), b"nothing that zstd knows")
        assert "corrupted" in await _named(store)
        base = Base(2, made.previous, BEGIN_NS + 20 * SECOND_NS, "c", "", (), (), (), "")
        await store.create(base_key(2), to_json(base, None))
        await store.delete([index_key(2)])
        chain = await Chain(store).read()
        assert (chain.newest_key, chain.head, chain.bases) == (base_key(2), 2, (2,))
        await store.create(f"{BASES}/nothing.json", b"")
        await store.create(base_key(3), to_json(base, None))
        assert "swapped: it is number 2" in await _named(store)

    asyncio.run(work())


def test_a_moment_that_an_archive_does_not_hold(store: ObjectStorage) -> None:
    def at(second: int) -> Wanted:
        return Wanted(moment(BEGIN_NS + second * SECOND_NS))

    async def work() -> None:
        with pytest.raises(InputError, match="no archive found"):
            await travel(await Chain(store).read(), Keys(), Wanted())
        made = MadeArchive(store)
        await made.checkpoint(10, await made.segment(1, 5))
        await made.checkpoint(20, await made.segment(6, 9))
        chain = await Chain(store).read()
        with pytest.raises(BeforeArchiveError, match="is before the archive; it begins at"):
            await travel(chain, Keys(), at(-5))
        with pytest.raises(InputError, match="has no stream NONE"):
            await travel(chain, Keys(), at(15), ("NONE",))
        for wanted in (Wanted(None, "ORDERS", 10), Wanted(None, "NONE", 1)):
            with pytest.raises(InputError, match="was shipped"):
                await travel(chain, Keys(), wanted)
        for wanted, last in ((Wanted(None, "ORDERS", 5), 5), (at(10), 9), (at(99), 9)):
            (cut,) = (await travel(chain, Keys(), wanted)).cuts
            assert cut.last == last
        (cut,) = (await travel(chain, Keys(), Wanted(None, "ORDERS", 7), ("ORDERS",))).cuts
        assert (cut.last, cut.messages) == (7, 7)
        await made.checkpoint(8, life=LIFE.replace("#1", "#2"))
        with pytest.raises(InputError, match="was recreated since that message"):
            await travel(await Chain(store).read(), Keys(), Wanted(None, "ORDERS", 9))

    asyncio.run(work())


def test_segments_that_do_not_hold_what_is_said_of_them(store: ObjectStorage) -> None:
    async def work() -> None:
        made = MadeArchive(store)
        good = await made.segment(1, 5)
        other = await made.segment_of(entry(b"a", 1, 6, b"", b""), 6, 9)
        broken = await made.segment_of(b"\xff" * 60, 10, 12)
        over = evolve(good, first_seq=3, key=good.key)
        await made.checkpoint(20, good, other, broken)
        told = (await verify_archive(await Chain(store).read(), Keys())).problems
        assert [("its messages are not those" in one, "it was written so" in one) for one in told] == [
            (True, True),
            (False, True),
        ]
        await made.checkpoint(30, evolve(over, messages=3))
        told = (await verify_archive(await Chain(store).read(), Keys())).problems
        assert len(told) == 3
        reader = reader_of(
            chain := await Chain(store).read(), Keys(), await travel(chain, Keys(), Wanted(None, "ORDERS", 4))
        )
        stored = reader.manifest.streams[0].archive
        await store.delete([good.key])
        with pytest.raises(BrokenObjectError, match="missing"):
            [piece async for piece in reader.plain(stored, ())]
        with pytest.raises(BrokenObjectError, match="missing"):
            [piece async for piece in reader.entries(stored)]
        assert "missing" in str(await reader.unreadable(stored, "why"))

    asyncio.run(work())


def test_an_archive_that_shows_less_than_it_says_proves_nothing(store: ObjectStorage) -> None:
    """What is sent and what it is compared with come from the same segments: that they agree is not enough."""

    async def work() -> None:
        made = MadeArchive(store)
        raw = [entry(b"orders.a", BEGIN_NS + number, number, b"", b"") for number in range(1, 6)]
        for segment, count in ((await made.segment(1, 9), 9), (await made.segment_of(b"".join(raw), 1, 8), 5)):
            await made.checkpoint(20 + made.number, segment, life=LIFE.replace("#1", f"#{made.number + 1}"))
            chain = await Chain(store).read()
            reader = reader_of(chain, Keys(), await travel(chain, Keys(), Wanted()))
            (stream,) = reader.manifest.streams
            asked = Work(stream, {"name": "ORDERS"}, {"config": CONFIG}, (), prove=True)
            if count == stream.messages:
                assert (await digest_backup(reader, asked)).digest.count == count
                continue
            with pytest.raises(DigestError, match="shows 5 messages where 8 were counted"):
                await digest_backup(reader, asked)

    asyncio.run(work())


def test_what_a_restore_brings_back_from(store: ObjectStorage) -> None:
    async def work() -> None:
        for asked, why in (
            (Asked(at_sequence="ORDERS=3", backup="x"), "excludes the other two"),
            (Asked(at_sequence="ORDERS"), "is not STREAM=N"),
            (Asked(at_sequence="ORDERS=3"), "no archive found"),
            (Asked(), "no"),
        ):
            with pytest.raises(InputError, match=why):
                await choose_source(store, Keys(), ANYBODY, asked)
        made = MadeArchive(store.below("archive"))
        await made.checkpoint(10, await made.segment(1, 5))
        source = await choose_source(store, Keys(), ANYBODY, Asked())
        assert "archive at" in source.text
        with pytest.raises(BeforeArchiveError):
            await choose_source(store, Keys(), ANYBODY, Asked(at=moment(BEGIN_NS - SECOND_NS)))
        late = await choose_source(store, Keys(), ANYBODY, Asked(at=moment(BEGIN_NS + 99 * SECOND_NS)))
        assert "it ends at" in late.text
        early = await choose_source(store, Keys(), ANYBODY, Asked(at_sequence="ORDERS=3"))
        assert "before the first checkpoint" in early.text
        assert "the time of ORDERS=3" in early.text

    asyncio.run(work())
