"""How fast an archive ships and brings back, beside what the machine could do at best.

On real servers, in turn, several rounds, medians:

* plain consumer: an ordered consumer of the same stream that throws every message away;
* ship: the archive's first checkpoint over it, to a folder, compressed, with its index;
* plain restore: the server's own snapshot of it, from memory, sent by a client that looks at nothing;
* restore: the archive's newest moment into an empty server, checksums compared, without the proof.

Then the memory of an archiver of a thousand streams that each get a message between two checkpoints, in a process of
its own. And the loss of a region: a server that takes up to 500 messages a second and its archiver (``--every 2s``) are
killed at once, the archive is restored, and the first acknowledged message that it lacks tells the RPO. And what
writers notice of an archiver: how many messages a second one of them gets acknowledged, alone and beside it, in turn.

``python benchmarks/archive_bench.py [--mib 128] [--message-bytes 1024] [--rounds 3] [--streams 1000]``. Goals: 50 MB/s
or 20,000 messages/s, or 80 % of the plain consumer; restore at 80 % or more of the plain restore; memory below 256 MiB;
RPO of at most the interval and 2 s.
Exit code 1 when one is missed.
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
from pathlib import Path

from backup_bench import STREAM, Times, delete, load, plain_restore, start, table

import nats
from secondsite.archive.chain import Chain
from secondsite.archive.daemon import archive_once
from secondsite.archive.plan import ArchivePlan
from secondsite.archive.travel import Wanted, reader_of, travel
from secondsite.backup.codec import Keys
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, restore_from
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

EVERY_S, LOAD_S, LOSSES = 2.0, 5.0, 5
MEMORY_GOAL_MIB, SPEED_GOAL_MB_S, RATE_GOAL = 256, 50, 20_000


async def plain_consumer(place: NatsPlace, count: int) -> None:
    """As a client reads a stream from end to end."""
    client = await nats.connect(place.addresses[0].url)
    arrived, done = 0, asyncio.Event()

    async def heard(_: object) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == count:
            done.set()

    await client.jetstream().subscribe(
        "bench.>", stream=STREAM, ordered_consumer=True, cb=heard, pending_msgs_limit=-1, pending_bytes_limit=-1
    )
    await done.wait()
    await client.close()


async def one_round(folder: Path, source: NatsPlace, target: NatsPlace, count: int, times: Times) -> None:
    begin = time.perf_counter()
    await plain_consumer(source, count)
    times.add("plain consumer", time.perf_counter() - begin)
    store = ObjectStorage(parse_store(f"file://{folder / 'archive'}"), make=True)
    begin = time.perf_counter()
    shipped = await archive_once(source, store, ArchivePlan())
    times.add("ship", time.perf_counter() - begin)
    assert sum(checkpoint.messages for checkpoint in shipped) == count
    chain = await Chain(store).read()
    reader = reader_of(chain, Keys(), await travel(chain, Keys(), Wanted()))
    (outcome,) = await restore_from(target, reader, RestorePlan(prove=False), Silent())
    times.add("restore", outcome.transfer_s)
    if outcome.messages != count:
        raise SystemExit(f"the restored stream differs: {outcome}")
    await delete(target)
    backups = ObjectStorage(parse_store(f"file://{folder / 'backups'}"), make=True)
    manifest = await run_backup(source, backups, BackupPlan(), Silent())
    begin = time.perf_counter()
    await plain_restore(target, folder / "backups" / manifest.id / "streams" / STREAM)
    times.add("plain restore", time.perf_counter() - begin)
    await delete(target)
    for name in ("archive", "backups"):
        shutil.rmtree(folder / name)


async def many_streams(url: str, count: int, folder: Path) -> None:
    """In a process of its own: looks at so many streams, three times, with a message for each in between."""
    client = await nats.connect(url)
    jetstream = client.jetstream(timeout=60)
    store = ObjectStorage(parse_store(f"file://{folder / 'many'}"), make=True)
    place = NatsPlace(parse_addresses(url), ConnectOptions())
    for number in range(count):
        await jetstream.add_stream(name=f"S{number}", subjects=[f"s.{number}"], storage="memory")
    begin = 0.0
    for _ in range(3):
        for number in range(count):
            await client.publish(f"s.{number}", os.urandom(1024))
        await client.flush()
        begin = time.perf_counter()
        await archive_once(place, store, ArchivePlan())
    seconds = time.perf_counter() - begin
    await client.close()
    print(json.dumps({"mib": most_mib(), "seconds": seconds}))


def most_mib() -> float:
    """The most memory that this process ever had."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


async def lost_after(folder: Path, target: NatsPlace, rounds: int) -> float:
    """The worst age, in seconds at the moment of the kill, of an acknowledged message that the archive lacks."""
    worst = 0.0
    for number in range(rounds):
        home = folder / f"region-{number}"
        home.mkdir()
        server, place = start(home / "server")
        store = f"file://{home / 'archive'}"
        command = ["archive", "--nats", place.addresses[0].url, "--to", store, "--every", f"{EVERY_S:g}s"]
        archiver = begun([sys.executable, "-m", "secondsite", *command], home / "log")
        acknowledged = await written(place, home / "log", LOAD_S + number * 0.37)
        server.kill()
        archiver.kill()
        killed = time.monotonic()
        for process in (server, archiver):
            process.wait()
        chain = await Chain(ObjectStorage(parse_store(store)).below("archive")).read()
        reader = reader_of(chain, Keys(), await travel(chain, Keys(), Wanted()))
        (outcome,) = await restore_from(target, reader, RestorePlan(), Silent())
        assert outcome.proof.verdict == "equal"
        await delete(target)
        lost = [at for sequence, at in acknowledged.items() if sequence > outcome.last_seq]
        worst = max([worst, *(killed - at for at in lost)])
    return worst


