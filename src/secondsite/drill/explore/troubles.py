"""What goes wrong in a lab and is mended: processes, links, disks, clocks; and a kubelet that restarts what ended."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from secondsite.drill.explore.doors import SkewedClock
from secondsite.drill.explore.schedule import Disturbance, Trouble
from secondsite.lab.supervisor import Spec
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError

_RESTARTS_S = 0.3
_CHUNK = 1 << 16


@define
class Troubles:
    """``down``: regions that are lost on purpose. ``held``: processes that stay down until somebody mends them."""

    lab: Lab
    home: str
    away: str
    clock: SkewedClock
    end_controller: Callable[[], None]
    delay_ms: float
    down: set[str] = field(factory=set)
    held: set[str] = field(factory=set)
    specs: dict[str, Spec] = field(factory=dict)
    under_way: int = 0

    def learn(self) -> None:
        """What runs, so that it can be started again as it is."""
        self.specs |= {name: running.spec for name, running in self.lab.supervisor.running.items()}

    async def keep_alive(self) -> None:
        """As a kubelet does; until cancelled."""
        while True:
            await asyncio.sleep(_RESTARTS_S)
            for name, spec in self.specs.items():
                if spec.region and spec.region not in self.down and name not in self.held:
                    await self._start(name)

    async def _start(self, name: str) -> None:
        if self.lab.supervisor.alive(name):
            return
        spec = self.specs[name]
        if spec.region == self.home and name in self._servers(self.home):
            self.lab.gates.set(self.home, is_open=False)
        self.lab.supervisor.kill(name)
        with suppress(MachineError, KeyError):  # one that does not start yet is started again
            await self.lab.supervisor.start(spec)

    async def suffer(self, one: Disturbance) -> None:
        """From its time on, and until it is mended."""
        self.under_way += 1
        try:
            await asyncio.sleep(one.after_s)
            await self.strike(one)
            await asyncio.sleep(one.lasts_s)
            await self.mend(one)
        finally:
            self.under_way -= 1

    async def strike(self, one: Disturbance) -> None:
        match one.kind:
            case Trouble.KILL if one.target == "controller":
                self.end_controller()
            case Trouble.KILL:
                self._kill(one.target)
            case Trouble.FREEZE:
                self.signal(self._named(one.target), signal.SIGSTOP)
            case Trouble.CUT:
                for a, b in self._ways(one.target):
                    await self.lab.wan.cut(a, b, one_way=True)
            case Trouble.SLOW:
                for a, b in self._ways(one.target):
                    await self.lab.wan.set(a, b, delay_ms=one.amount, one_way=True)
            case Trouble.DISK:
                await asyncio.to_thread(self._fill, self._region(one.target))
            case Trouble.CLOCK | Trouble.DRIFT:
                self._set_clocks(one, one.amount)

    async def mend(self, one: Disturbance) -> None:
        match one.kind:
            case Trouble.KILL:
                self.held -= set(self._named(one.target))
            case Trouble.FREEZE:
                if self._region(one.target) not in self.down:
                    self.signal(self._named(one.target), signal.SIGCONT)
            case Trouble.CUT if not self.down:
                await self.lab.wan.heal(self.home, self.away)
            case Trouble.SLOW:
                await self.lab.wan.set(self.home, self.away, delay_ms=self.delay_ms)
            case Trouble.DISK:
                self._free(self._region(one.target))
            case Trouble.CLOCK | Trouble.DRIFT:
                self._set_clocks(one, 0.0)
            case _:
                """The other link trouble is mended with the region."""

    def _set_clocks(self, one: Disturbance, amount: float) -> None:
        """``off_s``, or how fast they run. A clock that ran fast keeps what it gained."""
        if one.target == "controller" and one.kind is Trouble.CLOCK:
            self.clock.off_s = amount
        elif one.target == "controller":
            self.clock.drift(amount)
        elif clocks := self.lab.supervisor.clocks:
            for name in self._named(one.target):
                file = clocks.of(name)
                if file.path.exists():
                    file.step(amount) if one.kind is Trouble.CLOCK else file.drift(amount)

    def _kill(self, target: str) -> None:
        names = self._named(target)
        self.held |= set(names)
        for name in names:
            if self.lab.supervisor.alive(name):
                self._signal_one(target, name, signal.SIGKILL)

    def _signal_one(self, target: str, name: str, number: signal.Signals) -> None:
        """A keeper that is the parent of its server is hit alone."""
        with suppress(ProcessLookupError):
            if target == "gate":
                os.kill(self.lab.supervisor.pid(name), number)
            elif number is signal.SIGKILL:
                self.lab.supervisor.kill(name)
            else:
                self.lab.supervisor.send(name, number)

    def signal(self, names: Iterable[str], number: signal.Signals) -> None:
        for name in names:
            if self.lab.supervisor.alive(name):
                with suppress(ProcessLookupError):
                    self.lab.supervisor.send(name, number)

    def _named(self, target: str) -> list[str]:
        if target in ("gate", "standby-gate"):
            region = self.home if target == "gate" else self.away
            return [f"gate-{region}"] if f"gate-{region}" in self.specs else self._servers(region)
        if target == "agent":
            return [name for name in self.specs if name.startswith("agent-")]
        return self._servers(self._region(target)) if target in ("home", "away") else []

    def _servers(self, region: str) -> list[str]:
        return [server.name for server in self.lab.servers(region)]

    def _region(self, target: str) -> str:
        return self.away if target == "away" else self.home

    def _ways(self, target: str) -> list[tuple[str, str]]:
        there, back = (self.home, self.away), (self.away, self.home)
        return {"home>away": [there], "away>home": [back]}.get(target, [there, back])

    def stores(self, region: str) -> list[Path]:
        return [Path(self.lab.addresses.store(server)) for server in self.lab.servers(region)]

    def _fill(self, region: str) -> None:
        for store in self.stores(region):
            with suppress(OSError), (store / "filler").open("wb") as file:
                while shutil.disk_usage(store).free:
                    file.write(b"\0" * _CHUNK)
                    file.flush()

    def _free(self, region: str) -> None:
        """A server whose disk was full has given JetStream up, and is started anew."""
        for store in self.stores(region):
            (store / "filler").unlink(missing_ok=True)
        if region not in self.down:
            self.lab.supervisor.kill(*self._servers(region))
