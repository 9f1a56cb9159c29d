"""The ledgers of a run as columns, one row per intent: what the checker and the clocks compute on.

Times are monotonic: a wall clock that jumps changes nothing here.
A row is found from an identity by arithmetic, never by search, so that ten million intents stay small and quick.
Retries of a message are one intent; its acknowledgement is the first that came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from secondsite.drill.ledger.ledger import LedgerHeader, LedgerStream, read_chunks, read_ledger_header
from secondsite.drill.ledger.record import NEVER, STRAY, RecordKind, Records, Status, message_id
from secondsite.model.errors import InputError

_CLIENTS = 1 << 16
_COLUMNS = {
    "intent_ns": "i8",
    "ack_ns": "i8",
    "stream_sequence": "u8",
    "key": "u4",
    "payload_bytes": "u4",
    "endpoint": "u4",
    "stream": "u2",
    "attempts": "u2",
    "purpose": "u1",
    "status": "u1",
}


@frozen
class Erasure:
    """What an operator removed; ``confirmed_ns`` is NEVER where nobody saw it done. See `Kind` for the scope."""

    purge: bool
    stream: int
    stream_sequence: int
    key: int
    asked_ns: int
    confirmed_ns: int


@frozen(eq=False)
class History:
    """``ack_ns`` is NEVER without an acknowledgement; ``stream_sequence`` is 0 where none was told (a 202).

    ``endpoint`` is where the acknowledgement came from; ``status`` the acknowledging one, else the last outcome,
    else 0. ``attempts`` counts the retries. ``base`` is the row of each client's first intent, ``counts`` how many
    it made.
    """

    run: str
    streams: tuple[LedgerStream, ...]
    base: NDArray[np.int64]
    counts: NDArray[np.int64]
    intent_ns: NDArray[np.int64]
    ack_ns: NDArray[np.int64]
    stream_sequence: NDArray[np.uint64]
    key: NDArray[np.uint32]
    payload_bytes: NDArray[np.uint32]
    endpoint: NDArray[np.uint32]
    stream: NDArray[np.uint16]
    attempts: NDArray[np.uint16]
    purpose: NDArray[np.uint8]
    status: NDArray[np.uint8]
    erasures: tuple[Erasure, ...] = ()
    outcomes: Mapping[Status, int] = field(factory=dict)

    def __len__(self) -> int:
        return len(self.intent_ns)

    def only(self, *streams: int) -> History:
        """The intents for some streams. Rows are no longer found by identity in it."""
        mine = np.isin(self.stream, streams)
        columns = {name: getattr(self, name)[mine] for name in _COLUMNS}
        columns["stream"] = np.searchsorted(sorted(streams), columns["stream"]).astype(columns["stream"].dtype)
        places = {number: place for place, number in enumerate(sorted(streams))}
        erasures = tuple(evolve(one, stream=places[one.stream]) for one in self.erasures if one.stream in places)
        return evolve(self, streams=tuple(self.streams[each] for each in places), erasures=erasures, **columns)

    @property
    def acknowledged(self) -> NDArray[np.bool_]:
        return np.not_equal(self.ack_ns, NEVER)

    def rows(self, identities: NDArray[np.uint64], stream: int) -> NDArray[np.int64]:
        """The row of each identity; -1 where no client intended it, or not for this stream."""
        client = (identities >> np.uint64(32)).astype(np.int64)
        known = (client < _CLIENTS) & (identities != STRAY)
        client[~known] = 0
        sequence = (identities & np.uint64(0xFFFF_FFFF)).astype(np.int64)
        known &= sequence < self.counts[client]
        rows = self.base[client] + sequence
        rows[~known] = 0
        if len(self):
            known &= self.stream[rows] == stream
        rows[~known] = -1
        return rows

    def message_ids(self, rows: NDArray[np.int64]) -> list[str]:
        ends = self.base + self.counts
        clients = np.flatnonzero(self.counts)
        order = clients[np.argsort(self.base[clients])]
        owners = order[np.searchsorted(ends[order], rows, side="right")]
        return [
            message_id(self.run, int(client), int(row - self.base[client]))
            for client, row in zip(owners, rows, strict=True)
        ]


def read_history(paths: Sequence[Path]) -> History:
    """All ledgers of one run; raises InputError where they are not of one run, or not as a client writes them."""
    if not paths:
        raise InputError.at("ledger", "no ledger", "give the folder of a drill that ran its load")
    headers = {path: read_ledger_header(path) for path in paths}
    first = max(headers.values(), key=lambda header: len(header.streams))
    base, counts = np.zeros(_CLIENTS, np.int64), np.zeros(_CLIENTS, np.int64)
    total = 0
    for path, header in headers.items():
        _same_run(path, header, first, counts)
        count = _count_intents(path)
        base[header.client], counts[header.client] = total, max(count, 0)
        total += count
    columns = {name: np.zeros(total, kind) for name, kind in _COLUMNS.items()}
    columns["ack_ns"][:] = NEVER
    tally = np.zeros(len(Status) + 1, np.int64)
    erasures: list[Erasure] = []
    for path, header in headers.items():
        start = int(base[header.client])
        mine = {name: column[start : start + int(counts[header.client])] for name, column in columns.items()}
        for records in read_chunks(path):
            _take_intents(path, mine, records)
            tally += _take_outcomes(path, mine, records)
            _take_erasures(erasures, records)
    outcomes = {status: int(tally[status]) for status in Status}
    return History(first.run, first.streams, base, counts, **columns, erasures=tuple(erasures), outcomes=outcomes)


def _same_run(path: Path, header: LedgerHeader, first: LedgerHeader, counts: NDArray[np.int64]) -> None:
    """Old writes that are kept know no stores, which stand behind the streams."""
    known = first.streams[: len(header.streams)]
    if (header.run, header.streams) != (first.run, known) or any(
        not each.store for each in first.streams[len(known) :]
    ):
        raise InputError.at(str(path), "a ledger of another run", "check the ledgers of one drill at a time")
    if counts[header.client]:
        raise InputError.at(str(path), f"a second ledger of client {header.client}", "give each client its own number")


def _count_intents(path: Path) -> int:
    return sum(
        int(np.count_nonzero((records["kind"] == RecordKind.INTENT) & (records["attempt"] == 0)))
        for records in read_chunks(path)
    )


def _take_intents(path: Path, mine: Mapping[str, NDArray[np.generic]], records: Records) -> None:
    intents = records[(records["kind"] == RecordKind.INTENT) & (records["attempt"] == 0)]
    rows = intents["sequence"]
    _check(path, bool((rows < len(mine["key"])).all()), "an intent is missing")
    for name in ("key", "payload_bytes", "stream"):
        mine[name][rows] = intents[name]
    mine["intent_ns"][rows] = intents["monotonic_ns"]
    again = records[(records["kind"] == RecordKind.INTENT) & (records["attempt"] > 0)]
    _check(path, bool((again["sequence"] < len(mine["key"])).all()), "a retry without an intent")
    np.maximum.at(mine["attempts"], again["sequence"], again["attempt"])
    mine["purpose"][rows] = intents["status"]


def _take_outcomes(path: Path, mine: Mapping[str, NDArray[np.generic]], records: Records) -> NDArray[np.int64]:
    """How often each status came. Backwards, so that of several the first acknowledgement is what stays."""
    outcomes = records[records["kind"] == RecordKind.OUTCOME]
    _check(path, bool((outcomes["sequence"] < len(mine["key"])).all()), "an outcome without an intent")
    tally = np.bincount(outcomes["status"], minlength=len(Status) + 1)
    _check(path, len(tally) == len(Status) + 1 and not tally[0], "an outcome with an unknown status")
    open_still = outcomes[mine["ack_ns"][outcomes["sequence"]] == NEVER]
    mine["status"][open_still["sequence"]] = open_still["status"]
    acks = open_still[open_still["status"] <= Status.BUFFERED][::-1]
    rows = acks["sequence"]
    mine["ack_ns"][rows] = acks["monotonic_ns"]
    for name in ("status", "stream_sequence", "endpoint"):
        mine[name][rows] = acks[name]
    return tally


def _take_erasures(erasures: list[Erasure], records: Records) -> None:
    """A confirmation closes the latest open request of the same scope."""
    for record in records[records["kind"] >= RecordKind.PURGE]:
        kind = RecordKind(int(record["kind"]))
        scope = int(record["stream"]), int(record["stream_sequence"]), int(record["key"])
        at_ns = int(record["monotonic_ns"])
        purge = kind in (RecordKind.PURGE, RecordKind.PURGED)
        if kind in (RecordKind.PURGE, RecordKind.DELETE):
            erasures.append(Erasure(purge, *scope, at_ns, NEVER))
            continue
        for place in reversed(range(len(erasures))):
            asked = erasures[place]
            same = asked.purge == purge and (asked.stream, asked.stream_sequence, asked.key) == scope
            if same and asked.confirmed_ns == NEVER:
                erasures[place] = Erasure(purge, *scope, asked.asked_ns, at_ns)
                break


def _check(path: Path, holds: bool, what: str) -> None:
    if not holds:
        raise InputError.at(str(path), what, "the file was changed after the drill wrote it: run the drill again")


def stream_index(history: History, name: str) -> int:
    """Raises InputError for a stream that the load never wrote to."""
    names = [stream.name for stream in history.streams]
    if name not in names:
        raise InputError.at(
            name, "a final read of a stream that is in no ledger", f"the ledgers know {', '.join(names)}"
        )
    return names.index(name)
