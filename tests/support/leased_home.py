"""Two regions whose servers are children of their gates, a link between that can be cut, writers on both sides."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import define, evolve, field
from nats_world import free_ports
from region_pair import AWAY, BINARY, HOME, Pair, _answers, wait_until

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.nats.streams import StreamApi
from secondsite.operate.gate import is_open_file
from secondsite.operate.gate_config import GateConfig, gate_config, gate_text
from secondsite.strategies.write_gate import gate_file

_CHUNK = 65536


class LeasedPair(Pair):
    """The leaf link goes through ``link``. ``before`` stands before the command of the keeper of ``odd``, as `unshare`
    does, and its leases last ``held_s``."""

    def __init__(
        self,
        folder: Path,
        deployment: Deployment,
        before: Sequence[str] = (),
        *,
        odd: str = HOME,
        held_s: float | None = None,
    ) -> None:
        super().__init__(folder, gate_file(HOME))
        configs = {region: gate_config(deployment, region) for region in (HOME, AWAY)}
        self.configs: dict[str, GateConfig] = {region: config for region, config in configs.items() if config}
        self.before = {odd: tuple(before)}
        if held_s and (lease := self.configs[odd].lease):
            self.configs[odd] = evolve(self.configs[odd], lease=evolve(lease, seconds=held_s))
        self.link = free_ports(1)[0]

    def gate_path(self, region: str = HOME) -> Path:
        return self.folder / gate_file(region)

    def start(self, region: str) -> None:
        if region not in self.configs:
            super().start(region)
            return
        path, config = self.folder / f"{region}.conf", self.folder / f"{region}.gate.json"
        path.write_text(self._config(region))
        config.write_text(gate_text(self.configs[region]))
        url = f"nats://127.0.0.1:{self.ports[region][0]}"
        where = ("--nats", url, "--system", url, "--folder", str(self.folder), "--config", str(config))
        logins = {"NATS_USER": "operator", "NATS_PASSWORD": "operator"}
        system = {"NATS_SYSTEM_USER": "sys", "NATS_SYSTEM_PASSWORD": "sys"}
        command = [*self.before.get(region, ()), sys.executable, "-m", "secondsite", "gate", *where]
        with self._log(region).open("ab") as log:
            self.processes[region] = subprocess.Popen(
                [*command, "--server", f"{BINARY} -c {path}"],
                env={**os.environ, **logins, **system},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        health = f"http://127.0.0.1:{self.ports[region][1]}/healthz"
        wait_until(lambda: _answers(health), self._log(region).read_text()[-2000:])

    def _log(self, region: str) -> Path:
        return self.folder / f"gate-{region}.log"

    def _gate(self, region: str) -> str:
        included = f'permissions {{ publish {{ include "{gate_file(region)}"\n }} }}\n'
        return included if region in self.configs else ""

    def _config(self, region: str) -> str:
        """The other side learns of no way around the link."""
        return super()._config(region).replace("leafnodes { listen:", "leafnodes { no_advertise: true, listen:")

    def _remote(self) -> str:
        return super()._remote().replace(f":{self.ports[HOME][2]}", f":{self.link}")

    def keeper(self, region: str = HOME) -> int:
        """The process that keeps the gate, the server's parent."""
        return int(Path(f"/proc/{self._server(region)}/stat").read_text().rpartition(")")[2].split()[1])

    def _server(self, region: str) -> int:
        group = str(self.processes[region].pid)
        command = ["ps", "-o", "pid=,args=", "-s", group]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return next(int(line.split()[0]) for line in lines if str(BINARY) in line and "secondsite" not in line)

    async def opened(self, region: str = HOME) -> None:
        deadline = time.monotonic() + 30
        while not is_open_file(self.gate_path(region)):
            assert time.monotonic() < deadline, self._log(region).read_text()[-2000:]
            await asyncio.sleep(0.05)


@define
class Link:
    """Carries bytes between the regions until it is cut."""

    port: int
    to: int
    whole: bool = True
    """Carries what is connected anew."""
    _writers: set[asyncio.StreamWriter] = field(factory=set)

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Link]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        try:
            yield self
        finally:
            self.cut()
            server.close()

    def cut(self) -> None:
        self.whole = False
        for writer in self._writers:
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if not self.whole:
            writer.close()
            return
        with suppress(OSError):
            other, onward = await asyncio.open_connection("127.0.0.1", self.to)
            self._writers.add(onward)
            await asyncio.gather(_pump(reader, onward), _pump(other, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.CancelledError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


@define
class Writer:
    """A client of one region that writes on and on: by sequence, when it was acknowledged."""

    pair: Pair
    region: str
    subject: str
    every_s: float = 0.005
    acknowledged: dict[int, float] = field(factory=dict)

    async def run(self) -> None:
        while True:
            with suppress(MachineError, TimeoutError):
                async with self.pair.place(self.region).open() as opened:
                    streams = StreamApi(opened)
                    while True:
                        answer = await streams.publish(self.subject, b"x", {}, within_s=0.5, insist=False)
                        if not answer.code:
                            self.acknowledged[answer.sequence] = time.monotonic()
                        await asyncio.sleep(self.every_s)
            await asyncio.sleep(0.05)


def both_at_once(left: Writer, taken_by: Writer, since: float = 0.0) -> list[int]:
    """The sequences that whoever was left acknowledged after the other side had begun to, ``since`` the move began.

    What it acknowledged before and was not mirrored any more is its tail: on its disk, and salvaged by a failback.
    """
    began = min(at for at in taken_by.acknowledged.values() if at >= since)
    return sorted(sequence for sequence, at in left.acknowledged.items() if at >= began)


def tail(home: Writer, away: Writer) -> list[int]:
    """The sequences that both sides acknowledged, one after the other."""
    return sorted(set(home.acknowledged) & set(away.acknowledged))


__all__ = ["AWAY", "HOME", "LeasedPair", "Link", "Writer", "both_at_once", "tail"]
