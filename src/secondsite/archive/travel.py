"""Any moment of an archive, as a backup that `restore` takes: the same refusals, the same proof, the same way back."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from attrs import evolve, field, frozen

from secondsite import __version__
from secondsite.archive.chain import Chain, details_of
from secondsite.archive.cut import Segments, StreamCut, cut_at
from secondsite.archive.entries import moment, rfc3339
from secondsite.archive.layout import base_key, index_key
from secondsite.archive.moment import ArchiveTimeline, Life, SegmentCatalogue, StandingStream
from secondsite.archive.records import Base, Checkpoint, DamagedArchiveError
from secondsite.backup.archive import NATSARC_FILE
from secondsite.backup.codec import Keys
from secondsite.backup.layout import new_id
from secondsite.backup.manifest import BackupManifest, StoredObject, StreamBackup, kind_of
from secondsite.backup.objects import BrokenObjectError, Damage, Reader
from secondsite.model.errors import InputError

_EPOCH = datetime.fromtimestamp(0, UTC)
_NO_OBJECT = StoredObject("", 0, "")


@frozen
class Wanted:
    """A moment, or the message with which it ends; neither is the latest point in time.

    ``rest_ns`` are the nanoseconds that ``at`` cannot hold.
    """

    at: datetime | None = None
    stream: str = ""
    sequence: int = 0
    rest_ns: int = 0

    @property
    def at_ns(self) -> int | None:
        """To the nanosecond, as messages bear it; floats are not that exact."""
        return (self.at - _EPOCH) // timedelta(microseconds=1) * 1000 + self.rest_ns if self.at else None


@frozen
class ArchivedMoment:
    """``at_ns`` is what was asked for, or the newest; ``reached_ns`` is the last checkpoint at that time or before.

    It is 0 for a message that is older than the first checkpoint: then the stream has no consumers, and no message that
    was deleted before that checkpoint.
    """

    at_ns: int
    reached_ns: int
    newest_ns: int
    cuts: tuple[StreamCut, ...]
    recipients: tuple[str, ...]
    signer: str
    server: str


@frozen
class _Read:
    """The whole chain as far as it was read."""

    timeline: ArchiveTimeline
    catalogue: SegmentCatalogue
    newest: Checkpoint | Base


async def travel(chain: Chain, keys: Keys, wanted: Wanted, streams: Sequence[str] = ()) -> ArchivedMoment:
    """Raises InputError for a moment that the archive does not hold, DamagedArchiveError for what is broken."""
    if chain.empty:
        raise InputError.at(
            chain.store.shown, "no archive found", "check the prefix; `secondsite archive --to` starts an archive"
        )
    reads = Segments(chain.store, keys)
    at_ns = wanted.at_ns
    cut_life: Life | None = None
    if wanted.stream:
        cut_life, at_ns = await _moment_of(chain, keys, reads, wanted)
    read = await _read(chain, keys, at_ns)
    standing = read.timeline.result()
    if at_ns is not None and not read.timeline.reached_ns and not wanted.stream:
        raise await _before(chain, at_ns)
    if wanted.stream and cut_life:
        _check_life(chain, standing, cut_life)
    unknown = [name for name in streams if name not in standing]
    if unknown:
        what = f"at that point in time the archive has no stream {', '.join(unknown)}"
        raise InputError.at("--stream", what, f"it holds {', '.join(sorted(standing)) or 'none'}")
    cuts = []
    for name, stream in sorted(standing.items()):
        if streams and name not in streams:
            continue
        if stream.life not in read.catalogue.segments:
            what = f"{name} of that time is no longer in the archive: compact --keep has deleted it"
            raise InputError.at(chain.store.shown, what, "give a later point in time, or name other streams: --stream")
        sequence = wanted.sequence if name == wanted.stream else None
        cuts.append(await cut_at(reads, stream, read.catalogue.of(stream.life), at_ns, sequence))
    newest = read.newest
    return ArchivedMoment(
        at_ns=at_ns if at_ns is not None else newest.at_ns,
        reached_ns=read.timeline.reached_ns,
        newest_ns=newest.at_ns,
        cuts=tuple(cuts),
        recipients=newest.recipients,
        signer=newest.signer,
        server=newest.server if isinstance(newest, Checkpoint) else "",
    )


async def _read(chain: Chain, keys: Keys, at_ns: int | None) -> _Read:
    """What stood at the moment, and where all messages lie: the newest base has them in its own segments."""
    timeline, catalogue = ArchiveTimeline(at_ns), SegmentCatalogue()
    from_base = await chain.newest_base(at_ns)
    if from_base is None and at_ns is not None and not chain.whole:
        raise await _before(chain, at_ns)
    newest_base = await chain.newest_base() if at_ns is not None else from_base
    if from_base:
        timeline.begin(from_base, _details(chain, from_base, keys, base_key(from_base.number)))
    if newest_base:
        catalogue.begin(newest_base)
    newest: Checkpoint | Base | None = newest_base
    late = newest_base.number if newest_base else 0
    async for linked in chain.checkpoints(from_base):
        checkpoint = linked.checkpoint
        timeline.add(checkpoint, partial(_details, chain, checkpoint, keys, index_key(checkpoint.number)))
        if checkpoint.number > late:
            catalogue.add(checkpoint.streams)
            newest = checkpoint
    assert newest is not None  # noqa: S101 # the chain is not empty
    return _Read(timeline, catalogue, newest)


def _details(chain: Chain, record: Checkpoint | Base, keys: Keys, key: str) -> Mapping[str, Any]:
    return details_of(record, keys, chain.store.url(key))


async def whole_catalogue(chain: Chain, keys: Keys) -> SegmentCatalogue:
    """Where every shipped message lies."""
    return (await _read(chain, keys, None)).catalogue


async def _moment_of(chain: Chain, keys: Keys, reads: Segments, wanted: Wanted) -> tuple[Life, int]:
    """The life of the stream that has the message, and the time of it or of the last one before it."""
    catalogue = await whole_catalogue(chain, keys)
    life = catalogue.holding(wanted.stream, wanted.sequence)
    if life is None:
        what = f"no message {wanted.sequence} of {wanted.stream} was shipped"
        raise InputError.at(
            "--at-sequence", what, "`secondsite archive verify` shows the period that the archive covers"
        )
    reached_ns = 0
    for segment in catalogue.of(life):
        if segment.first_seq > wanted.sequence:
            break
        if segment.last_seq <= wanted.sequence:
            reached_ns = segment.last_ns
            continue
        for sequence, time_ns in await reads.times(segment):
            if sequence <= wanted.sequence:
                reached_ns = time_ns
    if not reached_ns:
        what = f"no message of {wanted.stream} up to {wanted.sequence} is in the archive"
        raise InputError.at("--at-sequence", what, f"its oldest is {catalogue.of(life)[0].first_seq}")
    return life, reached_ns


def _check_life(chain: Chain, standing: Mapping[str, StandingStream], life: Life) -> None:
    if life[0] not in standing or standing[life[0]].life != life:
        what = f"{life[0]} was recreated since that message"
        raise InputError.at(chain.store.shown, what, "give the point in time with --at")


class BeforeArchiveError(InputError):
    """The moment is older than the archive."""


async def _before(chain: Chain, at_ns: int) -> Exception:
    first = None
    if chain.bases:
        first = (await chain.base(chain.bases[0])).at_ns
    if chain.whole:
        async for linked in chain.checkpoints(None):
            first = linked.checkpoint.at_ns
            break
    begin = f"; it begins at {rfc3339(first)}" if first else ""
    return BeforeArchiveError.at("--at", f"{rfc3339(at_ns)} is before the archive{begin}", "give a later point in time")


@frozen
class MomentReader(Reader):
    """Reads a moment as if it were a backup."""

    cuts: Mapping[str, StreamCut] = field(factory=dict)

    async def plain(self, stored: StoredObject, codecs: Sequence[str]) -> AsyncIterator[bytes]:
        reads = Segments(self.store, self.keys)
        try:
            async for piece in self.cuts[stored.key].archive(reads):
                yield piece
        except DamagedArchiveError as error:
            raise _broken(error) from None

    def entries(self, stored: StoredObject) -> AsyncIterator[bytes]:
        return self._entries(self.cuts[stored.key])

    async def _entries(self, cut: StreamCut) -> AsyncIterator[bytes]:
        try:
            async for piece in cut.entries(Segments(self.store, self.keys)):
                yield piece
        except DamagedArchiveError as error:
            raise _broken(error) from None

    async def document(self, stream: StreamBackup, file: str) -> Any:
        cut = self.cuts[stream.name]
        if file == "consumers.json":
            return cut.consumers
        return {"config": dict(cut.standing.config), "state": cut.state}

    async def diagnose(self, stored: StoredObject) -> None:
        """Raises BrokenObjectError for the first segment that is not what was written."""
        cut, reads = self.cuts[stored.key], Segments(self.store, self.keys)
        try:
            async for _ in reads.each(cut.wanted):
                pass
        except DamagedArchiveError as error:
            raise _broken(error) from None

    async def unreadable(self, stored: StoredObject, why: str, damage: Damage = "corrupted") -> BrokenObjectError:
        try:
            await self.diagnose(stored)
        except BrokenObjectError as broken:
            return broken
        error = BrokenObjectError.at(
            self.store.shown, f"{damage}: {stored.key}: {why}", "restore another point in time"
        )
        assert isinstance(error, BrokenObjectError)  # noqa: S101 # `at` is typed by its base
        return error


def _broken(error: DamagedArchiveError) -> BrokenObjectError:
    return BrokenObjectError(error.problems)


def reader_of(chain: Chain, keys: Keys, archived: ArchivedMoment) -> MomentReader:
    """The moment as something to restore from."""
    cuts = {cut.name: cut for cut in archived.cuts}
    content = "".join(f"{cut.name}\n{cut.standing.life}\n{cut.first}-{cut.last}\n{cut.gone}\n" for cut in archived.cuts)
    at = moment(archived.at_ns)
    manifest = BackupManifest(
        id=new_id(at, hashlib.sha256(content.encode()).hexdigest()[:6]),
        started_at=at.isoformat(),
        finished_at=at.isoformat(),
        tool=__version__,
        server=archived.server,
        cluster="",
        domain="",
        recipients=archived.recipients,
        streams=tuple(_stream(cut) for cut in archived.cuts),
        signer=archived.signer,
    )
    return MomentReader(chain.store, manifest, keys, cuts=cuts)


def _stream(cut: StreamCut) -> StreamBackup:
    return StreamBackup(
        name=cut.name,
        kind=kind_of(cut.name),
        messages=cut.messages,
        bytes=cut.size_bytes,
        first_seq=cut.first,
        last_seq=cut.last,
        consumers=len(cut.consumers),
        archive_file=NATSARC_FILE,
        archive_bytes=cut.size_bytes,
        archive=evolve(_NO_OBJECT, key=cut.name),
        documents=(),
        codecs=(),
        document_codecs=(),
        started_at=rfc3339(cut.last_ns),
        seconds=0.0,
        attempts=1,
    )
