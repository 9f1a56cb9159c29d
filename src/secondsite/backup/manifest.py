"""What a backup is: which streams, in which objects, with which checksums. Written once, last, never changed.

The manifest carries a SHA-256 over itself and the id of its folder, so one that is corrupt, cut short or copied from
another backup is found out before anything that it names is read.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import cattrs
from attrs import asdict, frozen

from secondsite.model.errors import InputError

SCHEMA = "secondsite/backup/1"


@frozen
class StoredObject:
    """``sha256`` and ``size_bytes`` are of the bytes in the store, after compression and encryption."""

    key: str
    size_bytes: int
    sha256: str


@frozen
class StreamBackup:
    """One stream. ``messages``, ``bytes``, ``first_seq`` and ``last_seq`` are what the server said as it began.

    ``archive_bytes`` is before compression and encryption. ``codecs`` are applied in their order to the archive,
    ``document_codecs`` to the two small files beside it.
    """

    name: str
    kind: str
    messages: int
    bytes: int
    first_seq: int
    last_seq: int
    consumers: int
    archive_file: str
    archive_bytes: int
    archive: StoredObject
    documents: tuple[StoredObject, ...]
    codecs: tuple[str, ...]
    document_codecs: tuple[str, ...]
    started_at: str
    seconds: float
    attempts: int

    @property
    def objects(self) -> tuple[StoredObject, ...]:
        return (*self.documents, self.archive)

    def document(self, file: str) -> StoredObject:
        """``backup.json`` or ``consumers.json``."""
        return next(found for found in self.documents if f"/{file}" in found.key)


@frozen
class BackupManifest:
    """``gone`` are streams that were deleted while the backup ran."""

    id: str
    started_at: str
    finished_at: str
    tool: str
    server: str
    cluster: str
    domain: str
    recipients: tuple[str, ...]
    streams: tuple[StreamBackup, ...]
    gone: tuple[str, ...] = ()
    single_writer: bool = False
    schema: str = SCHEMA

    @property
    def size_bytes(self) -> int:
        """In the store."""
        return sum(found.size_bytes for stream in self.streams for found in stream.objects)

    @property
    def messages(self) -> int:
        return sum(stream.messages for stream in self.streams)

    @property
    def finished(self) -> datetime:
        return datetime.fromisoformat(self.finished_at)

    def stream(self, name: str) -> StreamBackup | None:
        return next((stream for stream in self.streams if stream.name == name), None)


def kind_of(name: str) -> str:
    """What clients call a stream of this name."""
    return "kv" if name.startswith("KV_") else "objects" if name.startswith("OBJ_") else "stream"


def to_json(manifest: BackupManifest) -> bytes:
    content = asdict(manifest)
    content["sha256"] = _checksum(content)
    return json.dumps(content, indent=1).encode()


def from_json(data: bytes, backup_id: str, place: str) -> BackupManifest:
    """Raises InputError for a manifest that is corrupt, cut short, swapped or from a newer secondsite."""
    try:
        content: dict[str, Any] = json.loads(data)
        told = content.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _bad(place, "the manifest is corrupt: it is not the JSON that was written") from None
    if told != _checksum(content):
        raise _bad(place, "the manifest is corrupt: its checksum is not that of its content")
    if content.get("schema") != SCHEMA:
        remedy = "use the version of secondsite that wrote it, or a newer one"
        raise InputError.at(place, f"the manifest has the schema {content.get('schema')!r}", remedy)
    manifest = cattrs.structure(content, BackupManifest)
    if manifest.id != backup_id:
        raise _bad(place, f"the manifest is that of {manifest.id}: it was swapped")
    return manifest


def _bad(place: str, what: str) -> Exception:
    return InputError.at(place, what, "use another backup (secondsite backup list), and look who writes to this store")


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
