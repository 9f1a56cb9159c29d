"""Why a load gets no answers: the system, in its server's words, told apart from a machine that is too slow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bulk_ledger import write_bulk
from nats_world import Server

from secondsite.drill.ledger.history import History, read_history
from secondsite.drill.ledger.ledger import LedgerHeader, LedgerStream
from secondsite.drill.ledger.record import RECORD, RecordKind, Status
from secondsite.drill.play.load_streams import why_unacknowledged
from secondsite.model.errors import InputError, MachineError, SecondsiteError
from secondsite.nats.streams import StreamApi

NAMES = ("TAKES", "FULL", "SMALL", "SEALED", "NOWHERE", "BEHIND")
STREAMS = tuple(LedgerStream(name, name.lower(), templates=(f"{name.lower()}.{{key}}",)) for name in NAMES)
WHAT = "0 of 100 writes a second are acknowledged"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    try:
        found.start()
        yield found
    finally:
        found.kill()


def acknowledged(folder: Path, *numbers: int) -> History:
    """One write to each stream; those of these streams came back."""
    rows = [(10, 0, 0, number, 0, 0, 100, number, 0, RecordKind.INTENT, 0, 0) for number in range(len(STREAMS))]
    rows += [(20, 0, 1, number, 0, 0, 0, number, 0, RecordKind.OUTCOME, Status.STORED, 0) for number in numbers]
    path = folder / f"{len(numbers)}.ledger"
    write_bulk(path, LedgerHeader("r1", 0, STREAMS), np.array(rows, RECORD))
    return read_history([path])


async def why(server: Server, history: History) -> SecondsiteError:
    async with server.place.open() as jetstream:
        streams = StreamApi(jetstream)
        await streams.create({"name": "TAKES", "subjects": ["takes.*"]})
        await streams.create({"name": "FULL", "subjects": ["full.*"], "max_msgs": 1, "discard": "new"})
        await streams.publish("full.0", b"x", {})
        await streams.create({"name": "SMALL", "subjects": ["small.*"], "max_msg_size": 64})
        await streams.create({"name": "BEHIND", "subjects": ["behind.*"]})
        sealed = {"name": "SEALED", "subjects": ["sealed.*"]}
        await streams.create(sealed)
        await streams.update({**sealed, "sealed": True})
    return await why_unacknowledged(WHAT, STREAMS, history, server.place, payload_bytes=1024)


@pytest.mark.slow
def test_what_the_server_refuses_is_told_in_its_words(server: Server, tmp_path: Path) -> None:
    found = asyncio.run(why(server, acknowledged(tmp_path, 0)))
    assert isinstance(found, InputError)
    text = str(found)
    assert text.startswith(f"secondsite.yaml: {WHAT}; FULL: a write on full.0 is answered: ")
    assert "maximum messages exceeded (10077)" in text
    assert "SMALL: a write on small.0 is answered: message size exceeds maximum allowed (10054)" in text
    assert "BEHIND: a write on behind.0 is answered: the stream itself accepts it" in text
    assert "SEALED: a write on sealed.0 is answered: " in text
    assert "(10109)" in text
    assert "NOWHERE: a write on nowhere.0 is answered: no stream listens" in text
    assert "TAKES" not in text


def test_where_every_stream_takes_writes_the_machine_is_too_slow(tmp_path: Path) -> None:
    everything = acknowledged(tmp_path, *range(len(STREAMS)))
    found = asyncio.run(why_unacknowledged(WHAT, STREAMS, everything, Server(tmp_path).place, payload_bytes=1))
    assert isinstance(found, MachineError)
    assert "lower --rate, or stop other work on this machine" in str(found)
