"""Whether a restored stream is what was backed up, decided from two digests, and what is missing if not.

A message that is absent because its age limit or its own time to live has passed is *expired*: the server drops it
again as soon as it is restored, and no restore can keep it. So is a scheduled message that was due: it fires, and goes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from attrs import frozen

from secondsite.backup.digest import Digest, differing, runs
from secondsite.backup.digesting import Archived, DigestError, Listed
from secondsite.backup.frames import Framed, FrameDigest
from secondsite.backup.scheduled import is_due
from secondsite.model.nats_release import Feature, Support, supports
from secondsite.nats.jetstream import JetStream
from secondsite.nats.snapshot import open_snapshot

Verdict = Literal["equal", "differs", "unproven"]
_TTL = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
MAX_LISTED = 20
DIGEST_CHUNK_BYTES = 512 * 1024


@frozen
class RestoreProof:
    """``missing``, ``changed`` and ``extra`` are sequences; ``expired`` is a count."""

    verdict: Verdict
    messages: int
    first_seq: int
    last_seq: int
    sha256: str = ""
    missing: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()
    extra: tuple[int, ...] = ()
    expired: int = 0
    why: str = ""


async def digest_stream(jetstream: JetStream, name: str, width: int, upto: int) -> Digest:
    """The digest of what the server holds now, up to a sequence: read as a snapshot, so nothing is consumed.

    Raises DigestError where the messages cannot be told from the deleted ones.
    """
    state = (await jetstream.ask(f"STREAM.INFO.{name}"))["state"]
    archived = _held(jetstream, name, int(state["first_seq"]))
    digest = (await archived.digest(width, upto)).digest
    if archived.tar_first is not None and int(state["last_seq"]) <= upto and digest.count != int(state["messages"]):
        raise DigestError(f"the server shows {digest.count} messages where it counts {state['messages']}")
    return digest


def _held(jetstream: JetStream, name: str, first: int) -> Archived:
    return Archived(
        partial(_snapshot, jetstream, name),
        first if supports(jetstream.version, Feature.MESSAGE_ARCHIVE) is Support.NO else None,
    )


async def frame_stream(jetstream: JetStream, name: str) -> Framed | None:
    """What the blocks of the stream's snapshot say, with its consumers, as a backup has them."""
    frames = FrameDigest()
    async for chunk in _snapshot(jetstream, name, consumers=True):
        await asyncio.to_thread(frames.feed, chunk)
    return frames.result()


async def _snapshot(jetstream: JetStream, name: str, *, consumers: bool = False) -> AsyncIterator[bytes]:
    """In small chunks: the server gives up when none is acknowledged for 5 s, and digesting may be slow."""
    opened = open_snapshot(jetstream, name, consumers=consumers, chunk_bytes=DIGEST_CHUNK_BYTES)
    async with opened as snapshot, aclosing(snapshot.chunks) as chunks:  # type: ignore[type-var] # an async generator
        async for chunk in chunks:
            yield chunk


def equal(expected: Digest, archived: Digest) -> RestoreProof:
    """The proof where nothing differs."""
    return RestoreProof("equal", archived.count, archived.first, archived.last, expected.sha256)


async def explain(
    jetstream: JetStream, config: Mapping[str, Any], expected: Digest, now: Digest, archived: Archived
) -> RestoreProof:
    """What differs, message by message. Reads the archive and the stream once more."""
    if expected == now:
        return equal(expected, now)
    only = differing(expected, now)
    before = await archived.listed(expected.width, only, expected.last)
    after = await _held(jetstream, config["name"], now.first).listed(expected.width, only, expected.last)
    return judge(expected, now, before, after, float(config.get("max_age") or 0) / 1e9, time.time())


def judge(
    expected: Digest, archived: Digest, before: list[Listed], after: list[Listed], max_age_s: float, now_s: float
) -> RestoreProof:
    """Pure: what the lists of both sides say. ``max_age_s`` 0 is no limit."""
    old, new = {item[0]: item for item in before}, {item[0]: item for item in after}
    absent = [item for sequence, item in old.items() if sequence not in new]
    missing = tuple(item[0] for item in absent if not _expired(item, max_age_s, now_s))
    changed = tuple(sequence for sequence, item in old.items() if sequence in new and new[sequence][2] != item[2])
    extra = tuple(sequence for sequence in new if sequence not in old)
    fine = not (missing or changed or extra) and bool(absent)
    return RestoreProof(
        verdict="equal" if fine else "differs",
        messages=archived.count,
        first_seq=archived.first,
        last_seq=archived.last,
        sha256=expected.sha256 if fine else "",
        missing=missing,
        changed=changed,
        extra=extra,
        expired=len(absent) - len(missing),
    )


def _expired(item: Listed, max_age_s: float, now_s: float) -> bool:
    if is_due(item[3], datetime.fromtimestamp(now_s, UTC)):
        return True
    written_s, ttl_s = item[1] / 1e9, _seconds(item[3])
    return bool((max_age_s and written_s + max_age_s <= now_s) or (ttl_s and written_s + ttl_s <= now_s))


def _seconds(ttl: str) -> float:
    """``30``, ``30s``, ``1h30m``; 0 for none, "never", or a schedule."""
    return (
        0 if ttl.startswith("@") else sum(float(number) * _SECONDS[unit or "s"] for number, unit in _TTL.findall(ttl))
    )


def spans(sequences: tuple[int, ...]) -> str:
    """``3, 7-9``: sequences as people read them, the first few."""
    ranges = runs(sequences)
    shown = [f"{first}" if first == last else f"{first}-{last}" for first, last in ranges[:MAX_LISTED]]
    return ", ".join(shown) + (f" and {len(ranges) - MAX_LISTED} more ranges" if len(ranges) > MAX_LISTED else "")
