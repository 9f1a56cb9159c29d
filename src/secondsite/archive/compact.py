"""Makes an archive small again: a base, larger segments, one bundle of checkpoints; then what nobody needs goes.

A base says everything up to a checkpoint, so what lies before it is read only for moments that are older. Nothing is
deleted that the newest base, the checkpoints after it, or a kept moment needs; and what a base has made needless goes
with the base after it, so that a restore which has begun completes.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from attrs import define, evolve, field, frozen

from secondsite.archive.chain import Chain, Linked, details_of, details_text
from secondsite.archive.cut import Segments
from secondsite.archive.layout import PACKS, base_key, bundle_key, index_key, pack_folder, pack_number, segment_key
from secondsite.archive.moment import ArchiveTimeline, Life, SegmentCatalogue
from secondsite.archive.plan import ArchivePlan, create_same
from secondsite.archive.records import ArchiveSegment, Base, StreamCheckpoint, damaged, to_json
from secondsite.archive.sealed import codecs_for, seal, seal_text, stored_bytes, suffix_of
from secondsite.backup.signing import Trust
from secondsite.objects.failures import ObjectExistsError
from secondsite.objects.store import ObjectStorage

MERGE_BYTES = 32 * 1024**2
SMALL_BYTES = 16 * 1024**2


@frozen
class CompactPlan:
    """``keep`` is how far back a moment has to come back; None keeps all. ``merge_bytes`` before compression."""

    archive: ArchivePlan
    keep: timedelta | None = None
    merge_bytes: int = MERGE_BYTES


@frozen
class Compacted:
    """``number`` is the checkpoint of the new base; 0 where nothing had come since the last one."""

    number: int
    merged_from: int
    merged_into: int
    deleted: int


@define
class _Story:
    """The chain since the last base, read once."""

    previous: Base | None
    catalogue: SegmentCatalogue
    timeline: ArchiveTimeline
    checkpoints: list[Linked] = field(factory=list)


async def compact(store: ObjectStorage, plan: CompactPlan, now_ns: int, chain: Chain) -> Compacted:
    """Raises InputError where segments are encrypted and no identity is given, DamagedArchiveError for what is broken.

    Killed at any moment, it leaves nothing that counts and takes nothing that does.
    """
    story = await _read(chain, plan)
    if not story.checkpoints:
        return Compacted(0, 0, 0, await _sweep(store, plan, now_ns, chain.trust))
    head = story.checkpoints[-1]
    plan.archive.check_protects(head.checkpoint, store.shown)
    folder = pack_folder(head.checkpoint.number, secrets.token_hex(4))
    merging = _Merging(Segments(store, plan.archive.keys), plan, folder)
    firsts = await _firsts(chain, plan, now_ns)
    merged = {}
    for life in _kept_lives(story, plan, now_ns):
        wanted = [part for part in story.catalogue.of(life) if part.last_seq >= firsts.get(life, 0)]
        merged[life] = await merging.merge(life[0], tuple(wanted))
    base = _base(story, head, merged, plan)
    bundle = b"\n".join(linked.raw for linked in story.checkpoints)
    packed = await asyncio.to_thread(seal, bundle, evolve(plan.archive.keys, recipients=()))
    await create_same(store, bundle_key(story.checkpoints[0].checkpoint.number, head.checkpoint.number), packed)
    try:
        await create_same(store, base_key(base.number), to_json(base, plan.archive.signing))
    except ObjectExistsError:
        await store.delete_below(folder)
        return Compacted(0, 0, 0, 0)
    deleted = await _sweep(store, plan, now_ns, chain.trust)
    return Compacted(base.number, merging.taken, merging.made, deleted)


async def _read(chain: Chain, plan: CompactPlan) -> _Story:
    base = await chain.newest_base()
    story = _Story(base, SegmentCatalogue(), ArchiveTimeline(None))
    if base:
        story.catalogue.begin(base)
        story.timeline.begin(base, details_of(base, plan.archive.keys, chain.store.url(base_key(base.number))))
    async for linked in chain.checkpoints(base):
        checkpoint = linked.checkpoint
        story.catalogue.add(checkpoint.streams)
        place = chain.store.url(index_key(checkpoint.number))
        story.timeline.add(checkpoint, partial(details_of, checkpoint, plan.archive.keys, place))
        story.checkpoints.append(linked)
    return story


def _kept_lives(story: _Story, plan: CompactPlan, now_ns: int) -> list[Life]:
    """Those that stand, and former ones that stood at a moment which is kept."""
    standing = {stream.life for stream in story.timeline.result().values()}
    if plan.keep is None:
        return list(story.catalogue.segments)
    since_ns = now_ns - _nanoseconds(plan.keep)
    ends = _ends(story)
    return [life for life in story.catalogue.segments if life in standing or ends.get(life, now_ns) >= since_ns]


async def _firsts(chain: Chain, plan: CompactPlan, now_ns: int) -> dict[Life, int]:
    """The first sequence of each life at the oldest moment that is kept: what lies before it comes back no more."""
    base = None if plan.keep is None else await chain.newest_base(now_ns - _nanoseconds(plan.keep))
    return {(stream.name, stream.life): stream.first_seq for stream in base.streams} if base else {}


def _nanoseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 10**9)


def _ends(story: _Story) -> dict[Life, int]:
    """When a life was gone: a stream that stands still is told of long before."""
    base, stood = story.previous, dict[str, Life]()
    ends = {(stream.name, stream.life): stream.at_ns for stream in base.former} if base else {}
    stood |= {stream.name: (stream.name, stream.life) for stream in base.streams} if base else {}
    for linked in story.checkpoints:
        checkpoint = linked.checkpoint
        for stream in checkpoint.streams:
            life = stream.name, stream.life
            if (before := stood.get(stream.name, life)) != life:
                ends[before] = max(checkpoint.at_ns, stream.at_ns)
            stood[stream.name] = life
        ends |= {stood.pop(name): checkpoint.at_ns for name in checkpoint.gone if name in stood}
    return ends


def _newest(story: _Story) -> dict[Life, StreamCheckpoint]:
    """Each life as it was told of last; a former one as of its end."""
    base, ends = story.previous, _ends(story)
    streams = [*base.former, *base.streams] if base else []
    streams += [stream for linked in story.checkpoints for stream in linked.checkpoint.streams]
    newest = {(stream.name, stream.life): stream for stream in streams}
    return {life: evolve(stream, at_ns=ends.get(life, stream.at_ns)) for life, stream in newest.items()}


@define
class _Merging:
    """Small segments of one life that follow each other become one."""

    reads: Segments
    plan: CompactPlan
    folder: str
    taken: int = 0
    made: int = 0

    async def merge(self, stream: str, segments: tuple[ArchiveSegment, ...]) -> tuple[ArchiveSegment, ...]:
        for one, other in pairwise(segments):
            if other.first_seq <= one.last_seq:
                raise damaged(self.reads.store.url(other.key), "it overlaps the segment before it")
        out: list[ArchiveSegment] = []
        group: list[ArchiveSegment] = []
        for segment in segments:
            small = segment.plain_bytes < min(SMALL_BYTES, self.plan.merge_bytes // 2)
            if group and (not small or sum(part.plain_bytes for part in group) >= self.plan.merge_bytes // 2):
                out.append(await self._one(stream, group))
                group = []
            if small:
                group.append(segment)
            else:
                out.append(segment)
        if group:
            out.append(await self._one(stream, group))
        return tuple(out)

    async def _one(self, stream: str, group: list[ArchiveSegment]) -> ArchiveSegment:
        if len(group) == 1:
            return group[0]
        plain = bytearray()
        async for _, part in self.reads.each(group):
            plain += part
        keys = self.plan.archive.keys
        codecs = codecs_for(keys)
        data = await asyncio.to_thread(seal, plain, keys)
        first, last = group[0], group[-1]
        key = segment_key(self.folder, stream, first.first_seq, last.last_seq, suffix_of(codecs))
        await create_same(self.reads.store, key, data)
        made = ArchiveSegment(
            key=key,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            plain_bytes=len(plain),
            messages=sum(part.messages for part in group),
            first_seq=first.first_seq,
            last_seq=last.last_seq,
            first_ns=first.first_ns,
            last_ns=last.last_ns,
            codecs=codecs,
        )
        await stored_bytes(self.reads.store, made)  # what it replaces will go
        self.taken, self.made = self.taken + len(group), self.made + 1
        return made


def _base(story: _Story, head: Linked, merged: dict[Life, tuple[ArchiveSegment, ...]], plan: CompactPlan) -> Base:
    standing = story.timeline.result()
    streams = tuple(evolve(stream.checkpoint, segments=merged[stream.life]) for _, stream in sorted(standing.items()))
    lives = {stream.life for stream in standing.values()}
    newest = _newest(story)
    former = tuple(evolve(newest[life], segments=parts) for life, parts in sorted(merged.items()) if life not in lives)
    details: dict[str, dict[str, Any]] = {
        name: {"config": dict(stream.config), "consumers": list(stream.consumers), "all_gone": stream.gone}
        for name, stream in standing.items()
    }
    return Base(
        number=head.checkpoint.number,
        sha256=head.sha256,
        at_ns=head.checkpoint.at_ns,
        cluster=head.checkpoint.cluster,
        domain=head.checkpoint.domain,
        recipients=plan.archive.keys.recipients,
        streams=streams,
        former=former,
        details=seal_text(details_text(details), plan.archive.keys),
    )


async def _sweep(store: ObjectStorage, plan: CompactPlan, now_ns: int, trust: Trust) -> int:
    """Delete what no kept moment needs. Never more than the base before the newest allows."""
    chain = await Chain(store, trust).read()
    if len(chain.bases) < 2:
        return 0
    newest, before = await chain.base(chain.bases[-1]), await chain.base(chain.bases[-2])
    doomed = [index_key(number) for number in chain.singles if number <= before.number and _bundled(chain, number)]
    needed = {
        part.key for base in (newest, before) for stream in (*base.former, *base.streams) for part in stream.segments
    }
    async for linked in chain.checkpoints(before):
        needed |= {part.key for stream in linked.checkpoint.streams for part in stream.segments}
    packs = [stored.key for stored in await store.listing(PACKS)]
    doomed += [key for key in packs if key not in needed and (pack_number(key) or now_ns) <= before.number]
    if plan.keep is not None:
        doomed += await _too_old(chain, now_ns - _nanoseconds(plan.keep))
    await store.delete(doomed)
    return len(doomed)


def _bundled(chain: Chain, number: int) -> bool:
    return any(first <= number <= last for first, last, _ in chain.bundles)


async def _too_old(chain: Chain, since_ns: int) -> list[str]:
    """Bases and bundles from before the newest base that is old enough for every kept moment."""
    first = None
    for number in chain.bases[:-1]:
        if (await chain.base(number)).at_ns <= since_ns:
            first = number
    if first is None:
        return []
    bundles = [key for _, last, key in chain.bundles if last <= first]
    return [*bundles, *(base_key(number) for number in chain.bases if number < first)]
