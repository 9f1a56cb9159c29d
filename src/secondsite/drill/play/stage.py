"""What a drill acts on, and the acts that drills share: load, steady state, detection, failover, final reads.

Every act notes what it did before the next begins, and waits for nothing without a limit. Faults are a drill's own;
when they strike is drawn from the seed.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, evolve, field

from secondsite.drill.check.rto import Rto, reached, rto
from secondsite.drill.evidence.events import EventName, Milestone
from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.evidence.observation import Observation
from secondsite.drill.ledger.history import History, read_history
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import ClientConfig
from secondsite.drill.play.clients import BEFORE_S, LoadClients, share_out, writers_before
from secondsite.drill.play.lab_backup import LabBackups
from secondsite.drill.play.lab_world import (
    LabManualSteps,
    LabNatsPath,
    LabPath,
    LabSecrets,
    LabServices,
    LabSites,
    api_service,
    has_api,
    lab_path,
    lab_world,
    place,
)
from secondsite.drill.play.load_streams import clients_of, load_streams, load_target, nats_target, why_unacknowledged
from secondsite.drill.play.setup import Setup
from secondsite.drill.play.turn import Turn
from secondsite.drill.play.watching import HealthCheck, Probe, agreed, http_well, nats_speaks
from secondsite.lab.world import Lab, Moment
from secondsite.model.endpoint import Endpoint
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.strategy import Switch
from secondsite.nats.tasks import end_tasks
from secondsite.operate.action import Action
from secondsite.operate.executor import OperationOutcome, Options, StepProgress, execute
from secondsite.operate.journal import Journal, StepState
from secondsite.operate.layout import Reach, StreamFamily, families
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan
from secondsite.operate.verbs import EXECUTORS
from secondsite.operate.world import Decision, Restorer
from secondsite.strategies.server_config import CLIENT_PORT

PROCESSES = 1
PATIENCE = 1.0
"""A drill is carried out within the limits that hold where the procedure is deployed."""
_STEADY_WITHIN_S = 30.0
_STEADY_WINDOW_S = 3.0
_STEADY_SHARE = 0.9

ReportProgress = Callable[[str], None]


@define
class Stage:
    """``survivors``: the regions whose copies count in the end. ``salvage``: those that are looked at besides;
    ``rejoin``: they are then joined with the others, and looked at again.
    """

    setup: Setup
    lab: Lab
    writer: EvidenceWriter
    procedure: Procedure
    report: ReportProgress
    load: LoadClients
    path: LabPath | LabNatsPath
    secrets: LabSecrets
    services: LabServices
    random: random.Random
    manual_steps: LabManualSteps
    sites: LabSites
    restorer: Restorer | None = None
    turn: Turn = field(factory=Turn)
    milestones: dict[Milestone, int] = field(factory=dict)
    observations: list[Observation] = field(factory=list)
    survivors: list[str] = field(factory=list)
    salvage: list[str] = field(factory=list)
    rejoin: bool = False
    failure: str = ""
    extra_ledgers: list[Path] = field(factory=list)
    took_s: dict[str, float] = field(factory=dict)
    on_step: Callable[[StepProgress], None] | None = None
    tasks: list[asyncio.Task[None]] = field(factory=list)

    # --- what is where

    @property
    def home(self) -> str:
        return self.setup.deployment.primary.region.name

    @property
    def away(self) -> str:
        standby = self.setup.deployment.standby
        return standby.region.name if standby else self.setup.deployment.sites[-1].region.name

    @property
    def families(self) -> tuple[StreamFamily, ...]:
        return families(self.setup.deployment)

    def world(self, decision: Decision | None = None) -> LiveWorld:
        return lab_world(
            self.lab,
            decision or Decision("", 0.0, ""),
            path=self.path,
            secret=self.secrets,
            manual_steps=self.manual_steps,
            services=self.services,
            ttl_s=self.setup.profile.ttl_s,
            sites=self.sites,
            restorer=self.restorer,
        )

    # --- noting

    def note(self, event: str, at_ns: int | None = None, **data: Any) -> int:
        return self.writer.event(event, at_ns, **data).monotonic_ns

    def reach(self, milestone: Milestone, at_ns: int | None = None, **data: Any) -> None:
        """The first time counts."""
        if milestone not in self.milestones:
            self.milestones[milestone] = self.note(milestone, at_ns, **data)

    async def pass_time(self, seconds: float, what: str) -> None:
        self.report(f"{what} ({seconds:g} s)")
        await asyncio.sleep(seconds)

    def buffered_by(self, region: str, since_ns: int) -> int:
        """Writes that were sent after the moment and that only a queue of this region took (202)."""
        history = self.history()
        mine = reached(history.endpoint, [f"{self.lab.addresses.network(region)}.0.0/24"])
        return int(((history.intent_ns > since_ns) & mine & (history.status == Status.BUFFERED)).sum())

    def observe(self, what: str, holds: bool | None, *, unproven: bool = False) -> None:
        self.observations.append(Observation(what, holds, unproven))
        self.note(EventName.OBSERVATION, what=what, holds=holds, unproven=unproven)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    # --- acts

    async def begin(self) -> None:
        """Old writes made, load on, backups on their way where nothing else carries the streams, steady state seen."""
        if self.setup.reach_s:
            await self._write_before()
        await self.turn.take()
        await self.load.start()
        self.note("load", rate_per_s=self.setup.rate_per_s, servers_replaced=self.lab.fleet.replaced())
        self.keep_backups()
        self.report(f"load of {self.setup.rate_per_s:g} writes a second; waiting for steady state")
        await asyncio.sleep(self.setup.profile.steady_s)
        await self.steady()
        # Nobody knows when a resolver asked last: TTL and checks of whole seconds would meet in the same way each time.
        await asyncio.sleep(self.random.uniform(0, self.setup.profile.ttl_s))

    async def _write_before(self) -> None:
        """By clients of their own, as any other; then time passes until these writes are as old as they have to be."""
        before = LoadClients(self.lab.supervisor, writers_before(self.load.clients))
        self.extra_ledgers.extend(before.ledgers)
        acknowledged = await before.write(BEFORE_S + _STEADY_WITHIN_S)
        self.note("written-before", acknowledged=acknowledged)
        old_at = time.monotonic() + self.setup.reach_s
        self.report(f"{acknowledged} writes grow {self.setup.reach_s:g} s old, so that their loss would be seen")
        await asyncio.sleep(max(0.0, old_at - time.monotonic()))

    def keep_backups(self) -> None:
        """Where nothing else carries the streams away."""
        alone = tuple(family.name for family in self.families if family.reach is Reach.ALONE)
        if alone and self.away != self.home:
            backups = LabBackups(self.lab, self.home, alone)
            self.restorer = backups
            self.background(backups.keep(self.setup.profile.backup_s))

    async def steady(self) -> None:
        """Raises MachineError where the load is not acknowledged as it should be: a drill of that shows nothing."""
        end = time.monotonic() + _STEADY_WITHIN_S
        asked = sum(client.rate_per_s for client in self.load.clients)
        while (rate := self.acknowledged_per_s(_STEADY_WINDOW_S)) < _STEADY_SHARE * asked:
            self.load.check()
            if time.monotonic() > end:
                what = f"{rate:.0f} of {asked:g} writes a second are acknowledged, with nothing wrong"
                at = place(self.lab, self.home)
                raise await why_unacknowledged(what, self.load.clients[0].streams, self.history(), at)
            await asyncio.sleep(0.5)
        self.note("steady", acknowledged_per_s=round(rate, 1))

    @property
    def ledgers(self) -> tuple[Path, ...]:
        return (*self.load.ledgers, *self.extra_ledgers)

    def history(self) -> History:
        """What the ledgers say so far: of copies, as clients go on writing."""
        folder = self.lab.folder / "so-far"
        folder.mkdir(exist_ok=True)
        return read_history([Path(shutil.copy(path, folder)) for path in self.ledgers])

    def acknowledged_per_s(self, window_s: float) -> float:
        now = time.monotonic_ns()
        acks = self.history().ack_ns
        return float(((acks >= now - window_s * 1e9) & (acks <= now)).sum()) / window_s

    def longest_silence_s(self, begin_ns: int, end_ns: int) -> float:
        """Between two acknowledgements, or from one of the two moments to the nearest."""
        acks = self.history().ack_ns
        within = np.sort(acks[(acks > begin_ns) & (acks < end_ns)])
        return float(np.diff(np.concatenate([[begin_ns], within, [end_ns]])).max()) / 1e9

    async def strike(self) -> None:
        """The instant of the fault, anywhere in a check's interval, by the seed."""
        await asyncio.sleep(self.random.uniform(0, self.setup.profile.check_interval_s))

    def struck(self, moment: Moment, what: str) -> None:
        self.reach(Milestone.FAULT, moment.monotonic_ns, what=what)
        self.report(f"fault: {what}")

    async def lose(self, region: str) -> None:
        """SIGKILL to everything in it; what was on its way is gone."""
        await self.strike()
        self.struck(await self.lab.kill_region(region), f"{region} is lost")

    def watch(self, probe: Probe | None = None) -> HealthCheck:
        """Checks from outside on the region that serves, as its record's health check is configured."""
        profile, path = self.setup.profile, self.setup.deployment.traffic.check_path
        at = self.lab.gateway(self.home)
        usual = (lambda: http_well(at, path)) if has_api(self.setup.deployment) else self._second_signal
        check = HealthCheck(probe or usual, profile.check_interval_s, profile.check_threshold)
        self.background(check.watch())
        return check

    async def noticed(self, check: HealthCheck, within_s: float = 60.0) -> bool:
        """Health checks fail often enough, then a second signal agrees; False where that does not happen in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s + self.setup.profile.decide_s):
                while True:
                    await check.bad.wait()
                    self.reach(Milestone.DETECTED, check.bad_since_ns, failures=check.threshold)
                    self.report(f"detected {self.since_fault(check.bad_since_ns):.1f} s after the fault")
                    if self.setup.strategy.switch.in_data_plane:
                        await self._leave_out()
                    if self.setup.strategy.switch is Switch.WEIGHTED:
                        self.reach(Milestone.DECIDED)
                        return True
                    if await agreed(self._second_signal, check, self.setup.profile.decide_s):
                        self.reach(Milestone.DECIDED)
                        self.report(f"decided {self.since_fault(time.monotonic_ns()):.1f} s after the fault")
                        return True
                    await asyncio.sleep(0.1)
        return False

    async def _leave_out(self) -> None:
        """The DNS provider's data plane answers without what its checks find bad."""
        others = [site.region.name for site in self.setup.deployment.serving if site.region.name != self.home]
        others = others or [self.away]
        addresses = [self.lab.gateway(region).host for region in others]
        await self.lab.dns.set(self.lab.host, addresses, self.setup.profile.ttl_s)
        self.note("left-out", region=self.home)

    async def _second_signal(self) -> bool:
        """Any NATS server of the region speaks."""
        ends = [Endpoint(self.lab.addresses.listen(server), CLIENT_PORT) for server in self.lab.servers(self.home)]
        return any(await asyncio.gather(*(nats_speaks(end) for end in ends)))

    def since_fault(self, at_ns: int) -> float:
        return (at_ns - self.milestones.get(Milestone.FAULT, at_ns)) / 1e9

    async def fail_over(
        self,
        why: str = "health checks and a second signal agree",
        *,
        allowed: frozenset[str] = frozenset(),
        patience: float = PATIENCE,
        executors: Mapping[Verb, Action] = EXECUTORS,
    ) -> OperationOutcome | None:
        """The strategy's own procedure: planned, approved and executed, or gone on with where it stopped.

        None where its plan forbids it.
        """
        return await self.carry_out(
            self.procedure, self.writer.journal, why, Options(allowed=allowed, patience=patience, executors=executors)
        )

    async def carry_out(
        self, procedure: Procedure, journal: Path, why: str, options: Options
    ) -> OperationOutcome | None:
        options = evolve(options, allowed=options.allowed | {LOST})
        begun = os.path.exists(journal)  # noqa: ASYNC240, PTH110 - one look at a local file
        fault_at = time.time() - self.since_fault(time.monotonic_ns())
        world = self.world(Decision("the drill's trigger", time.time(), why, fault_at))
        deployment = self.setup.deployment
        if not begun:
            plan = await make_plan(procedure, deployment, world, allowed=options.allowed)
            if plan.refusals:
                self._stopped("; ".join(problem.what for problem in plan.refusals))
                return None
            options = evolve(options, approved=plan.hash)
        with Journal(journal, world.clock) as opened:
            outcome = await execute(procedure, deployment, world, opened, options=options, progress=self._progress)
        self.failure = "; ".join(f"{problem.place}: {problem.what}" for problem in outcome.problems)
        return outcome

    def _stopped(self, why: str) -> None:
        self.failure = why
        self.note(EventName.STOPPED, why=why)
        self.report(f"the procedure cannot run: {why}")

    def _progress(self, progress: StepProgress) -> None:
        if self.on_step:
            self.on_step(progress)
        if progress.seconds is None:
            return
        self.took_s[progress.step.id] = progress.seconds
        if progress.state == StepState.DONE and progress.step.verb is Verb.CHANGE_TRAFFIC:
            self.reach(Milestone.EXECUTED)
        if progress.state == StepState.DONE and progress.step.verb is Verb.CONVERGE:
            self.reach(Milestone.CONVERGED)
        tail = f": {progress.why}" if progress.why else ""
        self.report(f"{progress.step.id} {progress.state} in {progress.seconds:.2f} s{tail}")

    @property
    def new_side(self) -> tuple[str, ...]:
        """Networks of what has to serve; none where the region that was hit may serve on."""
        return self.writer.manifest.new_side

    def recovery(self) -> Rto:
        return rto(self.milestones, self.history(), self.new_side)

    async def settled(self, within_s: float | None = None) -> Rto:
        """Until clients are served as before, or the time is over."""
        limit_s = self.setup.profile.settle_s if within_s is None else within_s
        end = time.monotonic() + limit_s
        while (recovery := self.recovery()).total is None and time.monotonic() < end:
            self.load.check()
            await asyncio.sleep(1.0)
        return recovery

    async def rest(self) -> None:
        """After a procedure that failed: clients go on trying for a while."""
        self.report(f"clients go on trying for {self.setup.profile.hopeless_s:g} s")
        await asyncio.sleep(self.setup.profile.hopeless_s)

    async def end(self) -> None:
        """Load off, everything that ran beside it ended."""
        summaries = await self.load.stop()
        self.turn.give()
        acknowledged = sum(summary.acknowledged for summary in summaries)
        self.note("load-ended", acknowledged=acknowledged)
        self.report(f"load ended: {acknowledged} writes acknowledged")
        await self.cancel()

    async def cancel(self) -> None:
        ended = self.tasks.copy()
        self.tasks.clear()
        await end_tasks(*ended)
        for task in ended:
            if not task.cancelled() and (error := task.exception()):
                raise error


