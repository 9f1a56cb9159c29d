"""One stream from the store into a server, and the proof that it is the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from attrs import evolve, frozen

from secondsite.backup.archive import NATSARC_FILE, ArchiveError
from secondsite.backup.consumer_edit import ConsumerEdit, edited
from secondsite.backup.digest import Digest, width_for
from secondsite.backup.digesting import Archived, Digested, DigestError
from secondsite.backup.frames import Framed
from secondsite.backup.manifest import StoredObject, StreamBackup
from secondsite.backup.objects import Reader
from secondsite.backup.passing import NOTHING_PASSED, Passed, PassingDigest
from secondsite.backup.progress import Progress
from secondsite.backup.proof import RestoreProof, digest_stream, equal, explain, frame_stream
from secondsite.backup.s2 import S2Error, S2Meter
from secondsite.backup.target import held_back
from secondsite.nats.jetstream import JetStream, Json
from secondsite.nats.restore import restore_stream

SETTLE_S = 20.0
LASTING_NS = 60 * 10**9  # consumers that go after less without a client are their clients'


@frozen
class Work:
    """``final`` is the configuration the stream is to have; ``prove`` asks for the digest over messages."""

    stream: StreamBackup
    final: dict[str, Any]
    backup: Json
    consumers: tuple[Json, ...]
    prove: bool

    @property
    def target(self) -> str:
        return str(self.final["name"])

    @property
    def old(self) -> bool:
        """Whether the archive is a tar of a server before 2.15, which may lack consumers."""
        return self.stream.archive_file != NATSARC_FILE

    @property
    def width(self) -> int:
        return width_for(self.stream.first_seq, self.stream.last_seq)


@frozen
class StreamOutcome:
    """What became of one stream. ``missing_consumers`` are durable ones that are not there, or stand further back.

    ``differences`` are fields of its configuration that the server did not take as they are. ``held_back``: it is
    there, and listens on a subject that nobody knows, as it is not what was saved.
    """

    stream: str
    target: str
    messages: int
    first_seq: int
    last_seq: int
    consumers: int
    missing_consumers: tuple[str, ...]
    proof: RestoreProof
    bytes: int
    transfer_s: float
    proof_s: float
    already_there: bool = False
    differences: tuple[str, ...] = ()
    held_back: bool = False
    notes: tuple[str, ...] = ()
    error: str = ""
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return not self.why_not

    @property
    def why_not(self) -> str:
        """What is wrong with it; empty where all is back."""
        reasons = [self.error] if self.error else []
        if self.proof.verdict == "differs":
            reasons.append(f"the messages differ {self.proof.why}".rstrip())
        if self.missing_consumers:
            reasons.append(f"consumers missing: {', '.join(self.missing_consumers)}")
        if self.differences:
            reasons.append(f"the configuration differs: {'; '.join(self.differences)}")
        if self.held_back and not reasons:
            reasons.append("it is fenced")
        return "; ".join(reasons)


def _archived(reader: Reader, work: Work) -> Archived:
    noted = {"sources": bool(work.final.get("sources")), "schedules": bool(work.final.get("allow_msg_schedules"))}
    stored, first = work.stream.archive, work.stream.first_seq if work.old else None
    if reader.entries(stored) is not None:
        return Archived(partial(_entries, reader, stored), first, **noted, framed=False)
    return Archived(partial(reader.plain, stored, work.stream.codecs), first, **noted)


def _entries(reader: Reader, stored: StoredObject) -> AsyncIterator[bytes]:
    entries = reader.entries(stored)
    assert entries is not None  # noqa: S101 # it was asked for
    return entries


async def digest_backup(reader: Reader, work: Work) -> Digested:
    """Read the archive for its digest only. Raises BrokenObjectError or DigestError."""
    archive = _archived(reader, work)
    archived = await archive.digest(work.width, work.stream.last_seq if work.old else None)
    _check_count(work, archived, exact=work.old or not archive.framed)
    return archived


def _check_count(work: Work, archived: Digested, *, exact: bool) -> None:
    """``exact``: not so a snapshot of 2.15, which goes on a little after it was counted. Raises DigestError."""
    if exact and archived.digest.count != work.stream.messages:
        raise DigestError(
            f"the archive shows {archived.digest.count} messages where {work.stream.messages} were counted"
        )


async def transfer(jetstream: JetStream, reader: Reader, work: Work, progress: Progress) -> Passed:
    """Send the archive; the stream is held back. Raises BrokenObjectError, RefusedError or RestoreCutError.

    What the archive holds, where that could be told as it passed.
    """
    progress.begin(work.target, work.stream.bytes)
    archive = _archived(reader, work)
    pieces = _metered(reader.plain(work.stream.archive, work.stream.codecs), work.target, progress)
    if not work.prove or work.old or archive.sources or archive.schedules:  # more work than passing by allows
        await _send(jetstream, reader, work, pieces)
        return NOTHING_PASSED
    async with aclosing(PassingDigest(archive, work.width)) as digest:
        await _send(jetstream, reader, work, digest.passing(pieces))
        passed = await digest.result()
    with suppress(DigestError):  # the proof will say it
        if passed.digested:
            _check_count(work, passed.digested, exact=not archive.framed)
        return passed
    return NOTHING_PASSED


async def _send(jetstream: JetStream, reader: Reader, work: Work, pieces: AsyncIterator[bytes]) -> None:
    edit = ConsumerEdit(int(work.final.get("num_replicas") or 1), work.consumers)
    fewer = edit.replicas < int(work.backup["config"].get("num_replicas") or 1)
    if fewer or work.old or edit.touches(tuple(info["config"] for info in work.consumers)):
        pieces = _put_right(pieces, edit, reader, work)
    await restore_stream(jetstream, held_back(work.final, reader.manifest.id), work.backup["state"], pieces)


async def _put_right(
    pieces: AsyncIterator[bytes], edit: ConsumerEdit, reader: Reader, work: Work
) -> AsyncIterator[bytes]:
    """It is decoded before its last byte has shown whether it is whole, so damage may come out as nonsense first."""
    try:
        async with aclosing(edited(pieces, edit, tar=work.old)) as closing:  # type: ignore[type-var] # an async generator
            async for piece in closing:
                yield piece
    except (ArchiveError, S2Error) as error:
        raise await reader.unreadable(work.stream.archive, str(error)) from None


async def _metered(pieces: AsyncIterator[bytes], name: str, progress: Progress) -> AsyncIterator[bytes]:
    meter = S2Meter()
    async with aclosing(pieces) as closing:  # type: ignore[type-var] # an async generator
        async for piece in closing:
            meter.feed(piece)
            progress.at(name, meter.decoded_bytes)
            yield piece


async def prove(
    jetstream: JetStream, reader: Reader, work: Work, sent: Digested | None, passed: Passed = NOTHING_PASSED
) -> tuple[RestoreProof, Digested | None]:
    """Compare what the server holds with the archive, both read for it, at once; ``sent`` saves the archive's part.

    What ``passed`` on its way may have told it already. What has to be unpacked for it waits until here, and is not
    where the blocks of both sides are the same.
    """
    if not work.prove:
        return await _by_count(jetstream, work), None
    sent = sent or passed.digested
    if passed.framed and not sent and (known := await _by_blocks(jetstream, work, passed.framed)):
        return known
    reading = digest_stream(jetstream, work.target, work.width, work.stream.last_seq)
    try:
        restored, saved = await asyncio.gather(reading, _known(sent) if sent else digest_backup(reader, work))
    except DigestError as error:
        return evolve(await _by_count(jetstream, work), why=f"the messages could not be read: {error}"), None
    if restored == saved.digest:
        return equal(saved.digest, restored), saved
    return await explain(jetstream, work.final, saved.digest, restored, _archived(reader, work)), saved


async def _by_blocks(jetstream: JetStream, work: Work, framed: Framed) -> tuple[RestoreProof, Digested] | None:
    """None where the blocks differ, which may be so for the same messages."""
    now = await frame_stream(jetstream, work.target)
    if now is None or now.sha256 != framed.sha256:
        return None
    count, first, last = (int(now.state[key]) for key in ("messages", "first_seq", "last_seq"))
    digest = Digest(work.width, count, first, last, ())
    return RestoreProof("equal", count, first, last, framed.sha256), Digested(digest, framed.consumers)


async def _known(digested: Digested) -> Digested:
    return digested


async def _by_count(jetstream: JetStream, work: Work) -> RestoreProof:
    """Without a digest nothing is proven."""
    state, stream = (await jetstream.ask(f"STREAM.INFO.{work.target}"))["state"], work.stream
    counted = RestoreProof("unproven", int(state["messages"]), int(state["first_seq"]), int(state["last_seq"]))
    expected = (stream.messages, stream.first_seq, stream.last_seq)
    if expected == (counted.messages, counted.first_seq, counted.last_seq):
        why = "counts and sequences are the same; the messages were not compared"
    else:
        why = f"{stream.messages} messages {stream.first_seq}-{stream.last_seq} were counted when the backup began"
    return evolve(counted, why=why)


async def missing_consumers(jetstream: JetStream, work: Work, sent: Digested | None) -> tuple[int, tuple[str, ...]]:
    """How many consumers are there, and which durable ones are not, or stand further back than in the backup."""
    expected = _positions(work, sent)
    begin = time.monotonic()
    while True:
        present = {
            str(info["name"]): info for info in await jetstream.pages(f"CONSUMER.LIST.{work.target}", "consumers")
        }
        behind = tuple(
            sorted(name for name, floor in expected.items() if name not in present or _floor(present[name]) < floor)
        )
        if not behind or time.monotonic() - begin > SETTLE_S:
            return len(present), behind
        await asyncio.sleep(0.2)


def _positions(work: Work, sent: Digested | None) -> dict[str, int]:
    """The acknowledged floor of each consumer that outlives its clients."""
    if work.consumers or sent is None or sent.consumers is None:
        return {str(info["name"]): _floor(info) for info in work.consumers if _lasting(info["config"])}
    lasting = (item for item in sent.consumers if _lasting(item["config"]))
    return {
        str(item["config"].get("durable_name") or item["config"].get("name")): int(
            item["state"]["ack_floor"]["stream_seq"]
        )
        for item in lasting
    }


def _lasting(config: Json) -> bool:
    return bool(config.get("durable_name")) or int(config.get("inactive_threshold") or 0) >= LASTING_NS


def _floor(info: Json) -> int:
    return int(info["ack_floor"]["stream_seq"])


async def set_back(jetstream: JetStream, work: Work, names: tuple[str, ...]) -> tuple[str, ...]:
    """Consumers that are there and stand further back go on where they had acknowledged (2.14 and later)."""
    done = []
    there = {str(info["name"]) for info in await jetstream.pages(f"CONSUMER.LIST.{work.target}", "consumers")}
    for info in work.consumers:
        name = str(info["name"])
        if name in names and name in there:
            await jetstream.ask(f"CONSUMER.RESET.{work.target}.{name}", {"seq": _floor(info) + 1})
            done.append(name)
    return tuple(done)


async def is_there_already(jetstream: JetStream, reader: Reader, work: Work) -> Digested | None:
    """The digest when the target holds exactly what the backup does; None when it does not, or cannot be told."""
    try:
        sent = await digest_backup(reader, work)
        present = await digest_stream(jetstream, work.target, work.width, 2**64)
    except DigestError:
        return None
    return sent if present == sent.digest else None
