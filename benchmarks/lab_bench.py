"""What the lab's links cost: bytes and delay through the WAN process beside a plain loopback connection; boot time.

Run: ``python benchmarks/lab_bench.py``. Ratios are printed with both figures, as machines differ.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from secondsite.catalogue.figures import load_figures
from secondsite.catalogue.round_trips import load_round_trips
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.supervisor import Spec, Supervisor, port_open, python
from secondsite.lab.world import Lab
from secondsite.model.endpoint import Endpoint
from secondsite.model.strategy import Strategy
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit

EXAMPLE = Path(__file__).parent.parent / "examples" / "kgents" / "secondsite.yaml"
STRATEGIES = ("warm-standby/leafnode-mirror", "warm-standby/supercluster-mirror", "warm-standby/stretch")
TOTAL_BYTES = 256 * 1024 * 1024
CHUNK = b"x" * 65536
PINGS = 2000


def main() -> None:
    asyncio.run(links())
    for strategy in STRATEGIES:
        asyncio.run(boot(strategy))


async def links() -> None:
    far = await asyncio.start_server(serve, "127.0.0.1", 0)
    plain = int(far.sockets[0].getsockname()[1])
    near, control = free_port(), Endpoint("127.0.0.1", free_port())
    with tempfile.TemporaryDirectory() as folder:
        supervisor = Supervisor(Path(folder))
        try:
            await supervisor.start(wan(Path(folder), near, plain, control))
            figures = {where: await measured(port) for where, port in (("plain", plain), ("link", near))}
        finally:
            supervisor.close()
    for name, unit in (("throughput", "MB/s"), ("p50", "ms"), ("p99", "ms")):
        one, other = figures["plain"][name], figures["link"][name]
        print(f"WAN link {name}: {other:.3g} {unit} against {one:.3g} {unit} plain: {other / one:.2f}×", flush=True)
    await asyncio.sleep(0.1)  # the far ends notice
    far.close()
    await far.wait_closed()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Echo single bytes, swallow chunks and say when all are there."""
    received = 0
    while data := await reader.read(1 << 18):
        if len(data) == 1 and not received:
            writer.write(data)
        else:
            received += len(data)
            if received >= TOTAL_BYTES:
                writer.write(b"!")
    writer.close()


async def measured(port: int) -> dict[str, float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    delays_ms = []
    for _ in range(PINGS):
        begin = time.perf_counter()
        writer.write(b".")
        await reader.readexactly(1)
        delays_ms.append((time.perf_counter() - begin) * 1000)
    begin = time.perf_counter()
    for _ in range(TOTAL_BYTES // len(CHUNK)):
        writer.write(CHUNK)
        await writer.drain()
    await reader.readexactly(1)
    rate = TOTAL_BYTES / (time.perf_counter() - begin) / 1e6
    writer.close()
    return {"throughput": rate, "p50": statistics.median(delays_ms), "p99": statistics.quantiles(delays_ms, n=100)[98]}


def wan(folder: Path, near: int, far: int, control: Endpoint) -> Spec:
    listener = {"source": "east", "target": "west", "at": ["127.0.0.1", near], "to": ["127.0.0.1", far]}
    config = {"seed": 1, "control": [control.host, control.port], "links": [], "listeners": [listener]}
    (folder / "wan.json").write_text(json.dumps(config))
    command = tuple(python("secondsite.lab.wan_process", str(folder / "wan.json")))
    return Spec("wan", command, ready=lambda: port_open(control.host, control.port))


async def boot(strategy: str) -> None:
    kit = Kit(load_system(EXAMPLE), load_figures(), load_round_trips())
    async with Lab.up(lay_out(Strategy.parse(strategy), kit)) as lab:
        print(f"boot of {strategy}: {lab.boot_s:.1f} s, {len(lab.processes())} processes", flush=True)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
