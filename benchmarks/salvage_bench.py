"""How fast a failback salvages what the old primary has and nobody else, beside the way message by message.

Two real servers, one stream each; what they share was never written to the one that serves, which is as if the link had
been cut for long. Between the controller and the old primary lies the WAN link of the lab, once without delay and once
with the round trip asked for:

* one by one: every message asked for by its sequence, 64 at once, as a salvage read before;
* headers, messages: read by the salvage's reader, without and with the payload;
* as before: a whole salvage in that way, everything read twice and published 64 at once;
* salvage: the whole of it, the look at the serving side, acknowledgements and cursors included.

``python benchmarks/salvage_bench.py [--messages 100000] [--message-bytes 300] [--rtt-ms 65] [--rounds 3]``. Goal: with
the round trip, reading and the whole salvage are 20 times as fast as before or more. Exit code 1 when that is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import frozen

from secondsite.lab.wan_process import WanProxy
from secondsite.model.nats import NatsCluster, Stream
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.nats.publishing import Outgoing
from secondsite.nats.streams import StreamApi
from secondsite.operate.actions.salvaging import MARK, Salvaging
from secondsite.operate.layout import DIVERGED, Reach, StreamFamily, StreamPlacement

STREAM = "EVENTS"
FACTOR = 20.0
FEW = 5_000
"""So many in the old way: all would take minutes."""


@frozen
class Sides:
    old: StreamApi
    serving: StreamApi


def start(folder: Path) -> tuple[subprocess.Popen[bytes], NatsPlace]:
    """A server on a port of its own choice."""
    folder.mkdir()
    config, store = folder / "server.conf", {"store_dir": str(folder / "store")}
    config.write_text(json.dumps({"listen": "127.0.0.1:-1", "ports_file_dir": str(folder), "jetstream": store}))
    binary = Path(sys.executable).parent / "nats-server"
    process = subprocess.Popen([binary, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ports = folder / f"nats-server_{process.pid}.ports"
    while not (ports.exists() and ports.stat().st_size):
        time.sleep(0.05)
    time.sleep(0.5)
    return process, NatsPlace(parse_addresses(json.loads(ports.read_text())["nats"][0]), ConnectOptions())


def placement(region: str) -> StreamPlacement:
    stream = Stream(STREAM, subjects=("events.>",))
    return StreamPlacement(region, NatsCluster(region, servers=1), stream)


async def fill(place: NatsPlace, count: int, size: int) -> None:
    async with place.open() as jetstream:
        old = StreamApi(jetstream)
        await old.create({"name": STREAM, "subjects": ["events.>"], "allow_direct": True})
        for begin in range(0, count, 2000):
            numbers = range(begin, min(begin + 2000, count))
            window = [Outgoing(f"events.{n % 50}", os.urandom(size), {"Nats-Msg-Id": f"m-{n}"}) for n in numbers]
            await old.publish_all(window)
        await old.update({"name": STREAM, "subjects": ["nobody"], "allow_direct": True})


def relay(config: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", WanProxy.__module__, config])


@asynccontextmanager
async def far(place: NatsPlace, rtt_ms: float) -> AsyncIterator[NatsPlace]:
    """The same servers behind the lab's WAN link, which runs in a process of its own."""
    host, _, port = place.addresses[0].url.rpartition("/")[2].rpartition(":")
    folder = Path(tempfile.mkdtemp())
    ports = _free(2)
    ends = [["127.0.0.1", port] for port in ports]
    links = [{"source": a, "target": b, "delay_ms": rtt_ms / 2} for a, b in (("here", "there"), ("there", "here"))]
    listener = {"source": "here", "target": "there", "at": ends[0], "to": [host, int(port)]}
    config = {"seed": 1, "control": ends[1], "links": links, "listeners": [listener]}
    (folder / "wan.json").write_text(json.dumps(config))
    process = relay(folder / "wan.json")
    try:
        await asyncio.sleep(1.0)
        yield NatsPlace(parse_addresses(f"nats://127.0.0.1:{ports[0]}"), ConnectOptions())
    finally:
        process.kill()
        process.wait()


