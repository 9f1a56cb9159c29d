"""What the client was promised: every intent before it is sent, every outcome as it came.

One file per client process, only ever appended to, one system call a record, so that a client killed at any
instant leaves every intent that it had sent. A torn last record is dropped when reading. A disk that fills ends
the client with a MachineError: a load that nobody writes down proves nothing.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from attrs import asdict, evolve, frozen
from numpy.typing import NDArray

from secondsite.drill.ledger.envelope import disk_error, read_header, write_new
from secondsite.drill.ledger.record import (
    ANY_KEY,
    LAYOUT,
    RECORD,
    Purpose,
    RecordKind,
    Records,
    Status,
    check_word,
    message_id,
    sound,
)
from secondsite.model.contract import Contract, Subject
from secondsite.model.errors import InputError

SCHEMA = "secondsite/ledger/1"
CHUNK_RECORDS = 1 << 18

_MICROSECOND_NS, _SET_NS = 1000, 1_000_000

_pack = struct.Struct(LAYOUT).pack
_words = struct.Struct("<6Q").unpack


@frozen
class LedgerStream:
    """``kv``: a key keeps its last values only, ``history`` of them. ``objects``: each write is an object of several
    messages. ``store``: it is the table of a database. ``retention`` as the server has it.
    ``most_…``: limits beyond which a stream discards its oldest; 0: none.

    Where ``templates`` are named, keys take turns at them, each with its own one, and ``{key}`` in one is the key.
    Else ``subject`` is followed by a dot and the key. ``stored`` are the templates that a transform makes of them.
    """

    name: str
    subject: str
    kv: bool = False
    templates: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    history: int = 1
    retention: str = "limits"
    most_messages: int = 0
    most_bytes: int = 0
    most_age_s: float = 0.0
    objects: bool = False
    store: bool = False

    def of_key(self, key: int | str) -> str:
        if not self.templates:
            return f"{self.subject}.{key}"
        turn = key % len(self.templates) if isinstance(key, int) else 0
        return self.templates[turn].replace("{key}", str(key))

    def lies_at(self, key: int) -> str:
        """The subject under which the stream holds the key's writes."""
        return evolve(self, templates=self.stored).of_key(key) if self.stored else self.of_key(key)

    def one_subject(self, keys: NDArray[np.uint32]) -> NDArray[np.int64]:
        """A number for each key, the same for those whose writes lie on one subject."""
        places = keys.astype(np.int64)
        for turn, template in enumerate(self.templates):
            if "{key}" not in template:
                places[keys % len(self.templates) == turn] = -1 - turn
        return places


def service_streams(streams: Iterable[LedgerStream]) -> tuple[str, ...]:
    """Those that the service's own clients write to: all but the tables of databases."""
    return tuple(stream.name for stream in streams if not stream.store)


def store_stream(store: str) -> str:
    """The table of a database, by the name under which contracts speak of it."""
    return f"{Subject.STATE}/{store}"


def streams_about(contract: Contract, streams: Iterable[LedgerStream]) -> tuple[str, ...]:
    """What is written to of a contract's subject, or of the part of it that the contract names."""
    state = contract.subject is Subject.STATE
    names = tuple(each.name for each in streams if each.store is state)
    part = store_stream(contract.part) if state else contract.part
    return tuple(name for name in names if part == name) if contract.part else names


def stream_from(document: Mapping[str, Any]) -> LedgerStream:
    """As a file has it; one that was written before has the defaults."""
    lists = {name: tuple(document.get(name, ())) for name in ("templates", "stored")}
    return LedgerStream(**{**document, **lists})


@frozen
class LedgerHeader:
    """``client`` is below 65536 and its own in the run; records name streams by their place in ``streams``."""

    run: str
    client: int
    streams: tuple[LedgerStream, ...]

    def message_id(self, sequence: int) -> str:
        return message_id(self.run, self.client, sequence)

    def subject(self, stream: int, key: int) -> str:
        return self.streams[stream].of_key(key)


