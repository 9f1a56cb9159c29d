"""An archive written by hand, without a server: what it says is what a test wants it to say."""

from __future__ import annotations

import hashlib
from typing import Any

from attrs import define

from secondsite.archive.chain import START, details_text
from secondsite.archive.layout import index_key, pack_folder, segment_key
from secondsite.archive.records import ArchiveSegment, Checkpoint, StreamCheckpoint, to_json
from secondsite.archive.sealed import codecs_for, seal, seal_text, suffix_of
from secondsite.backup.archive import entry
from secondsite.backup.codec import Keys
from secondsite.objects.store import ObjectStorage

SECOND_NS = 10**9
BEGIN_NS = 1_700_000_000 * SECOND_NS
LIFE = "2023-11-14T22:13:20Z#1"
CONFIG = {"name": "ORDERS", "subjects": ["orders.>"]}


@define
class MadeArchive:
    """One stream, ORDERS: its message N is of second N. A checkpoint is of the second that is told."""

    store: ObjectStorage
    keys: Keys = Keys()
    number: int = 0
    previous: str = START

    async def segment(self, first: int, last: int, number: int = 0) -> ArchiveSegment:
        raw = [
            entry(b"orders.a", BEGIN_NS + sequence * SECOND_NS, sequence, b"", b"%d" % sequence)
            for sequence in range(first, last + 1)
        ]
        return await self.segment_of(b"".join(raw), first, last, number)

    async def segment_of(self, plain: bytes, first: int, last: int, number: int = 0) -> ArchiveSegment:
        """Whatever it really holds."""
        folder = pack_folder(number or self.number + 1, "0123abcd")
        key = segment_key(folder, "ORDERS", first, last, suffix_of(codecs_for(self.keys)))
        data = seal(plain, self.keys)
        await self.store.create(key, data)
        ends = BEGIN_NS + first * SECOND_NS, BEGIN_NS + last * SECOND_NS
        digest, count = hashlib.sha256(data).hexdigest(), last - first + 1
        return ArchiveSegment(key, len(data), digest, len(plain), count, first, last, *ends, codecs_for(self.keys))

    async def checkpoint(self, at_s: int, *segments: ArchiveSegment, life: str = LIFE, **changed: Any) -> Checkpoint:
        """``changed`` are fields of it."""
        self.number += 1
        last = segments[-1].last_seq if segments else 0
        stream = StreamCheckpoint("ORDERS", life, BEGIN_NS + at_s * SECOND_NS, last, 1, last, last, 0, 0, segments)
        details = details_text({"ORDERS": {"config": CONFIG, "consumers": [], "all_gone": []}})
        given: dict[str, Any] = {
            "number": self.number,
            "previous": self.previous,
            "writer": "test",
            "at_ns": BEGIN_NS + at_s * SECOND_NS,
            "tool": "test",
            "server": "2.15.1",
            "cluster": "c",
            "domain": "",
            "recipients": self.keys.recipients,
            "streams": (stream,),
            "gone": (),
            "missing": (),
            "details": seal_text(details, self.keys),
            **changed,
        }
        checkpoint = Checkpoint(**given)
        raw = to_json(checkpoint, None)
        await self.store.create(index_key(self.number), raw)
        self.previous = hashlib.sha256(raw).hexdigest()
        return checkpoint