def _free(count: int) -> list[int]:
    found = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in found]
    for one in found:
        one.close()
    return ports


async def rate(messages: AsyncIterator[object]) -> float:
    begin, count = time.monotonic(), 0
    async for _ in messages:
        count += 1
    return count / (time.monotonic() - begin)


async def salvage(sides: Sides, count: int) -> float:
    source, target = placement("old"), placement("new")
    await sides.serving.create({"name": STREAM, "subjects": ["events.>"], "metadata": {DIVERGED: "0"}})
    family = StreamFamily(source, (target,), Reach.MIRRORED)
    begin = time.monotonic()
    done = await Salvaging(sides.old, sides.serving, family, source, target, lambda _facts: None).run()
    seconds = time.monotonic() - begin
    assert done is not None
    assert done.republished == count, done
    await sides.serving.delete(STREAM)
    return count / seconds


async def as_before(sides: Sides, count: int) -> float:
    """Everything is read twice, and published 64 at once, each with its answer."""
    await sides.serving.create({"name": STREAM, "subjects": ["events.>"]})
    begin = time.monotonic()
    async for _ in sides.old.messages(STREAM, 1, count):
        pass
    window = []
    async for message in sides.old.messages(STREAM, 1, count):
        headers = {**message.headers, MARK: f"old/{STREAM}/{message.sequence}"}
        window.append(sides.serving.publish(message.subject, message.data, headers))
        if len(window) == 64:
            await asyncio.gather(*window)
            window = []
    await asyncio.gather(*window)
    seconds = time.monotonic() - begin
    await sides.serving.delete(STREAM)
    return count / seconds


async def measure(old: NatsPlace, serving: NatsPlace, options: argparse.Namespace, rtt_ms: float) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    async with far(old, rtt_ms) as place, place.open() as one, serving.open() as other:
        sides = Sides(StreamApi(one), StreamApi(other))
        last, few = options.messages, min(FEW, options.messages)
        for _ in range(options.rounds):
            found.setdefault("one by one", []).append(await rate(sides.old.messages(STREAM, 1, few)))
            found.setdefault("headers", []).append(await rate(sides.old.many(STREAM, 1, last, bodies=False)))
            found.setdefault("messages", []).append(await rate(sides.old.many(STREAM, 1, last)))
            found.setdefault("as before", []).append(await as_before(sides, few))
            found.setdefault("salvage", []).append(await salvage(sides, last))
    return {name: statistics.median(rates) for name, rates in found.items()}


async def run(options: argparse.Namespace) -> bool:
    folder = Path(tempfile.mkdtemp())
    (one, old), (other, serving) = start(folder / "old"), start(folder / "serving")
    try:
        await fill(old, options.messages, options.message_bytes)
        met = False
        for rtt_ms in (0.0, options.rtt_ms):
            rates = await measure(old, serving, options, rtt_ms)
            told = ", ".join(f"{name} {value:,.0f}/s" for name, value in rates.items())
            read, whole = rates["messages"] / rates["one by one"], rates["salvage"] / rates["as before"]
            print(f"{options.messages:,} messages, round trip {rtt_ms:g} ms: {told}")
            print(f"  reading {read:.1f} times as fast as before, a whole salvage {whole:.1f} times")
            met = not rtt_ms or min(read, whole) >= FACTOR
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"goal {'met' if met else 'MISSED'}; most memory of this process: {memory:.0f} MiB")
        return met
    finally:
        for process in (one, other):
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--message-bytes", type=int, default=300)
    parser.add_argument("--rtt-ms", type=float, default=65.0)
    parser.add_argument("--rounds", type=int, default=3)
    sys.exit(0 if asyncio.run(run(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()
