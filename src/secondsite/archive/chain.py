"""Reads the looks of an archive in their order, each checked against the one before: nothing is left out unnoticed."""

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
from secondsite.archive.records import (
    Base,
    Look,
    StreamDetails,
    StreamLook,
    base_from_json,
    damaged,
    look_from_json,
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
T = TypeVar("T")


@frozen
class Linked:
    """A look, its own SHA-256, and its bytes as they stand."""

    look: Look
    sha256: str
    raw: bytes = field(repr=False)


@define
class Chain:
    """What a store holds of an archive, as one listing told it."""

    store: ObjectStorage
    trust: Trust = ANYBODY
    singles: frozenset[int] = frozenset()
    bundles: tuple[tuple[int, int, str], ...] = ()
    bases: tuple[int, ...] = ()

    async def read(self) -> Chain:
        """Raises MachineError where the store cannot be read."""
        looks, bundles, bases = await asyncio.gather(*(self.store.listing(part) for part in (INDEX, BUNDLES, BASES)))
        numbers = (number_of(stored.key) for stored in looks)
        self.singles = frozenset(number for number in numbers if number is not None)
        spans = ((bundle_span(stored.key), stored.key) for stored in bundles)
        self.bundles = tuple(sorted((*span, key) for span, key in spans if span))
        found = (number_of(stored.key) for stored in bases)
        self.bases = tuple(sorted(number for number in found if number is not None))
        return self

    @property
    def empty(self) -> bool:
        return not (self.singles or self.bases)

    @property
    def whole(self) -> bool:
        """Whether it can be read from its first look on; otherwise from its first base."""
        return 1 in self.singles or any(first == 1 for first, _, _ in self.bundles)

    @property
    def head(self) -> int:
        """The newest look; 0 where there is none."""
        return max((*self.singles, *self.bases, *(last for _, last, _ in self.bundles)), default=0)

    async def base(self, number: int) -> Base:
        """Raises DamagedArchiveError, or InputError for one that does not count."""
        key = base_key(number)
        found = base_from_json(await self._read(key), number, self.store.url(key))
        self._check(found, key)
        return found

    async def newest_base(self, at_ns: int | None = None) -> Base | None:
        """The newest at a moment or before; None where the chain has to be read from its beginning."""
        for number in reversed(self.bases):
            found = await self.base(number)
            if at_ns is None or found.at_ns <= at_ns:
                return found
        return None

    async def looks(self, base: Base | None) -> AsyncIterator[Linked]:
        """All looks after a base. Raises DamagedArchiveError at the first that is missing, or not what was written."""
        previous, number, head = (base.sha256, base.number + 1, self.head) if base else (START, 1, self.head)
        while number <= head:
            ahead = range(number, min(number + READS_AT_ONCE, head + 1))
            for linked in await self._some(ahead):
                if linked.look.previous != previous:
                    place = self.store.url(index_key(linked.look.number))
                    raise damaged(place, "it does not follow the look before it: one of the two was replaced")
                previous = linked.sha256
                yield linked
                number = linked.look.number + 1

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
        found = next(((first, key) for first, last, key in self.bundles if first <= number <= last), None)
        if found is None:
            raise damaged(self.store.url(index_key(number)), "missing: there is no such look")
        first, key = found
        try:
            plain = await asyncio.to_thread(unseal, await self._read(key, MAX_BUNDLE_BYTES), (ZSTD,), Keys())
        except SealError as error:
            raise damaged(self.store.url(key), f"corrupted: {error}") from None
        lines = plain.split(b"\n")
        numbered = enumerate(lines, first)
        return [self._linked(line, at, key) for at, line in numbered if at >= number]

    def _linked(self, raw: bytes, number: int, key: str) -> Linked:
        found = look_from_json(raw, number, self.store.url(key))
        self._check(found, key)
        return Linked(found, hashlib.sha256(raw).hexdigest(), raw)

    def _check(self, record: Look | Base, key: str) -> None:
        if why := self.trust.distrust(record):
            remedy = "name who signed it with --signer, or take it as it is with --allow unsigned"
            raise InputError.at(self.store.url(key), f"this archive is refused from here on: {why}", remedy)

    async def _read(self, key: str, limit_bytes: int = 64 * 1024**2) -> bytes:
        try:
            return await self.store.read(key, limit_bytes)
        except ObjectMissingError:
            raise damaged(self.store.url(key), "missing: there is no such object") from None
        except ObjectTooLargeError:
            raise damaged(self.store.url(key), "corrupted: it is too large") from None


@frozen
class Head:
    """Where an archive stands: its newest look, and each stream as it was told last."""

    number: int
    sha256: str
    at_ns: int
    cluster: str
    domain: str
    streams: dict[str, StreamLook]
    looks_since_base: int
    ends: dict[str, tuple[int, int]]
    """Sequence and time of the last message that was shipped of a stream's life."""


async def read_head(chain: Chain) -> Head | None:
    """None for a store without an archive. Raises DamagedArchiveError."""
    if chain.empty:
        return None
    base = await chain.newest_base()
    streams: dict[str, StreamLook] = {}
    ends: dict[str, tuple[int, int]] = {}
    for look in base.streams if base else ():
        _advance(streams, ends, look)
    newest: Look | Base | None = base
    sha256, count = base.sha256 if base else START, 0
    async for linked in chain.looks(base):
        for look in linked.look.streams:
            _advance(streams, ends, look)
        for name in linked.look.gone:
            streams.pop(name, None)
            ends.pop(name, None)
        newest, sha256, count = linked.look, linked.sha256, count + 1
    assert newest is not None  # noqa: S101 # the chain is not empty
    return Head(newest.number, sha256, newest.at_ns, newest.cluster, newest.domain, streams, count, ends)


def _advance(streams: dict[str, StreamLook], ends: dict[str, tuple[int, int]], look: StreamLook) -> None:
    before = streams.get(look.name)
    if before is not None and before.life != look.life:
        ends.pop(look.name, None)
    if look.segments:
        ends[look.name] = (look.segments[-1].last_seq, look.segments[-1].last_ns)
    streams[look.name] = look


def details_of(record: Look | Base, keys: Keys, place: str) -> dict[str, StreamDetails]:
    """What a look holds beside positions.

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
        return {str(name): structure(item, StreamDetails) for name, item in content.items()}
    except (SealError, MisfitError, AttributeError) as error:
        raise damaged(place, f"its details cannot be read: {error}") from None


def details_text(details: dict[str, dict[str, Any]]) -> bytes:
    return json.dumps(details).encode()