class Ledger:
    """The writer. Sequences are the client's own and dense from 0."""

    def __init__(self, path: Path, header: LedgerHeader, descriptor: int, next_sequence: int) -> None:
        self.path = path
        self.header = header
        self.next_sequence = next_sequence
        self._descriptor = descriptor
        self._offset_ns = 0

    @classmethod
    def create(cls, path: Path, header: LedgerHeader) -> Self:
        """Raises InputError where there is such a file: a ledger is never overwritten."""
        if path.exists():
            raise InputError.at(str(path), "a ledger exists already", "start a new run with its own folder")
        write_new(path, {"schema": SCHEMA, **asdict(header)})
        return cls(path, header, _open(path), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def intend(
        self, stream: int, key: int, payload_bytes: int, endpoint: int = 0, purpose: Purpose = Purpose.WRITE
    ) -> int:
        """The sequence of a new intent, written before this returns."""
        sequence = self.next_sequence
        self._append(0, sequence, key, endpoint, payload_bytes, stream, 0, RecordKind.INTENT, purpose)
        self.next_sequence = sequence + 1
        return sequence

    def retry(self, sequence: int, stream: int, key: int, payload_bytes: int, attempt: int, endpoint: int = 0) -> None:
        """The same message sent once more; ``attempt`` counts from 1."""
        self._append(0, sequence, key, endpoint, payload_bytes, stream, attempt, RecordKind.INTENT, Purpose.WRITE)

    def outcome(
        self,
        sequence: int,
        stream: int,
        key: int,
        status: Status,
        *,
        stream_sequence: int = 0,
        attempt: int = 0,
        endpoint: int = 0,
    ) -> None:
        self._append(stream_sequence, sequence, key, endpoint, 0, stream, attempt, RecordKind.OUTCOME, status)

    def erasure(self, kind: RecordKind, stream: int, stream_sequence: int = 0, key: int = ANY_KEY) -> None:
        """An operator's purge or delete: before it is sent, and again when it is confirmed (PURGED, DELETED)."""
        self._append(stream_sequence, 0, key, 0, 0, stream, 0, kind, 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                raise disk_error(self.path, error) from None
            finally:
                os.close(self._descriptor)
                self._descriptor = -1

    def _times(self) -> tuple[int, int]:
        """Whole microseconds. The wall clock is the monotonic one and an offset, until somebody sets it."""
        monotonic_ns, wall_ns = _micro(time.monotonic_ns()), _micro(time.time_ns())
        if abs(wall_ns - monotonic_ns - self._offset_ns) > _SET_NS:
            self._offset_ns = wall_ns - monotonic_ns
        return monotonic_ns, monotonic_ns + self._offset_ns

    def _append(self, stream_sequence: int, *rest: int) -> None:
        draft = _pack(*self._times(), stream_sequence, *rest, 0)
        record = draft[:-2] + check_word(_words(draft)).to_bytes(2, "little")
        try:
            written = os.write(self._descriptor, record)
        except OSError as error:
            raise disk_error(self.path, error) from None
        if written != len(record):
            raise disk_error(self.path, OSError(28, os.strerror(28)))


def _micro(nanoseconds: int) -> int:
    return nanoseconds // _MICROSECOND_NS * _MICROSECOND_NS


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND)
    except OSError as error:
        raise disk_error(path, error) from None


def read_ledger_header(path: Path) -> LedgerHeader:
    """Raises InputError."""
    header, _ = read_header(path, SCHEMA)
    try:
        streams = tuple(stream_from(stream) for stream in header["streams"])
        return LedgerHeader(str(header["run"]), int(header["client"]), streams)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError.at(str(path), "its header is not a ledger's", "give a file that a drill wrote") from None


def read_chunks(path: Path, chunk_records: int = CHUNK_RECORDS) -> Iterator[Records]:
    """The whole records in the order written, a bounded number at a time; a torn or zeroed tail is dropped.

    Raises InputError where a sound record follows a damaged one: that is no tail, somebody changed the file.
    """
    ended = False
    _, start = read_header(path, SCHEMA)
    with path.open("rb") as file:
        file.seek(start)
        while data := file.read(chunk_records * RECORD.itemsize):
            count = len(data) // RECORD.itemsize
            records = np.frombuffer(data, RECORD, count)
            good = sound(records)
            whole = count if good.all() else int(np.argmin(good))
            if good[whole:].any() or (ended and whole):
                raise InputError.at(
                    str(path), "it contains a damaged record", "run the drill again: this is not evidence"
                )
            ended = ended or whole < count
            yield records[:whole]


def ledgers_in(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("*.ledger"))