async def beside_writers(folder: Path, rounds: int) -> tuple[float, float]:
    """Messages a second that one writer gets acknowledged, one after the other: alone, and while they are shipped."""
    (folder / "beside").mkdir()
    server, place = start(folder / "beside" / "server")
    rates: dict[bool, list[float]] = {False: [], True: []}
    client = await nats.connect(place.addresses[0].url)
    await client.jetstream().add_stream(name=STREAM, subjects=["bench.>"])
    command = ["archive", "--nats", place.addresses[0].url, "--to", f"file://{folder / 'beside' / 'archive'}"]
    for archived in (False, True) * rounds:
        log = folder / "beside" / "log"
        archiver = begun([sys.executable, "-m", "secondsite", *command, "--every", "1s"], log) if archived else None
        if archiver:
            await asyncio.to_thread(await_log, log)
        count, begin = 0, time.perf_counter()
        while time.perf_counter() < begin + LOAD_S:
            await client.jetstream().publish("bench.1", os.urandom(1024))
            count += 1
        rates[archived].append(count / (time.perf_counter() - begin))
        if archiver:
            archiver.kill()
            archiver.wait()
    await client.close()
    server.terminate()
    server.wait()
    return statistics.median(rates[False]), statistics.median(rates[True])


def begun(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=file)


def log_size(log: Path) -> int:
    return log.stat().st_size


def await_log(log: Path) -> None:
    """Until the archiver has told of its first checkpoint."""
    while not log_size(log):
        time.sleep(0.1)


async def written(place: NatsPlace, log: Path, seconds: float) -> dict[int, float]:
    """When each message was acknowledged, by its sequence; counted from when the archiver ships."""
    client = await nats.connect(place.addresses[0].url)
    jetstream = client.jetstream()
    await jetstream.add_stream(name=STREAM, subjects=["bench.>"])
    acknowledged: dict[int, float] = {}
    ships_s = 0.0
    while not ships_s or time.monotonic() < ships_s + seconds:
        ack = await jetstream.publish("bench.1", os.urandom(200))
        acknowledged[ack.seq] = time.monotonic()
        await asyncio.sleep(0.002)
        if not ships_s and ack.seq % 50 == 0 and log_size(log):
            ships_s = time.monotonic()
    await client.close()
    return acknowledged


def goals(times: Times, size: int, count: int, many: dict[str, float], rpo_s: float) -> list[tuple[bool, str]]:
    """Each with whether it is met."""
    shipped = times.median("ship")
    beside = times.median("plain consumer") / shipped
    speed, rate = size / shipped / 1e6, count / shipped
    back = times.median("plain restore") / times.median("restore")
    return [
        (
            speed >= SPEED_GOAL_MB_S or rate >= RATE_GOAL or beside >= 0.8,
            f"ships {speed:.0f} MB/s, {rate:.0f} messages/s, {beside:.0%} of the plain consumer "
            f"(goal {SPEED_GOAL_MB_S} MB/s, {RATE_GOAL}/s or 80 %)",
        ),
        (back >= 0.8, f"restores at {back:.0%} of the plain restore (goal 80 % or more)"),
        (
            many["mib"] < MEMORY_GOAL_MIB,
            f"{many['mib']:.0f} MiB for {many['streams']:.0f} streams, a look at them takes {many['seconds']:.1f} s "
            f"(goal below {MEMORY_GOAL_MIB} MiB)",
        ),
        (
            rpo_s <= EVERY_S + 2,
            f"the oldest acknowledged message that was lost with its region was {rpo_s:.1f} s old, at a checkpoint "
            f"every {EVERY_S:g} s (goal {EVERY_S + 2:g} s or less)",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=128, help="size of the stream")
    parser.add_argument("--message-bytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--many", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.many:
        asyncio.run(many_streams(options.many[0], options.streams, Path(options.many[1])))
        return
    with tempfile.TemporaryDirectory() as name:
        folder, times = Path(name), Times()
        (first, source), (second, target) = start(folder / "source"), start(folder / "target")
        try:
            count = options.mib * 1024**2 // options.message_bytes
            size = asyncio.run(load(source, options.mib * 1024**2, options.message_bytes))
            for _ in range(options.rounds):
                asyncio.run(one_round(folder, source, target, count, times))
            apart = [sys.executable, __file__, "--streams", str(options.streams), "--many"]
            out = subprocess.run([*apart, target.addresses[0].url, name], check=True, capture_output=True, text=True)
            rpo_s = asyncio.run(lost_after(folder, target, LOSSES))
            alone, beside = asyncio.run(beside_writers(folder, options.rounds))
            many = {**json.loads(out.stdout), "streams": options.streams}
        finally:
            for process in (first, second):
                process.terminate()
                process.wait()
        print(f"one stream of {size / 1e6:.0f} MB, {count} messages of {options.message_bytes} bytes; medians")
        print(table(times, size))
        results = goals(times, size, count, many, rpo_s)
        for met, text in results:
            print(f"{'ok    ' if met else 'MISSED'} {text}")
        print(f"a writer gets {beside:.0f} messages/s acknowledged beside an archiver, {alone:.0f} alone")
        sys.exit(0 if all(met for met, _ in results) else 1)


if __name__ == "__main__":
    main()
