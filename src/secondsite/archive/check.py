"""Reads an archive back whole: every checkpoint, segment and message; and restores and compares it, if asked."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

from attrs import define, field, frozen

from secondsite.archive.chain import Chain, details_of
from secondsite.archive.cut import Segments
from secondsite.archive.layout import base_key, index_key
from secondsite.archive.moment import ArchiveTimeline, Life, SegmentCatalogue
from secondsite.archive.records import ArchiveSegment, damaged
from secondsite.archive.travel import Wanted, reader_of, travel
from secondsite.backup.archive import ArchiveError, heads
from secondsite.backup.codec import Keys
from secondsite.backup.progress import Progress
from secondsite.backup.restore import RestorePlan, restore_from
from secondsite.backup.stream_restore import StreamOutcome
from secondsite.backup.target import Changes
from secondsite.model.errors import InputError
from secondsite.nats.scratch import find_server, scratch_server

_MAX_PAYLOAD = 64 * 1024**2


@frozen
class ArchiveVerification:
    """``problems`` are what is damaged, each with its place. ``outcomes`` are those of a restore, if asked for.

    ``unread`` is why older moments could not be looked at: the newest ones need fewer keys after one was replaced.
    """

    checkpoints: int
    segments: int
    messages: int
    stored_bytes: int
    first_ns: int
    newest_ns: int
    vanished: int
    problems: tuple[str, ...]
    outcomes: tuple[StreamOutcome, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems and all(outcome.ok for outcome in self.outcomes)


@define
class _Count:
    checkpoints: int = 0
    segments: int = 0
    messages: int = 0
    stored_bytes: int = 0
    first_ns: int = 0
    newest_ns: int = 0
    vanished: int = 0
    problems: list[str] = field(factory=list)
    unread: list[str] = field(factory=list)


async def verify_archive(chain: Chain, keys: Keys) -> ArchiveVerification:
    """Damage is in the outcome; raises InputError for the wrong key, MachineError where the store cannot be read."""
    count, catalogue, timeline = _Count(), SegmentCatalogue(), ArchiveTimeline(None)
    try:
        base = await chain.newest_base()
        if base:
            catalogue.begin(base)
            count.first_ns = count.newest_ns = base.at_ns
            timeline.begin(base, details_of(base, keys, chain.store.url(base_key(base.number))))
        async for linked in chain.checkpoints(base):
            checkpoint = linked.checkpoint
            timeline.add(
                checkpoint, partial(details_of, checkpoint, keys, chain.store.url(index_key(checkpoint.number)))
            )
            catalogue.add(checkpoint.streams)
            count.checkpoints += 1
            count.first_ns, count.newest_ns = count.first_ns or checkpoint.at_ns, checkpoint.at_ns
            count.vanished += sum(stream.vanished for stream in checkpoint.streams)
    except InputError as error:
        if error.exit_code != 1:
            raise
        count.problems.append(str(error))
    await _older(chain, keys, count)
    for life in catalogue.segments:
        await _life(Segments(chain.store, keys), life, catalogue.of(life), count)
    return ArchiveVerification(
        count.checkpoints,
        count.segments,
        count.messages,
        count.stored_bytes,
        count.first_ns,
        count.newest_ns,
        count.vanished,
        tuple(count.problems),
        unread=tuple(count.unread),
    )


async def _older(chain: Chain, keys: Keys, count: _Count) -> None:
    """What lies before the newest base, from which older moments are read; the segments are the newest base's."""
    try:
        bases = {number: await chain.base(number) for number in chain.bases}
        for number, base in bases.items():
            details_of(base, keys, chain.store.url(base_key(number)))
        oldest = bases[chain.bases[0]] if bases and not chain.whole else None
        count.first_ns = oldest.at_ns if oldest else count.first_ns
        if not bases or (oldest and len(bases) == 1):
            return
        async for linked in chain.checkpoints(oldest):
            checkpoint = linked.checkpoint
            details_of(checkpoint, keys, chain.store.url(index_key(checkpoint.number)))
            at = bases.get(checkpoint.number)
            if at and at.sha256 != linked.sha256:
                raise damaged(chain.store.url(base_key(at.number)), "it is not of the checkpoint of its number")
            count.checkpoints += 1
            count.first_ns = min(count.first_ns, checkpoint.at_ns)
            count.vanished += sum(stream.vanished for stream in checkpoint.streams)
            if checkpoint.number >= chain.bases[-1]:
                return
    except InputError as error:
        heard = count.problems if error.exit_code == 1 else count.unread
        if str(error) not in count.problems:
            heard.append(str(error))


async def _life(reads: Segments, life: Life, segments: tuple[ArchiveSegment, ...], count: _Count) -> None:
    """Each segment by itself, so that one that is damaged hides no other."""
    last = 0
    for segment in segments:
        count.segments += 1
        count.stored_bytes += segment.size_bytes
        try:
            messages = _messages(await reads.plain(segment), segment, reads)
        except InputError as error:
            count.problems.append(f"{life[0]}: {error}")
            continue
        count.messages += messages
        if segment.first_seq <= last:
            count.problems.append(f"{life[0]}: {reads.store.url(segment.key)}: overlaps the segment before it")
        last = segment.last_seq


def _messages(plain: bytes, segment: ArchiveSegment, reads: Segments) -> int:
    """Raises DamagedArchiveError where it does not hold what its checkpoint says."""
    place, sequences = reads.store.url(segment.key), []
    try:
        sequences = [sequence for sequence, _, _, _ in heads(plain)]
    except ArchiveError as error:
        raise damaged(place, f"it was written so: {error}") from None
    ascending = all(one < other for one, other in pairwise(sequences))
    ends = (sequences[0], sequences[-1]) if sequences else (0, 0)
    if not ascending or (len(sequences), *ends) != (segment.messages, segment.first_seq, segment.last_seq):
        raise damaged(place, "it was written so: its messages are not those that its checkpoint names")
    return len(sequences)


async def restore_newest(
    chain: Chain, keys: Keys, server: Path | None, progress: Progress
) -> tuple[StreamOutcome, ...]:
    """The newest moment into a server started for it, every message compared."""
    reader = reader_of(chain, keys, await travel(chain, keys, Wanted()))
    plan = RestorePlan(changes=Changes(detached=True), keys=keys, parallel=1, attempts=1)
    async with scratch_server(find_server(server), max_payload=_MAX_PAYLOAD) as scratch:
        return await restore_from(scratch.place, reader, plan, progress)
