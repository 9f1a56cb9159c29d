"""How fast streams are saved and brought back, beside what the machine could do at best.

On one real server and one stream of incompressible messages, in turn, several rounds, medians:

* plain read: the same snapshot, every byte thrown away;
* backup: to a folder, with checksums, manifest and all;
* restore: into an empty server, checksums compared;
* proof: the archive and the restored stream, both read for their digests and compared;
* file copy: the server's store folder, by shutil.

``python benchmarks/backup_bench.py [--mib 512] [--rounds 3]``. Goals: backup at 80 % or more of the plain read, restore
within 1.5 times the duration of the backup.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from attrs import define, field

import nats
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.nats.snapshot import open_snapshot
from secondsite.objects.address import parse_store
from secondsite.objects.store import Store

MESSAGE_BYTES = 2000
STREAM = "BENCH"


@define
class Times:
    """Seconds, one per round."""

    seconds: dict[str, list[float]] = field(factory=dict)

    def add(self, name: str, seconds: float) -> None:
        self.seconds.setdefault(name, []).append(seconds)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])


def start(folder: Path) -> tuple[subprocess.Popen[bytes], NatsPlace]:
    """A server on a port of its own choice."""
    folder.mkdir()
    config = folder / "server.conf"
    store = {"store_dir": str(folder / "store"), "max_file_store": 2**42}
    config.write_text(json.dumps({"listen": "127.0.0.1:-1", "ports_file_dir": str(folder), "jetstream": store}))
    binary = Path(sys.executable).parent / "nats-server"
    process = subprocess.Popen([binary, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ports = folder / f"nats-server_{process.pid}.ports"
    for _ in range(200):
        if ports.exists() and ports.stat().st_size:
            break
        time.sleep(0.05)
    time.sleep(0.5)
    return process, NatsPlace(parse_addresses(json.loads(ports.read_text())["nats"][0]), ConnectOptions())


async def load(place: NatsPlace, size: int) -> int:
    """Fill the stream; the bytes it holds."""
    client = await nats.connect(place.addresses[0].url)
    jetstream = client.jetstream(timeout=30, publish_async_max_pending=1000)
    await jetstream.add_stream(name=STREAM, subjects=["bench.>"])
    for number in range(size // MESSAGE_BYTES):
        await jetstream.publish_async(f"bench.{number % 100}", os.urandom(MESSAGE_BYTES))
    await jetstream.publish_async_completed()
    held = (await jetstream.stream_info(STREAM)).state.bytes
    await client.close()
    return held


async def plain_read(place: NatsPlace) -> None:
    async with (
        place.open() as jetstream,
        open_snapshot(jetstream, STREAM) as snapshot,
        aclosing(snapshot.chunks) as chunks,  # type: ignore[type-var] # an async generator
    ):
        async for _ in chunks:
            pass


async def delete(place: NatsPlace) -> None:
    async with place.open() as jetstream:
        await jetstream.ask(f"STREAM.DELETE.{STREAM}", timeout_s=60)


async def one_round(folder: Path, source: NatsPlace, target: NatsPlace, times: Times) -> None:
    store = Store(parse_store(f"file://{folder / 'backups'}"), make=True)
    begin = time.perf_counter()
    await plain_read(source)
    times.add("plain read", time.perf_counter() - begin)
    begin = time.perf_counter()
    manifest = await run_backup(source, store, BackupPlan(), Silent())
    times.add("backup", time.perf_counter() - begin)
    (outcome,) = await run_restore(target, store, manifest, RestorePlan(), Silent())
    if outcome.proof.verdict != "equal":
        raise SystemExit(f"the restored stream differs: {outcome}")
    times.add("restore", outcome.transfer_s)
    times.add("proof", outcome.proof_s)
    begin = time.perf_counter()
    shutil.copytree(folder / "source" / "store", folder / "copy")
    times.add("file copy", time.perf_counter() - begin)
    shutil.rmtree(folder / "copy")
    await store.delete_below(manifest.id)
    await delete(target)


def told(times: Times, size: int) -> str:
    """The table, and the two ratios that are promised."""
    lines = [
        f"{name:<12}{times.median(name):8.2f} s {size / times.median(name) / 1e6:8.0f} MB/s" for name in times.seconds
    ]
    fraction = times.median("plain read") / times.median("backup")
    factor = times.median("restore") / times.median("backup")
    lines.append(f"backup runs at {fraction:.0%} of the plain read (goal 80 % or more)")
    lines.append(f"restore takes {factor:.2f} times the backup (goal 1.5 or less)")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=512, help="size of the stream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder without")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, times = Path(name), Times()
        (first, source), (second, target) = start(folder / "source"), start(folder / "target")
        try:
            size = asyncio.run(load(source, options.mib * 1024**2))
            for _ in range(options.rounds):
                asyncio.run(one_round(folder, source, target, times))
        finally:
            for process in (first, second):
                process.terminate()
                process.wait()
        print(f"one stream of {size / 1e6:.0f} MB, {options.rounds} rounds, medians, {os.cpu_count()} cores")
        print(told(times, size))


if __name__ == "__main__":
    main()
