"""Reads the checkpoints of an archive in order, each checked against the one before: none is left out unnoticed."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from itertools import takewhile
from typing import Any, TypeVar

from attrs import define, field, frozen

from secondsite.archive.layout import (
    BASES,
    BUNDLES,
    INDEX,
    base_key,
    bundle_span,
    index_key,
    number_of,
)
from secondsite.archive.plausible import details_flaw, flaw
from secondsite.archive.records import (
    Base,
    Checkpoint,
    StreamCheckpoint,
    StreamDetails,
    base_from_json,
    checkpoint_from_json,
    damaged,
)
from secondsite.archive.sealed import SealError, unseal, unseal_text
from secondsite.backup.codec import ZSTD, Keys
from secondsite.backup.signing import ANYBODY, Trust
from secondsite.backup.strict import MisfitError, parse, structure
from secondsite.model.errors import InputError
from secondsite.objects.failures import ObjectMissingError, ObjectTooLargeError
from secondsite.objects.store import ObjectStorage

READS_AT_ONCE = 16
MAX_BUNDLE_BYTES = 256 * 1024**2
START = ""
_REMEDY = "give the signer's key with --signer, or accept it with --allow unsigned"
T = TypeVar("T")


@frozen
class Linked:
    """A checkpoint, its own SHA-256, and its bytes as they stand."""

    checkpoint: Checkpoint
    sha256: str
    raw: bytes = field(repr=False)


@define
class Chain:
    """What a store holds of an archive, as one listing told it."""

    store: ObjectStorage
    trust: Trust = ANYBODY
    remedy: str = field(default=_REMEDY, kw_only=True)
    singles: frozenset[int] = frozenset()
    bundles: tuple[tuple[int, int, str], ...] = ()
    bases: tuple[int, ...] = ()

    async def read(self) -> Chain:
        """Raises MachineError where the store cannot be read."""
        checkpoints, bundles, bases = await asyncio.gather(
            *(self.store.listing(part) for part in (INDEX, BUNDLES, BASES))
        )
        numbers = (number_of(stored.key) for stored in checkpoints)
        self.singles = frozenset(number for number in numbers if number is not None)
        spans = ((bundle_span(stored.key), stored.key) for stored in bundles)
        self.bundles = tuple(sorted((*span, key) for span, key in spans if span))
        base_numbers = (number_of(stored.key) for stored in bases)
        self.bases = tuple(sorted(number for number in base_numbers if number is not None))
        return self

    @property
    def empty(self) -> bool:
        return not (self.singles or self.bases)

    @property
    def newest_key(self) -> str:
        """Of the object that was written last."""
        if self.singles:
            return index_key(max(self.singles))
        return base_key(max(self.bases)) if self.bases else ""

    @property
    def whole(self) -> bool:
        """Whether it can be read from its first checkpoint on; otherwise from its first base."""
        return 1 in self.singles or any(first == 1 for first, _, _ in self.bundles)

    @property
    def head(self) -> int:
        """The newest checkpoint; 0 where there is none."""
        return max((*self.singles, *self.bases, *(last for _, last, _ in self.bundles)), default=0)

    async def base(self, number: int) -> Base:
        """Raises DamagedArchiveError, or InputError for one that does not count."""
        key = base_key(number)
        base = base_from_json(await self._read(key), number, self.store.url(key))
        self._check(base, key)
        return base

    async def newest_base(self, at_ns: int | None = None) -> Base | None:
        """The newest at a moment or before; None where the chain has to be read from its beginning."""
        for number in reversed(self.bases):
            base = await self.base(number)
            if at_ns is None or base.at_ns <= at_ns:
                return base
        return None

    async def checkpoints(self, base: Base | None) -> AsyncIterator[Linked]:
        """All after a base. Raises DamagedArchiveError at the first that is missing, or not what was written."""
        previous, number, head = (base.sha256, base.number + 1, self.head) if base else (START, 1, self.head)
        while number <= head:
            ahead = range(number, min(number + READS_AT_ONCE, head + 1))
            for linked in await self._some(ahead):
                if linked.checkpoint.previous != previous:
                    place = self.store.url(index_key(linked.checkpoint.number))
                    raise damaged(place, "it does not match the previous checkpoint: one of the two was replaced")
                previous = linked.sha256
                yield linked
                number = linked.checkpoint.number + 1

    async def _some(self, numbers: Iterable[int]) -> list[Linked]:
        """The next ones: from single objects, several at once, or a bundle whole."""
        wanted = list(numbers)
        if wanted[0] not in self.singles:
            return await self._bundled(wanted[0])
        run = []
        for number in wanted:
            if number not in self.singles:
                break
            run.append(number)
        results = await asyncio.gather(*(self._single(number) for number in run), return_exceptions=True)
        whole = list(takewhile(lambda result: isinstance(result, Linked), results))
        if not whole and isinstance(results[0], BaseException):
            raise results[0]
        return [linked for linked in whole if isinstance(linked, Linked)]

    async def _single(self, number: int) -> Linked:
        return self._linked(await self._read(index_key(number)), number, index_key(number))

    async def _bundled(self, number: int) -> list[Linked]:
        bundle = next(((first, key) for first, last, key in self.bundles if first <= number <= last), None)
        if bundle is None:
            raise damaged(self.store.url(index_key(number)), "missing: no such checkpoint")
        first, key = bundle
        try:
            plain = await asyncio.to_thread(unseal, await self._read(key, MAX_BUNDLE_BYTES), (ZSTD,), Keys())
        except SealError as error:
            raise damaged(self.store.url(key), f"corrupted: {error}") from None
        lines = plain.split(b"\n")
        numbered = enumerate(lines, first)
        return [self._linked(line, at, key) for at, line in numbered if at >= number]

    def _linked(self, raw: bytes, number: int, key: str) -> Linked:
        checkpoint = checkpoint_from_json(raw, number, self.store.url(key))
        self._check(checkpoint, key)
        return Linked(checkpoint, hashlib.sha256(raw).hexdigest(), raw)

    def _check(self, record: Checkpoint | Base, key: str) -> None:
        if cannot_be := flaw(record):
            raise damaged(self.store.url(key), f"it was written so: {cannot_be}")
        if why := self.trust.distrust(record):
            raise InputError.at(self.store.url(key), f"this archive is rejected from here on: {why}", self.remedy)

    async def _read(self, key: str, limit_bytes: int = 64 * 1024**2) -> bytes:
        try:
            return await self.store.read(key, limit_bytes)
        except ObjectMissingError:
            raise damaged(self.store.url(key), "missing: no such object") from None
        except ObjectTooLargeError:
            raise damaged(self.store.url(key), "corrupted: it is too large") from None


@frozen
class Head:
    """Where an archive stands: its newest checkpoint, and each stream at its last checkpoint."""

    number: int
    sha256: str
    at_ns: int
    cluster: str
    domain: str
    signer: str
    recipients: tuple[str, ...]
    streams: dict[str, StreamCheckpoint]
    checkpoints_since_base: int
    ends: dict[str, tuple[int, int]]
    """Sequence and time of the last message that was shipped of a stream's life."""
    tries: dict[tuple[str, str], int]
    """How many lives there were of each name and time of creation: none of them begins a second time."""


