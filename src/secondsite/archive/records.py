"""What an archive consists of: checkpoints, each chained to the one before, and the segments that they name.

A checkpoint says of every stream in which something had changed how far it is shipped, which of its messages are gone,
how it is configured and where its consumers stand. Messages never change, so a segment may be replaced by a larger one
that holds the same; a checkpoint is never replaced.
"""

from __future__ import annotations

from typing import Any, TypeVar

from attrs import asdict, frozen

from secondsite.backup.signed_document import read_document, write_document
from secondsite.backup.signing import SigningKey
from secondsite.backup.strict import MisfitError, structure
from secondsite.model.errors import InputError

INDEX_SCHEMA = "secondsite/archive-index/1"
BASE_SCHEMA = "secondsite/archive-base/1"
_REMEDY = "restore a moment before it, and check who writes to this store"

T = TypeVar("T")


class DamagedArchiveError(InputError):
    """A part of the archive is not what was written."""

    exit_code = 1


@frozen
class ArchiveSegment:
    """Messages of one life of one stream, by ascending sequence.

    ``size_bytes`` and ``sha256`` are of the object in the store, ``plain_bytes`` of what it holds. ``first_ns`` and
    ``last_ns`` are the times of the first and of the last one.
    """

    key: str
    size_bytes: int
    sha256: str
    plain_bytes: int
    messages: int
    first_seq: int
    last_seq: int
    first_ns: int
    last_ns: int
    codecs: tuple[str, ...]


@frozen
class StreamCheckpoint:
    """One stream at one moment. ``life`` tells one life of a name from the next: when it was created, and which try.

    ``at_ns`` is the clock of its leader. Up to ``through`` everything is shipped that was there; ``last_seq``,
    ``messages`` and ``bytes`` are what the server counted. ``vanished`` were gone before they could be read.
    """

    name: str
    life: str
    at_ns: int
    through: int
    first_seq: int
    last_seq: int
    messages: int
    bytes: int
    vanished: int
    segments: tuple[ArchiveSegment, ...]


@frozen
class Checkpoint:
    """``previous`` is the SHA-256 of the checkpoint before. ``details`` are private: see `StreamDetails`.

    ``gone`` are streams that were deleted, ``missing`` those that could not be inspected.
    """

    number: int
    previous: str
    writer: str
    at_ns: int
    tool: str
    server: str
    cluster: str
    domain: str
    recipients: tuple[str, ...]
    streams: tuple[StreamCheckpoint, ...]
    gone: tuple[str, ...]
    missing: tuple[str, ...]
    details: str
    signer: str = ""
    schema: str = INDEX_SCHEMA


@frozen
class Base:
    """Everything up to and with a checkpoint: ``streams`` as they stand, ``former`` lives that can still come back.

    ``sha256`` is that checkpoint's own, so the chain goes on from here.
    """

    number: int
    sha256: str
    at_ns: int
    cluster: str
    domain: str
    recipients: tuple[str, ...]
    streams: tuple[StreamCheckpoint, ...]
    former: tuple[StreamCheckpoint, ...]
    details: str
    signer: str = ""
    schema: str = BASE_SCHEMA


@frozen
class StreamDetails:
    """Configuration, consumers and deleted sequences of a stream; None for what is as it was before.

    ``all_gone`` are all spans of deleted sequences, ``newly_gone`` those that came since the checkpoint before.
    """

    config: dict[str, Any] | None = None
    consumers: tuple[dict[str, Any], ...] | None = None
    all_gone: tuple[tuple[int, ...], ...] | None = None
    newly_gone: tuple[tuple[int, ...], ...] = ()


def to_json(record: Checkpoint | Base, key: SigningKey | None) -> bytes:
    """Signed where there is a key."""
    return write_document(asdict(record), "checksum", key)


def checkpoint_from_json(data: bytes, number: int, place: str) -> Checkpoint:
    """Raises DamagedArchiveError for a checkpoint that is corrupt, swapped or forged."""
    checkpoint = _from_json(data, Checkpoint, INDEX_SCHEMA, place)
    _check_number(checkpoint.number, number, place)
    return checkpoint


def base_from_json(data: bytes, number: int, place: str) -> Base:
    """Raises DamagedArchiveError."""
    base = _from_json(data, Base, BASE_SCHEMA, place)
    _check_number(base.number, number, place)
    return base


def _from_json(data: bytes, kind: type[T], schema: str, place: str) -> T:
    try:
        document = read_document(data, "checksum")
    except MisfitError:
        raise damaged(place, "corrupted: it is not the JSON that was written") from None
    content = document.content
    if not document.intact:
        raise damaged(place, "corrupted: its checksum is not that of its content")
    if content.get("schema") != schema:
        remedy = "use the version of secondsite that wrote it, or a newer one"
        raise InputError.at(place, f"it has the schema {str(content.get('schema'))[:60]!r}", remedy)
    try:
        record = structure(content, kind)
    except MisfitError as misfit:
        raise damaged(place, f"corrupted: {misfit}") from None
    if not document.authentic:
        raise damaged(place, "forged: its signature is not that of its content")
    return record


def _check_number(actual: int, number: int, place: str) -> None:
    if actual != number:
        raise damaged(place, f"swapped: it is number {actual}")


def damaged(place: str, what: str) -> DamagedArchiveError:
    error = DamagedArchiveError.at(place, what, _REMEDY)
    assert isinstance(error, DamagedArchiveError)  # noqa: S101 # `at` is typed by its base
    return error
