"""One stream on its way from the server to the store, in one pass and in bounded memory."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Literal

from attrs import frozen

from secondsite.backup.archive import archive_file
from secondsite.backup.codec import ZSTD, Keys, encode, suffix, worth_compressing
from secondsite.backup.layout import stream_key
from secondsite.backup.manifest import StoredObject, StreamBackup, kind_of
from secondsite.backup.progress import Progress
from secondsite.backup.s2 import S2Meter
from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import JetStream, Json
from secondsite.nats.snapshot import open_snapshot
from secondsite.objects.store import ObjectStorage

Compression = Literal["auto", "zstd", "none"]


@frozen
class StreamJob:
    """``codecs`` are those of every object; zstd may come before them for an archive that gets smaller by it."""

    backup_id: str
    stream: str
    keys: Keys
    compression: Compression
    codecs: tuple[str, ...]


async def back_up_stream(
    jetstream: JetStream, store: ObjectStorage, job: StreamJob, attempt: int, progress: Progress
) -> StreamBackup:
    """Write the three objects of a stream. Raises MachineError; objects may then be there, a manifest is not."""
    begin, started_at = time.monotonic(), datetime.now(UTC).isoformat()
    consumers = await _consumers(jetstream, job.stream, progress)
    async with open_snapshot(jetstream, job.stream) as snapshot, aclosing(snapshot.chunks) as chunks:  # type: ignore[type-var] # an async generator
        state = snapshot.state
        progress.begin(job.stream, int(state["bytes"]))
        first = await anext(chunks, b"")
        file, codecs = archive_file(first), _archive_codecs(job, first)
        metered = _Metered(job.stream, progress)
        writer = ObjectWriter(store, stream_key(job.backup_id, job.stream, file + suffix(codecs)))
        archive = await writer.write(encode(metered.pass_on(first, chunks), codecs, job.keys), int(state["bytes"]))
    documents = {"backup.json": {"config": snapshot.config, "state": state}, "consumers.json": consumers}
    stored = [await _write_document(store, job, name, content) for name, content in documents.items()]
    progress.end(job.stream)
    return StreamBackup(
        name=job.stream,
        kind=kind_of(job.stream),
        messages=int(state["messages"]),
        bytes=int(state["bytes"]),
        first_seq=int(state["first_seq"]),
        last_seq=int(state["last_seq"]),
        consumers=len(consumers or ()),
        archive_file=file,
        archive_bytes=metered.passed_bytes,
        archive=archive,
        documents=tuple(stored),
        codecs=codecs,
        document_codecs=job.codecs,
        started_at=started_at,
        seconds=round(time.monotonic() - begin, 3),
        attempts=attempt,
    )


def _archive_codecs(job: StreamJob, first: bytes) -> tuple[str, ...]:
    """Without encryption the archive stays as the nats command reads it, unless zstd is asked for."""
    if job.compression == "zstd":
        return (ZSTD, *job.codecs)
    if job.compression == "auto" and job.codecs and worth_compressing(first):
        return (ZSTD, *job.codecs)
    return job.codecs


async def _consumers(jetstream: JetStream, stream: str, progress: Progress) -> list[Json] | None:
    """Configuration and positions. None without a meta leader: the snapshot has them too."""
    try:
        return await jetstream.pages(f"CONSUMER.LIST.{stream}", "consumers")
    except MachineError as error:
        progress.note(f"{stream}: its consumers could not be listed ({error.problems[0].what})")
        return None


class _Metered:
    """Counts what passes: as bytes of the archive, and as bytes before the server's compression for the progress."""

    def __init__(self, stream: str, progress: Progress) -> None:
        self._stream, self._progress = stream, progress
        self._meter = S2Meter()
        self.passed_bytes = 0

    async def pass_on(self, first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        if first:
            yield self._count(first)
        async for chunk in chunks:
            yield self._count(chunk)

    def _count(self, chunk: bytes) -> bytes:
        self.passed_bytes += len(chunk)
        self._meter.feed(chunk)
        self._progress.at(self._stream, self._meter.decoded_bytes)
        return chunk


class ObjectWriter:
    """Writes one object and knows afterwards its size and SHA-256."""

    def __init__(self, store: ObjectStorage, key: str) -> None:
        self._store, self._key = store, key
        self._hash, self._size = hashlib.sha256(), 0

    async def write(self, chunks: AsyncIterator[bytes], expected_bytes: int = 0) -> StoredObject:
        await self._store.write(self._key, chunks, expected_bytes, self._count)
        return StoredObject(self._key, self._size, self._hash.hexdigest())

    def _count(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._size += len(piece)


async def _write_document(store: ObjectStorage, job: StreamJob, name: str, content: object) -> StoredObject:
    async def once() -> AsyncIterator[bytes]:
        yield json.dumps(content, indent=1).encode()

    key = stream_key(job.backup_id, job.stream, name + suffix(job.codecs))
    return await ObjectWriter(store, key).write(encode(once(), job.codecs, job.keys))
