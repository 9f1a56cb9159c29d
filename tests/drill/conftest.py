"""Histories and copies made up from small parts, through the very files that a drill writes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from attrs import field, frozen
from bulk_ledger import write_bulk

from secondsite.drill.ledger.finals import COPY_ROW, FinalRead
from secondsite.drill.ledger.history import History, read_history
from secondsite.drill.ledger.ledger import LedgerHeader, LedgerStream
from secondsite.drill.ledger.record import ANY_KEY, RECORD, STRAY, Purpose, RecordKind, Records, Status

STREAMS = (
    LedgerStream("EVENTS", "events.load"),
    LedgerStream("OTHER", "other.load"),
    LedgerStream("KV_c", "$KV.c", True),
)


@frozen
class Write:
    """One intent. ``ack_ns`` None: never acknowledged. Identity: client and place among the client's writes."""

    intent_ns: int
    ack_ns: int | None
    key: int = 0
    client: int = 0
    stream: int = 0
    purpose: Purpose = Purpose.WRITE
    status: Status = Status.STORED
    stream_sequence: int = 0
    payload_bytes: int = 100
    endpoint: int = 0


@frozen
class Event:
    """A record that is no write's: a purge or a delete, asked or confirmed."""

    at_ns: int
    kind: RecordKind
    stream: int = 0
    stream_sequence: int = 0
    key: int = ANY_KEY


@frozen
class Made:
    """``identities`` of the writes, in their order."""

    history: History
    identities: tuple[int, ...] = field(factory=tuple)


Make = Callable[..., Made]


def _records(writes: Sequence[Write], events: Iterable[Event], client: int) -> Records:
    rows: list[tuple[int, ...]] = []
    mine = [write for write in writes if write.client == client]
    for sequence, write in enumerate(mine):
        same = (write.key, 0, write.payload_bytes, write.stream, 0)
        rows.append((write.intent_ns, 0, 0, sequence, *same, RecordKind.INTENT, write.purpose, 0))
        told = (write.key, write.endpoint, 0, write.stream, 0, RecordKind.OUTCOME)
        if write.ack_ns is None:
            rows.append((write.intent_ns + 1, 0, 0, sequence, *told, Status.UNKNOWN, 0))
        else:
            rows.append((write.ack_ns, 0, write.stream_sequence, sequence, *told, write.status, 0))
    if client == 0:
        rows += [
            (each.at_ns, 0, each.stream_sequence, 0, each.key, 0, 0, each.stream, 0, each.kind, 0, 0) for each in events
        ]
    # An outcome stands behind its intent also where both have one time.
    rows.sort(key=lambda row: (row[0], row[-3]))
    return np.array(rows, RECORD)


@pytest.fixture(scope="session")
def make() -> Make:
    def made(writes: Sequence[Write], events: Iterable[Event] = ()) -> Made:
        clients = sorted({write.client for write in writes} | {0})
        counts = dict.fromkeys(clients, 0)
        identities = []
        for write in writes:
            identities.append(write.client << 32 | counts[write.client])
            counts[write.client] += 1
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{client}.ledger" for client in clients]
            for path, client in zip(paths, clients, strict=True):
                write_bulk(path, LedgerHeader("r1", client, STREAMS), _records(writes, list(events), client))
            return Made(read_history(paths), tuple(identities))

    return made


@pytest.fixture(scope="session")
def copy_of() -> Callable[..., FinalRead]:
    """A copy with these identities (None: a stray) in this order, from sequence 1 on."""

    def copied(
        identities: Sequence[int | None], stream: str = "EVENTS", *, place: str = "west", complete: bool = True
    ) -> FinalRead:
        rows = np.zeros(len(identities), COPY_ROW)
        rows["identity"] = [STRAY if identity is None else identity for identity in identities]
        rows["stream_sequence"] = np.arange(len(identities)) + 1
        strays = tuple("stranger" for identity in identities if identity is None)
        return FinalRead(
            stream, place, complete, rows, strays, "" if complete else "the server went away", compared=False
        )

    return copied
