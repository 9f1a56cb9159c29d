"""What a backup is: which streams, in which objects, with which checksums. Written once, last, never changed.

The manifest carries a SHA-256 over itself and the id of its folder, so one that is corrupt, cut short or copied from
another backup is found out before anything that it names is read. Where it is signed, whoever changes it is found out.
Reading one is total: whatever bytes stand there, the outcome is a manifest or an InputError that names the place.
"""

from __future__ import annotations

import re
from datetime import datetime

from attrs import asdict, frozen

from secondsite.backup.archive import NATSARC_FILE, TAR_FILE
from secondsite.backup.codec import SUFFIXES
from secondsite.backup.layout import is_id
from secondsite.backup.signed_document import read_document, write_document
from secondsite.backup.signing import SigningKey
from secondsite.backup.strict import MisfitError, structure
from secondsite.model.errors import InputError

SCHEMA = "secondsite/backup/1"
MAX_SEQUENCE = 2**64 - 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
        return next(document for document in self.documents if f"/{file}" in document.key)


@frozen
class BackupManifest:
    """``gone`` are streams that were deleted while the backup ran.

    ``suspicious`` says why this backup may hold less than it should: it counts as good only for who looked. ``signer``
    is the public key of who signed it: `from_json` has checked that.
    """

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
    suspicious: tuple[str, ...] = ()
    signer: str = ""
    schema: str = SCHEMA

    @property
    def size_bytes(self) -> int:
        """In the store."""
        return sum(stored.size_bytes for stream in self.streams for stored in stream.objects)

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


def to_json(manifest: BackupManifest, key: SigningKey | None = None) -> bytes:
    """Signed where there is a key; its ``signer`` is that key's."""
    return write_document(asdict(manifest), "sha256", key, indent=1)


def from_json(data: bytes, backup_id: str, place: str) -> BackupManifest:
    """Raises InputError for a manifest that is corrupt, cut short, swapped, forged or from a newer secondsite."""
    try:
        document = read_document(data, "sha256")
    except MisfitError:
        raise _bad(place, "the manifest is corrupt: it is not the JSON that was written") from None
    content = document.content
    if not document.intact:
        raise _bad(place, "the manifest is corrupt: its checksum is not that of its content")
    if content.get("schema") != SCHEMA:
        remedy = "use the version of secondsite that wrote it, or a newer one"
        raise InputError.at(place, f"the manifest has the schema {str(content.get('schema'))[:60]!r}", remedy)
    try:
        manifest = structure(content, BackupManifest)
        if manifest.id == backup_id:
            _check(manifest)
    except MisfitError as misfit:
        raise _bad(place, f"the manifest is corrupt: {misfit}") from None
    if manifest.id != backup_id:
        raise _bad(place, f"the manifest is that of {manifest.id[:60]}: it was swapped")
    if not document.authentic:
        raise _bad(place, "the manifest is forged: its signature is not that of its content")
    return manifest


def _check(manifest: BackupManifest) -> None:
    """What types do not say. Raises MisfitError."""
    if not is_id(manifest.id):
        raise MisfitError("its id is none")
    for at in (manifest.started_at, manifest.finished_at, *(stream.started_at for stream in manifest.streams)):
        try:
            aware = datetime.fromisoformat(at).utcoffset() is not None
        except ValueError:
            aware = False
        if not aware:
            raise MisfitError(f"{at[:40]!r} is not a time with its zone")
    names = [stream.name for stream in manifest.streams]
    if len(set(names)) < len(names):
        raise MisfitError("it holds two streams of one name")
    for stream in manifest.streams:
        _check_stream(stream, manifest.id)


def _check_stream(stream: StreamBackup, backup_id: str) -> None:
    label = f"stream {stream.name[:60]!r}"
    if not stream.name or set(stream.name) & set(" .*>/\\\t\r\n\f"):
        raise MisfitError(f"{label}: no stream can have this name")
    if stream.archive_file not in (NATSARC_FILE, TAR_FILE):
        raise MisfitError(f"{label}: an archive of unknown kind")
    if any(codec not in SUFFIXES for codec in (*stream.codecs, *stream.document_codecs)):
        raise MisfitError(f"{label}: an unknown codec")
    counts = (stream.messages, stream.bytes, stream.first_seq, stream.last_seq, stream.consumers, stream.archive_bytes)
    if not all(0 <= count <= MAX_SEQUENCE for count in (*counts, *(stored.size_bytes for stored in stream.objects))):
        raise MisfitError(f"{label}: an impossible count")
    for stored in stream.objects:
        steps = stored.key.split("/")
        if steps[0] != backup_id or len(steps) < 2 or set(steps) & {"", ".", ".."}:
            raise MisfitError(f"{label}: an object outside of its backup")
        if not _SHA256.fullmatch(stored.sha256):
            raise MisfitError(f"{label}: a checksum that is none")
    for file in ("backup.json", "consumers.json"):
        if not any(f"/{file}" in stored.key for stored in stream.documents):
            raise MisfitError(f"{label}: without its {file}")


def _bad(place: str, what: str) -> Exception:
    return InputError.at(place, what, "use another backup (secondsite backup list), and check who writes to this store")
