"""How fast streams are saved and brought back, beside what the machine could do at best.

On one real server and one stream of incompressible messages, in turn, several rounds, medians:

* plain read: the same snapshot, every byte thrown away;
* backup: to a folder, with checksums, manifest and all;
* plain restore: the same archive from memory, sent by a client of twenty lines that looks at nothing;
* restore: into an empty server, checksums compared;
* proof: the archive and the restored stream, both read for their digests and compared;
* file copy: the server's store folder, by shutil.

``python benchmarks/backup_bench.py [--mib 512] [--message-bytes 2000] [--rounds 3]``. Goals: backup at 80 % or more of
the plain read; restore within 1.5 times the duration of the backup, or, where the server itself needs longer to take
the messages in, within 1.25 times the plain restore; the proof at least as fast as the restore. Exit code 1 when one is
missed.
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
from nats.aio.msg import Msg

import nats
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.nats.snapshot import open_snapshot
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

BATCH = 5000
PLAIN_CHUNK_BYTES, PLAIN_CHUNKS_AT_ONCE = 512 * 1024, 16
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


async def load(place: NatsPlace, size: int, message_bytes: int) -> int:
    """Fill the stream; the bytes it holds. One acknowledgement per batch, as messages of a connection stay in order."""
    client = await nats.connect(place.addresses[0].url)
    jetstream = client.jetstream(timeout=60)
    await jetstream.add_stream(name=STREAM, subjects=["bench.>"])
    count = size // message_bytes
    for start in range(0, count, BATCH):
        end = min(count, start + BATCH)
        for number in range(start, end - 1):
            await client.publish(f"bench.{number % 100}", os.urandom(message_bytes))
        assert (await jetstream.publish("bench.last", os.urandom(message_bytes))).seq == end
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


async def plain_restore(place: NatsPlace, folder: Path, stream: str = STREAM) -> None:
    """As the nats command restores a folder, with chunks sent ahead."""
    client = await nats.connect(place.addresses[0].url)
    request = (folder / "backup.json").read_bytes()
    answer = json.loads((await client.request(f"$JS.API.STREAM.RESTORE.{stream}", request, timeout=30)).data)
    archive, inbox, free = (folder / "stream.arc.s2").read_bytes(), client.new_inbox(), asyncio.Semaphore(0)
    done = asyncio.get_running_loop().create_future()

    async def heard(message: Msg) -> None:
        if message.data:
            done.set_result(json.loads(message.data))
        free.release()

    await client.subscribe(inbox, cb=heard)
    for number, start in enumerate(range(0, len(archive), PLAIN_CHUNK_BYTES)):
        if number >= PLAIN_CHUNKS_AT_ONCE:
            await free.acquire()
        await client.publish(answer["deliver_subject"], archive[start : start + PLAIN_CHUNK_BYTES], reply=inbox)
    await client.publish(answer["deliver_subject"], b"", reply=inbox)
    assert "error" not in await done
    await client.close()


async def delete(place: NatsPlace) -> None:
    async with place.open() as jetstream:
        await jetstream.ask(f"STREAM.DELETE.{STREAM}", timeout_s=60)


async def one_round(folder: Path, source: NatsPlace, target: NatsPlace, times: Times) -> None:
    store = ObjectStorage(parse_store(f"file://{folder / 'backups'}"), make=True)
    begin = time.perf_counter()
    await plain_read(source)
    times.add("plain read", time.perf_counter() - begin)
    begin = time.perf_counter()
    manifest = await run_backup(source, store, BackupPlan(), Silent())
    times.add("backup", time.perf_counter() - begin)
    begin = time.perf_counter()
    await plain_restore(target, folder / "backups" / manifest.id / "streams" / STREAM)
    times.add("plain restore", time.perf_counter() - begin)
    await delete(target)
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


def table(times: Times, size: int) -> str:
    return "\n".join(
        f"{name:<14}{times.median(name):8.2f} s {size / times.median(name) / 1e6:8.0f} MB/s" for name in times.seconds
    )


def judged(times: Times) -> list[tuple[bool, str]]:
    """The goals, each with whether it is met."""
    fraction = times.median("plain read") / times.median("backup")
    factor = times.median("restore") / times.median("backup")
    beside = times.median("restore") / times.median("plain restore")
    proof = times.median("restore") / times.median("proof")
    return [
        (proof >= 1.0, f"the proof runs at {proof:.0%} of the restore's speed (goal 100 % or more)"),
        (fraction >= 0.8, f"backup runs at {fraction:.0%} of the plain read (goal 80 % or more)"),
        (
            factor <= 1.5 or beside <= 1.25,
            f"restore takes {factor:.2f} times the backup (goal 1.5 or less) and {beside:.2f} times the plain restore "
            "(1.25 or less where the server is what takes the time)",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=512, help="size of the stream")
    parser.add_argument("--message-bytes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder without")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, times = Path(name), Times()
        (first, source), (second, target) = start(folder / "source"), start(folder / "target")
        try:
            size = asyncio.run(load(source, options.mib * 1024**2, options.message_bytes))
            for _ in range(options.rounds):
                asyncio.run(one_round(folder, source, target, times))
        finally:
            for process in (first, second):
                process.terminate()
                process.wait()
        messages = options.mib * 1024**2 // options.message_bytes
        held = f"one stream of {size / 1e6:.0f} MB, {messages} messages of {options.message_bytes} bytes"
        print(f"{held}, {options.rounds} rounds, medians, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(table(times, size))
        goals = judged(times)
        for met, told in goals:
            print(f"{'met   ' if met else 'MISSED'}  {told}")
        sys.exit(0 if all(met for met, _ in goals) else 1)


if __name__ == "__main__":
    main()
