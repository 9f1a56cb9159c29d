"""What a kubelet does for the pods of a lab: starts dead containers again, probes them, ends those beyond their memory.

Times are those of the manifest's probes and of the kubelet's defaults: a dead container is noticed within a second,
started again at once and later after a growing back-off; it is ready when its startup probe and then its readiness
probe pass, and only ready pods are behind their Service. Not as in a cluster: nothing is pulled, no sandbox is made,
and the memory limit is looked at ten times a second instead of by the kernel at every page.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from enum import StrEnum

from attrs import evolve, field, frozen

from secondsite.lab.back_off import BackOff
from secondsite.lab.http_get import http_get
from secondsite.lab.supervisor import Spec, Supervisor, port_open
from secondsite.lab.together import together
from secondsite.lab.usage import usage
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.model.service import Probe, Probes
from secondsite.nats.tasks import end_tasks

RELIST_S = 1.0
_MEMORY_S = 0.1


class Happened(StrEnum):
    DIED = "died"
    STARTED = "started"
    READY = "ready"
    UNREADY = "unready"
    OUT_OF_MEMORY = "out-of-memory"
    LIVENESS = "liveness-failed"


@frozen
class PodEvent:
    pod: str
    what: Happened
    monotonic_ns: int = field(factory=time.monotonic_ns)


@frozen
class Pod:
    """``at``: where its probes are answered. ``service`` is told whether it is ready; None where none stands before."""

    spec: Spec
    probes: Probes
    at: Endpoint
    memory_limit_bytes: int | None = None
    service: Callable[[str, bool], Awaitable[None]] | None = None

    @property
    def name(self) -> str:
        return self.spec.name


class Kubelet:
    """``events`` in their order. The pods run already, and are ready, when it begins."""

    def __init__(self, supervisor: Supervisor, pods: Iterable[Pod]) -> None:
        self.events: list[PodEvent] = []
        self._supervisor = supervisor
        self._tasks = [asyncio.ensure_future(self._keep(pod)) for pod in pods]

    def check(self) -> None:
        """Raises what ended one of its watches."""
        _raise_failed(self._tasks)

    async def end(self) -> None:
        await end_tasks(*self._tasks)

    def since(self, pod: str, what: Happened, since_ns: int) -> int | None:
        """When it first happened after the moment; None for not yet."""
        times_ns = (e.monotonic_ns for e in self.events if (e.pod, e.what) == (pod, what) and e.monotonic_ns > since_ns)
        return next(times_ns, None)

    # --- one pod

    async def _keep(self, pod: Pod) -> None:
        back_off, began = BackOff(), time.monotonic()
        await self._lives(pod, fresh=False)
        while True:
            self._note(pod, Happened.DIED)
            await self._report(pod, False)
            await asyncio.sleep(back_off.wait_s(time.monotonic() - began))
            began = time.monotonic()
            await self._start(pod)
            await self._lives(pod, fresh=True)

    async def _start(self, pod: Pod) -> None:
        self._supervisor.kill(pod.name)  # it is dead: so that the supervisor forgets it
        with suppress(MachineError):  # one that ends at once is found dead at the next look
            await self._supervisor.start(evolve(pod.spec, ready=None))
        self._note(pod, Happened.STARTED)

    async def _lives(self, pod: Pod, *, fresh: bool) -> None:
        """Returns when it is found dead."""
        tasks = [asyncio.ensure_future(self._probed(pod, fresh)), asyncio.ensure_future(self._limited(pod))]
        try:
            while self._supervisor.alive(pod.name):
                await asyncio.sleep(RELIST_S)
                _raise_failed(tasks)
        finally:
            await end_tasks(*tasks)

    async def _probed(self, pod: Pod, fresh: bool) -> None:
        if fresh and pod.probes.startup and not await self._started(pod, pod.probes.startup):
            self._end(pod, Happened.LIVENESS)
            return
        await together([self._readiness(pod, ready=not fresh), self._liveness(pod)])

    async def _started(self, pod: Pod, probe: Probe) -> bool:
        failures = 0
        async for well in self._ticks(pod, probe):
            failures += not well
            if well or failures >= probe.failure_threshold:
                return well
        return False

    async def _readiness(self, pod: Pod, *, ready: bool) -> None:
        probe, failures = pod.probes.readiness, 0
        if probe is None:
            if not ready:
                await self._turned(pod, True)
            return
        async for well in self._ticks(pod, probe):
            failures = 0 if well else failures + 1
            wanted = well or (ready and failures < probe.failure_threshold)
            if wanted != ready:
                ready = wanted
                await self._turned(pod, ready)

    async def _liveness(self, pod: Pod) -> None:
        probe, failures = pod.probes.liveness, 0
        if probe is None:
            return
        async for well in self._ticks(pod, probe):
            failures = 0 if well else failures + 1
            if failures >= probe.failure_threshold:
                self._end(pod, Happened.LIVENESS)
                return

    async def _limited(self, pod: Pod) -> None:
        while pod.memory_limit_bytes:
            await asyncio.sleep(_MEMORY_S)
            if not self._supervisor.alive(pod.name):
                return
            used = usage(self._supervisor.pid(pod.name))
            if used and used.rss_bytes > pod.memory_limit_bytes:
                self._end(pod, Happened.OUT_OF_MEMORY)
                return

    async def _ticks(self, pod: Pod, probe: Probe) -> AsyncIterator[bool]:
        """The answers, one a period, from the first at or after the initial delay on."""
        begin = time.monotonic()
        for number in itertools.count():
            at_s = number * probe.period_s
            await asyncio.sleep(max(0.0, begin + at_s - time.monotonic()))
            if at_s >= probe.initial_delay_s:
                yield await _well(pod.at, probe)

    def _end(self, pod: Pod, why: Happened) -> None:
        self._note(pod, why)
        self._supervisor.kill(pod.name)

    async def _turned(self, pod: Pod, ready: bool) -> None:
        await self._report(pod, ready)
        self._note(pod, Happened.READY if ready else Happened.UNREADY)

    async def _report(self, pod: Pod, ready: bool) -> None:
        if pod.service:
            await pod.service(pod.name, ready)

    def _note(self, pod: Pod, what: Happened) -> None:
        self.events.append(PodEvent(pod.name, what))


def _raise_failed(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error


async def _well(at: Endpoint, probe: Probe) -> bool:
    """Other probes than HTTP are taken for their port: commands are not run here."""
    if probe.kind != "http":
        return await port_open(at.host, at.port)
    try:
        status, _ = await http_get(at, probe.path or "/", probe.timeout_s)
    except (OSError, TimeoutError):
        return False
    return 200 <= status < 400