async def read_head(chain: Chain) -> Head | None:
    """None for a store without an archive. Raises DamagedArchiveError."""
    if chain.empty:
        return None
    base = await chain.newest_base()
    streams: dict[str, StreamCheckpoint] = {}
    ends: dict[str, tuple[int, int]] = {}
    tries: dict[tuple[str, str], int] = {}
    for stream in base.former if base else ():
        _count(tries, stream)
    for stream in base.streams if base else ():
        _count(tries, stream)
        _advance(streams, ends, stream)
    newest: Checkpoint | Base | None = base
    sha256, count = base.sha256 if base else START, 0
    async for linked in chain.checkpoints(base):
        for stream in linked.checkpoint.streams:
            _count(tries, stream)
            _advance(streams, ends, stream)
        for name in linked.checkpoint.gone:
            streams.pop(name, None)
            ends.pop(name, None)
        newest, sha256, count = linked.checkpoint, linked.sha256, count + 1
    assert newest is not None  # noqa: S101 # the chain is not empty
    whose = newest.cluster, newest.domain, newest.signer, newest.recipients
    return Head(newest.number, sha256, newest.at_ns, *whose, streams, count, ends, tries)


def _count(tries: dict[tuple[str, str], int], stream: StreamCheckpoint) -> None:
    created, _, number = stream.life.rpartition("#")
    tries[stream.name, created] = max(tries.get((stream.name, created), 0), int(number))


def _advance(streams: dict[str, StreamCheckpoint], ends: dict[str, tuple[int, int]], stream: StreamCheckpoint) -> None:
    before = streams.get(stream.name)
    if before is not None and before.life != stream.life:
        ends.pop(stream.name, None)
    if stream.segments:
        ends[stream.name] = (stream.segments[-1].last_seq, stream.segments[-1].last_ns)
    streams[stream.name] = stream


def details_of(record: Checkpoint | Base, keys: Keys, place: str) -> dict[str, StreamDetails]:
    """What a checkpoint holds beside positions.

    Raises InputError for the wrong key, DamagedArchiveError where it cannot be opened.
    """
    if record.recipients and not set(record.recipients) & set(keys.own):
        given = f"the wrong key: {', '.join(keys.own)}" if keys.identities else "no key"
        what = f"the archive is encrypted for {', '.join(record.recipients)}; you gave {given}"
        raise InputError.at(place, what, "give --identity FILE with the secret key of one of them")
    if not record.details:
        return {}
    try:
        content: Any = parse(unseal_text(record.details, keys, encrypted=bool(record.recipients)))
        details = {str(name): structure(item, StreamDetails) for name, item in content.items()}
    except (SealError, MisfitError, AttributeError) as error:
        raise damaged(place, f"its details cannot be read: {error}") from None
    if cannot_be := details_flaw(details):
        raise damaged(place, f"it was written so: {cannot_be}")
    return details


def details_text(details: dict[str, dict[str, Any]]) -> bytes:
    return json.dumps(details).encode()