LOST = "unfenced"
"""What a drill lifts: its silent region was killed or frozen by itself, and what it does when it returns is drilled."""


def set_the_stage(
    setup: Setup,
    lab: Lab,
    writer: EvidenceWriter,
    procedure: Procedure,
    report: ReportProgress,
    *,
    ignoring_ttl: float = 0.0,
) -> Stage:
    streams = load_streams(setup)
    config = ClientConfig(
        run=f"d{setup.seed}r{writer.manifest.run}",
        client=0,
        folder=str(writer.ledgers),
        streams=streams,
        target=load_target(setup, lab, ignoring_ttl),
        rate_per_s=setup.rate_per_s,
        payload_bytes=256,
        seed=setup.seed,
    )
    shares = clients_of(config, nats_target(setup, lab))
    clients = tuple(one for share in shares for one in share_out(share, PROCESSES))
    path = lab_path(lab, streams[0].of_key("probe"))
    return Stage(
        setup,
        lab,
        writer,
        procedure,
        report,
        LoadClients(lab.supervisor, clients),
        path,
        LabSecrets(setup.deployment, lab.regions),
        LabServices(lab, api_service(setup.deployment)),
        random.Random(f"{setup.seed}/{writer.manifest.run}/{writer.manifest.drill}"),
        LabManualSteps(lab),
        LabSites(lab),
    )
