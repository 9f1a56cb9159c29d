"""The checker over ten million ledger entries: how many a second, and how much memory at its peak.

Writes the ledgers of two clients (five million writes, with intent and acknowledgement each), two surviving copies
of their stream and what one consumer processed, with known faults planted, then checks them in a process of its own,
so that the peak is the checker's. Exit code 1 when it is above 1 GiB or 60 s, or finds anything but what was planted.

    python benchmarks/checker.py [ENTRIES]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bulk_ledger import write_bulk

from secondsite.drill.check.checker import check
from secondsite.drill.check.rpo import rpo
from secondsite.drill.ledger.finals import COPY_ROW, PROCESSING_ROW, FinalRead, Processing, read_finals
from secondsite.drill.ledger.history import read_history
from secondsite.drill.ledger.ledger import LedgerHeader, LedgerStream, ledgers_in
from secondsite.drill.ledger.record import RECORD, RecordKind, Status

CLIENTS, KEYS, LOST, TWICE = 2, 1000, 1234, 77
PEAK_LIMIT_MIB, LIMIT_S = 1024, 60


def write(folder: Path, entries: int) -> None:
    writes = entries // 2 // CLIENTS
    for client in range(CLIENTS):
        records = np.zeros(2 * writes, RECORD)
        number = np.repeat(np.arange(writes), 2)
        records["monotonic_ns"] = np.arange(2 * writes) * 1000 + client
        records["sequence"], records["key"] = number, number % KEYS
        records["kind"] = np.tile([RecordKind.INTENT, RecordKind.OUTCOME], writes)
        records["status"][1::2] = Status.STORED
        records["stream_sequence"][1::2] = number[1::2] * CLIENTS + client + 1
        records["payload_bytes"] = 1024
        header = LedgerHeader("bench", client, (LedgerStream("EVENTS", "events.load"),))
        write_bulk(folder / f"client-{client}.ledger", header, records)
    rows = np.zeros(writes * CLIENTS, COPY_ROW)
    order = np.arange(writes * CLIENTS)
    rows["identity"] = (order % CLIENTS).astype("u8") << np.uint64(32) | (order // CLIENTS).astype("u8")
    rows["stream_sequence"], rows["key"] = order + 1, order // CLIENTS % KEYS
    mirror = rows[:-LOST]
    FinalRead("EVENTS", "west", True, mirror).save(folder / "EVENTS-west.copy")
    FinalRead("EVENTS", "east", True, mirror[: len(mirror) // 2]).save(folder / "EVENTS-east.copy")
    seen = np.zeros(len(mirror) + TWICE, PROCESSING_ROW)
    for name in ("identity", "stream_sequence"):
        seen[name] = np.concatenate([mirror[name], mirror[name][:TWICE]])
    Processing("metering", "EVENTS", True, seen).save(folder / "metering.processing")


def measure(folder: Path) -> None:
    begin, begin_cpu = time.perf_counter(), time.process_time()
    history = read_history(ledgers_in(folder))
    read_s = time.perf_counter() - begin
    findings = check(history, read_finals(folder))
    whole = rpo(history, findings, int(history.ack_ns.max()))
    seconds, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    found = {name: count for name, count in findings.counts().items() if count}
    result = {
        "entries": 2 * len(history),
        "read_s": read_s,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "peak_mib": peak_kib / 1024,
    }
    print(json.dumps({**result, "found": found, "lost": whole.messages}))


def main() -> int:
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]))
        return 0
    entries = int(sys.argv[1]) if sys.argv[1:] else 10_000_000
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), entries)
        command = [sys.executable, __file__, "--measure", name]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"checker: {result['entries']:,} entries in {result['seconds']:.1f} s, {result['cpu_s']:.1f} s of processor")
    print(f"         {result['entries'] / result['seconds']:,.0f} entries/s, peak memory {result['peak_mib']:.0f} MiB")
    planted = {
        "acknowledged-present": result["entries"] // 2 - LOST,
        "acknowledged-lost": LOST,
        "processed-twice": TWICE,
    }
    right = result["found"] == planted and result["lost"] == LOST
    print(f"         found exactly what was planted: {'yes' if right else result['found']}")
    return 0 if right and result["peak_mib"] < PEAK_LIMIT_MIB and result["seconds"] < LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
