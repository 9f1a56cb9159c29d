"""What was there in the end: every surviving copy as it was read, and what each consumer processed.

A copy that was not read to its end proves that something is there, never that something is not. What was read is
kept as identities of intents; a message whose id no client of the run could have written is a stray, and its text
is kept beside. Payload and subject are compared as they are read, with what the load writes; a digest of each that
differs is kept.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from secondsite.drill.ledger.envelope import read_header, write_new
from secondsite.drill.ledger.payload import altered, digest
from secondsite.drill.ledger.record import ANY_KEY, STRAY, parse_identity
from secondsite.model.errors import InputError

COPY_SCHEMA, OLD_COPY_SCHEMA = "secondsite/copy/2", "secondsite/copy/1"
PROCESSING_SCHEMA = "secondsite/processing/1"
_MOST_STRAYS = 100
ANY_WORD, ANY_WORDS = "{any}", "{some}"
"""In a template: one word that only the server works out, or several."""
_GAPS = {"{key}": r"(?P<key>[0-9]{1,9})", ANY_WORD: r"[^.]+", ANY_WORDS: r".+"}

COPY_ROW = np.dtype(
    [
        ("identity", "<u8"),
        ("stream_sequence", "<u8"),
        ("key", "<u4"),
        ("payload_bytes", "<u4"),
        ("payload", "<u4"),
        ("subject", "<u4"),
    ]
)
OLD_COPY_ROW = np.dtype([("identity", "<u8"), ("stream_sequence", "<u8"), ("key", "<u4"), ("spare", "<u4")])
PROCESSING_ROW = np.dtype([("identity", "<u8"), ("stream_sequence", "<u8")])


@frozen(eq=False)
class FinalRead:
    """One surviving copy of a stream or KV bucket, ``place`` saying which. ``rows`` are COPY_ROW.

    ``payload`` and ``subject`` of a row are 0 where they are what the load writes. ``compared``: somebody looked.

    ``salvaged``: places in the stream of what a failback brought there from the old region, later than it was stored.

    ``complete``: read from its first to its last message. A stream of which nothing survived is an empty,
    complete copy; a stream without any copy was not looked at.
    """

    stream: str
    place: str
    complete: bool
    rows: NDArray[np.void]
    strays: tuple[str, ...] = ()
    why_incomplete: str = ""
    compared: bool = True
    salvaged: tuple[int, ...] = ()

    def save(self, path: Path) -> None:
        header = {
            "schema": COPY_SCHEMA,
            "stream": self.stream,
            "place": self.place,
            "complete": self.complete,
            "strays": self.strays,
            "why_incomplete": self.why_incomplete,
            "compared": self.compared,
            **({"salvaged": list(self.salvaged)} if self.salvaged else {}),
        }
        write_new(path, header, self.rows.tobytes())


class CopyReader:
    """Takes the messages of one copy, one by one, as they are read.

    ``subject`` is that of the load, without the key, or ``templates`` are its subjects; ``prefixed``: what another
    region wrote has a word before it.
    """

    def __init__(
        self,
        run: str,
        stream: str,
        place: str,
        subject: str,
        *,
        prefixed: bool = False,
        templates: tuple[str, ...] = (),
    ) -> None:
        self._templates = tuple(_pattern(template, prefixed=prefixed) for template in templates)
        self._run, self._stream, self._place = run, stream, place
        self._subject, self._prefixed = subject, prefixed
        self._identities, self._sequences, self._keys = array("Q"), array("Q"), array("L")
        self._sizes, self._payloads, self._subjects = array("L"), array("L"), array("L")
        self._strays: list[str] = []
        self._salvaged: list[int] = []

    def take(self, message_id: str, stream_sequence: int, subject: str, data: bytes, *, salvaged: bool = False) -> None:
        """``message_id`` is the Nats-Msg-Id header, empty where there is none."""
        if salvaged:
            self._salvaged.append(stream_sequence)
        identity = parse_identity(self._run, message_id)
        if identity == STRAY and len(self._strays) < _MOST_STRAYS:
            self._strays.append(message_id)
        self._identities.append(identity)
        self._sequences.append(stream_sequence)
        in_place, key = self._placed(subject)
        self._keys.append(key)
        self._sizes.append(len(data))
        self._payloads.append(altered(message_id, data))
        self._subjects.append(0 if in_place else digest(subject.encode()))

    def _placed(self, subject: str) -> tuple[bool, int]:
        """Whether the load writes there, and the key; where a subject has no place for one, it tells none."""
        if not self._templates:
            stem = subject.rpartition(".")[0]
            prefixed = self._prefixed and stem.endswith(f".{self._subject}")
            key = key_of(subject)
            return key != ANY_KEY and (stem == self._subject or prefixed), key
        for pattern in self._templates:
            if match := pattern.fullmatch(subject):
                return True, int(match["key"]) if "key" in match.groupdict() else ANY_KEY
        return False, key_of(subject)

    def __len__(self) -> int:
        return len(self._identities)

    def finished(self, complete: bool, why_incomplete: str = "") -> FinalRead:
        rows = np.zeros(len(self), COPY_ROW)
        rows["identity"] = self._identities
        rows["stream_sequence"] = self._sequences
        rows["key"] = np.asarray(self._keys, np.uint64)
        rows["payload_bytes"] = np.asarray(self._sizes, np.uint64)
        rows["payload"] = np.asarray(self._payloads, np.uint64)
        rows["subject"] = np.asarray(self._subjects, np.uint64)
        strays, salvaged = tuple(self._strays), tuple(self._salvaged)
        return FinalRead(self._stream, self._place, complete, rows, strays, why_incomplete, salvaged=salvaged)


def _pattern(template: str, *, prefixed: bool) -> re.Pattern[str]:
    parts = re.split("(" + "|".join(map(re.escape, _GAPS)) + ")", template)
    named, made = False, []
    for part in parts:
        again = part == "{key}" and named
        made.append("(?P=key)" if again else _GAPS.get(part, re.escape(part)))
        named = named or part == "{key}"
    return re.compile((r"(?:[^.]+\.)?" if prefixed else "") + "".join(made))


def key_of(subject: str) -> int:
    """The last token of a subject of the load; ANY_KEY where it is no key."""
    token = subject.rpartition(".")[2]
    return int(token) if token.isascii() and token.isdigit() and len(token) < 10 else ANY_KEY


@frozen(eq=False)
class Processing:
    """What the processes of one durable consumer recorded, in all regions together. ``rows`` are PROCESSING_ROW.

    ``drained``: in the end the consumer had acknowledged all that its stream held; only then is a message that
    nobody processed a skipped one. ``keys``: those it is filtered to, None for all. ``begins_ns``: what was sent
    before, by the ledger's clock, was in the stream before the consumer, which asks for what is new only.
    """

    consumer: str
    stream: str
    drained: bool
    rows: NDArray[np.void]
    keys: frozenset[int] | None = None
    begins_ns: int = 0

    def save(self, path: Path) -> None:
        header = {
            "schema": PROCESSING_SCHEMA,
            "consumer": self.consumer,
            "stream": self.stream,
            "drained": self.drained,
            "keys": None if self.keys is None else sorted(self.keys),
            "begins_ns": self.begins_ns,
        }
        write_new(path, header, self.rows.tobytes())


@frozen
class SavedCopy:
    """A copy in a file: loaded one at a time, so that ten million messages in each of several stay small."""

    path: Path

    def load(self) -> FinalRead:
        header, start = read_header(self.path, COPY_SCHEMA, OLD_COPY_SCHEMA)
        rows = _copy_rows(self.path, start, str(header["schema"]))
        strays = tuple(str(stray) for stray in header["strays"])
        return FinalRead(
            str(header["stream"]),
            str(header["place"]),
            bool(header["complete"]),
            rows,
            strays,
            header["why_incomplete"],
            bool(header.get("compared", False)),
            tuple(int(place) for place in header.get("salvaged", ())),
        )


def load_processing(path: Path) -> Processing:
    header, start = read_header(path, PROCESSING_SCHEMA)
    keys = None if header["keys"] is None else frozenset(int(key) for key in header["keys"])
    rows = _rows(path, start, PROCESSING_ROW)
    begins_ns = int(header.get("begins_ns", 0))
    return Processing(str(header["consumer"]), str(header["stream"]), bool(header["drained"]), rows, keys, begins_ns)


def processing(
    run: str,
    consumer: str,
    stream: str,
    drained: bool,
    processed: Sequence[tuple[str, int]],
    keys: frozenset[int] | None = None,
    begins_ns: int = 0,
) -> Processing:
    """From (message id, stream sequence) pairs as the consumer processes recorded them."""
    rows = np.zeros(len(processed), PROCESSING_ROW)
    rows["identity"] = np.fromiter((parse_identity(run, text) for text, _ in processed), np.uint64, len(processed))
    rows["stream_sequence"] = np.fromiter((sequence for _, sequence in processed), np.uint64, len(processed))
    return Processing(consumer, stream, drained, rows, keys, begins_ns)


@frozen(eq=False)
class Finals:
    copies: Sequence[FinalRead | SavedCopy] = ()
    processing: Sequence[Processing] = field(factory=tuple)


def read_finals(folder: Path) -> Finals:
    """All ``*.copy`` and ``*.processing`` files of an evidence folder."""
    return Finals(
        tuple(SavedCopy(path) for path in sorted(folder.glob("*.copy"))),
        tuple(load_processing(path) for path in sorted(folder.glob("*.processing"))),
    )


def _copy_rows(path: Path, start: int, schema: str) -> NDArray[np.void]:
    """An older version kept no payloads and no subjects."""
    if schema == COPY_SCHEMA:
        return _rows(path, start, COPY_ROW)
    old = _rows(path, start, OLD_COPY_ROW)
    rows = np.zeros(len(old), COPY_ROW)
    for name in ("identity", "stream_sequence", "key"):
        rows[name] = old[name]
    return rows


def _rows(path: Path, start: int, kind: np.dtype[np.void]) -> NDArray[np.void]:
    if (path.stat().st_size - start) % kind.itemsize:
        raise InputError.at(str(path), "ends within a row", "the file was changed after the drill wrote it")
    with path.open("rb") as file:
        file.seek(start)
        return np.fromfile(file, kind)
