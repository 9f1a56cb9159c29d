"""A ledger survives what kills its client, and refuses what nobody could trust."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.drill.ledger.history import read_history
from secondsite.drill.ledger.ledger import Ledger, LedgerHeader, LedgerStream, read_chunks, read_ledger_header
from secondsite.drill.ledger.record import (
    NEVER,
    RECORD,
    STRAY,
    Purpose,
    RecordKind,
    Status,
    address,
    endpoint,
    identity,
    message_id,
    parse_identity,
)
from secondsite.model.errors import InputError, MachineError

HEADER = LedgerHeader("r1", 3, (LedgerStream("EVENTS", "events.load"), LedgerStream("KV_c", "$KV.c", kv=True)))


def _written(path: Path, intents: int = 3) -> None:
    with Ledger.create(path, HEADER) as ledger:
        for number in range(intents):
            sequence = ledger.intend(0, number % 2, 100, endpoint("127.1.0.81"))
            ledger.outcome(sequence, 0, number % 2, Status.STORED, stream_sequence=number + 1)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.ledger"
    with Ledger.create(path, HEADER) as ledger:
        first = ledger.intend(0, 7, 100)
        ledger.outcome(first, 0, 7, Status.UNKNOWN)
        ledger.retry(first, 0, 7, 100, attempt=1)
        ledger.outcome(first, 0, 7, Status.STORED, stream_sequence=41, attempt=1, endpoint=endpoint("127.2.0.81"))
        ledger.outcome(first, 0, 7, Status.STORED, stream_sequence=42, attempt=1)
        second = ledger.intend(1, 9, 5, purpose=Purpose.TOMBSTONE)
        ledger.erasure(RecordKind.PURGE, 0)
        ledger.erasure(RecordKind.PURGED, 0)
        ledger.erasure(RecordKind.DELETE, 0, 5)
    history = read_history([path])
    assert read_ledger_header(path) == HEADER
    assert (first, second, len(history)) == (0, 1, 2)
    assert history.intent_ns[0] < history.ack_ns[0] < history.intent_ns[1]
    assert history.ack_ns[1] == NEVER
    assert history.stream_sequence.tolist() == [41, 0]
    assert address(int(history.endpoint[0])) == "127.2.0.81"
    assert history.status.tolist() == [Status.STORED, 0]
    assert history.purpose.tolist() == [Purpose.WRITE, Purpose.TOMBSTONE]
    assert history.outcomes[Status.UNKNOWN] == 1
    assert history.outcomes[Status.STORED] == 2
    purge, delete = history.erasures
    assert purge.asked_ns < purge.confirmed_ns < NEVER
    assert (delete.purge, delete.stream_sequence, delete.confirmed_ns) == (False, 5, NEVER)
    assert history.message_ids(np.array([1])) == ["r1.3.1"]


@given(cut=st.integers(0, 6 * RECORD.itemsize))
def test_a_torn_tail_costs_only_the_record_it_tore(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("torn") / "c.ledger"
    _written(path)
    os.truncate(path, path.stat().st_size - cut)
    left = sum(len(records) for records in read_chunks(path))
    assert left == (6 * RECORD.itemsize - cut) // RECORD.itemsize


def test_zeros_that_a_crash_left_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "c.ledger"
    _written(path)
    with path.open("ab") as file:
        file.write(bytes(5 * RECORD.itemsize))
    assert sum(len(records) for records in read_chunks(path)) == 6
    assert sum(len(records) for records in read_chunks(path, chunk_records=4)) == 6


@given(place=st.integers(0, RECORD.itemsize * 8 - 1))
def test_a_changed_bit_ends_the_ledger_there(place: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bit") / "c.ledger"
    _written(path)
    data = bytearray(path.read_bytes())
    data[len(data) - RECORD.itemsize + place // 8] ^= 1 << place % 8
    path.write_bytes(data)
    assert sum(len(records) for records in read_chunks(path)) == 5


@pytest.mark.parametrize("chunk_records", [2, 4, 100])
def test_damage_with_sound_records_behind_it_is_no_tail(chunk_records: int, tmp_path: Path) -> None:
    path = tmp_path / "c.ledger"
    _written(path)
    data = bytearray(path.read_bytes())
    data[len(data) - 3 * RECORD.itemsize] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="it contains a damaged record"):
        list(read_chunks(path, chunk_records))


def test_a_wall_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter(range(10**18, 0, -(10**15)))
    monkeypatch.setattr(time, "time_ns", lambda: next(jumps))
    _written(tmp_path / "c.ledger")
    history = read_history([tmp_path / "c.ledger"])
    assert (np.diff(history.intent_ns) > 0).all()
    assert ((history.ack_ns - history.intent_ns) < 10**9).all()


def test_a_ledger_is_never_overwritten(tmp_path: Path) -> None:
    _written(tmp_path / "c.ledger")
    with pytest.raises(InputError, match="a ledger exists already"):
        Ledger.create(tmp_path / "c.ledger", HEADER)


@pytest.mark.parametrize("short", [True, False])
def test_a_full_disk_ends_the_client_with_the_remedy(
    short: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.create(tmp_path / "c.ledger", HEADER)

    def full(descriptor: int, data: bytes) -> int:
        if short:
            return len(data) // 2
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(MachineError, match=r"No space left on device; free space"):
            ledger.intend(0, 1, 1)
    ledger.close()
    assert ledger.next_sequence == 0


def test_a_folder_that_cannot_hold_a_ledger_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="could not be written"):
        Ledger.create(tmp_path / "none" / "c.ledger", HEADER)


@pytest.mark.parametrize("content", [b"", b"SSRECS01", b"{}", b"SSRECS01" + b"\xff" * 64])
def test_a_file_that_is_no_ledger_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c.ledger"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a file of secondsite/ledger/1"):
        read_history([path])


def test_ledgers_of_two_runs_are_not_one_history(tmp_path: Path) -> None:
    Ledger.create(tmp_path / "a.ledger", HEADER).close()
    Ledger.create(tmp_path / "b.ledger", LedgerHeader("r2", 4, HEADER.streams)).close()
    with pytest.raises(InputError, match="a ledger of another run"):
        read_history([tmp_path / "a.ledger", tmp_path / "b.ledger"])


def test_two_ledgers_of_one_client_are_refused(tmp_path: Path) -> None:
    for name in ("a.ledger", "b.ledger"):
        _written(tmp_path / name)
    with pytest.raises(InputError, match="a second ledger of client 3"):
        read_history([tmp_path / "a.ledger", tmp_path / "b.ledger"])


def test_no_ledger_is_said_so() -> None:
    with pytest.raises(InputError, match="no ledger"):
        read_history([])


def test_an_outcome_of_no_intent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.ledger"
    with Ledger.create(path, HEADER) as ledger:
        ledger.outcome(9, 0, 0, Status.STORED)
    with pytest.raises(InputError, match="an outcome without an intent"):
        read_history([path])


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF))
def test_an_id_is_rebuilt_from_its_numbers(client: int, sequence: int) -> None:
    assert parse_identity("r1", message_id("r1", client, sequence)) == identity(client, sequence)


@pytest.mark.parametrize(
    "text", ["", "r1", "r1.0", "r1.00.1", "r1.0.01", "r1.0.1.2", "r2.0.1", "r1.65536.0", "r1.0.4294967296", "r1.+1.0"]
)
def test_what_no_client_writes_is_a_stray(text: str) -> None:
    assert parse_identity("r1", text) == STRAY


@given(st.text(alphabet="r1.0²+- x", max_size=12))
def test_any_other_spelling_is_a_stray(text: str) -> None:
    parsed = parse_identity("r1", text)
    assert parsed == STRAY or message_id("r1", parsed >> 32, parsed & 0xFFFF_FFFF) == text
