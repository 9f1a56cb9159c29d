"""Many small streams beside one that holds the same bytes: backed up, restored and proven.

On real servers, in turn, several rounds, medians: 200 streams of 100 messages, and one stream of as many bytes. Beside
each the plain snapshots (every byte thrown away), the same archives restored by a client that looks at nothing, and
what the server itself takes to create so many streams.

``python benchmarks/small_streams_bench.py [--streams 200] [--messages 100] [--message-bytes 1000] [--rounds 3]``. Goal:
backup, restore and proof of the many take less than 1.5 times those of the one plus the server's own time for creating
them. Plain snapshots and plain restores of the many are what the server itself needs for them, whoever asks: where that
alone is over the goal, it is said. Exit code 1 when it is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from backup_bench import Times, plain_restore, start

import nats
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.nats.place import NatsPlace
from secondsite.nats.snapshot import open_snapshot
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

AT_ONCE = RestorePlan().parallel
GOAL = 1.5


async def fill(place: NatsPlace, name: str, messages: int, message_bytes: int) -> None:
    client = await nats.connect(place.addresses[0].url)
    jetstream = client.jetstream(timeout=60)
    await jetstream.add_stream(name=name, subjects=[f"{name.lower()}.>"])
    for _ in range(messages - 1):
        await client.publish(f"{name.lower()}.x", os.urandom(message_bytes))
    assert (await jetstream.publish(f"{name.lower()}.x", os.urandom(message_bytes))).seq == messages
    await client.close()


async def snapshots(place: NatsPlace, names: list[str]) -> None:
    """Every byte thrown away, as many at once as a backup takes."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with (
            slots,
            place.open() as jetstream,
            open_snapshot(jetstream, name) as snapshot,
            aclosing(snapshot.chunks) as chunks,  # type: ignore[type-var] # an async generator
        ):
            async for _ in chunks:
                pass

    await asyncio.gather(*map(one, names))


async def plain_restores(place: NatsPlace, folder: Path, names: list[str]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with slots:
            await plain_restore(place, folder / name, name)

    await asyncio.gather(*map(one, names))


async def create(place: NatsPlace, names: list[str]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    client = await nats.connect(place.addresses[0].url)

    async def one(name: str) -> None:
        async with slots:
            await client.jetstream(timeout=60).add_stream(name=name, subjects=[f"{name.lower()}.>"])

    await asyncio.gather(*map(one, names))
    await client.close()


async def delete(place: NatsPlace, names: list[str]) -> None:
    client = await nats.connect(place.addresses[0].url)
    for name in names:
        await client.jetstream(timeout=60).delete_stream(name)
    await client.close()


async def one_round(
    label: str, folder: Path, source: NatsPlace, target: NatsPlace, names: list[str], times: Times
) -> None:
    begin = time.perf_counter()
    await snapshots(source, names)
    times.add(f"plain, {label}", time.perf_counter() - begin)
    store = ObjectStorage(parse_store(f"file://{folder / 'backups'}"), make=True)
    begin = time.perf_counter()
    manifest = await run_backup(source, store, BackupPlan(streams=tuple(names)), Silent())
    times.add(f"backup, {label}", time.perf_counter() - begin)
    begin = time.perf_counter()
    await create(target, names)
    times.add(f"create, {label}", time.perf_counter() - begin)
    await delete(target, names)
    begin = time.perf_counter()
    await plain_restores(target, folder / "backups" / manifest.id / "streams", names)
    times.add(f"plain restore, {label}", time.perf_counter() - begin)
    await delete(target, names)
    begin = time.perf_counter()
    outcomes = await run_restore(target, store, manifest, RestorePlan(), Silent())
    times.add(f"restore and proof, {label}", time.perf_counter() - begin)
    if len(outcomes) != len(names) or any(outcome.proof.verdict != "equal" for outcome in outcomes):
        raise SystemExit("a restored stream differs")
    await store.delete_below(manifest.id)
    await delete(target, names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--messages", type=int, default=100, help="in each stream")
    parser.add_argument("--message-bytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    many = [f"S{number}" for number in range(options.streams)]
    with tempfile.TemporaryDirectory() as name:
        folder, times = Path(name), Times()
        started = [start(folder / label) for label in ("many", "one", "target")]
        (_, of_many), (_, of_one), (_, target) = started
        try:
            for stream in many:
                asyncio.run(fill(of_many, stream, options.messages, options.message_bytes))
            asyncio.run(fill(of_one, "ONE", options.messages * options.streams, options.message_bytes))
            for _ in range(options.rounds):
                asyncio.run(one_round("many", folder, of_many, target, many, times))
                asyncio.run(one_round("one", folder, of_one, target, ["ONE"], times))
        finally:
            for process, _ in started:
                process.terminate()
                process.wait()
    print(f"{options.streams} streams of {options.messages} messages of {options.message_bytes} bytes, and one of all")
    for label in times.seconds:
        print(f"{label:<24}{times.median(label):8.2f} s")
    took, beside = (
        sum(times.median(f"{step}, {label}") for step in ("backup", "restore and proof")) for label in ("many", "one")
    )
    made_s = times.median("create, many")
    bound_s = GOAL * beside + made_s
    met = took < bound_s
    told = f"{took:.2f} s for the many, {beside:.2f} s for the one, {made_s:.2f} s to create the many"
    print(f"{'met   ' if met else 'MISSED'}  {told} (goal below {GOAL:g} times the one, and that: {bound_s:.2f} s)")
    alone_s = times.median("plain, many") + times.median("plain restore, many")
    print(f"the server alone, to save and to take in the many: {alone_s:.2f} s, without any proof")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
