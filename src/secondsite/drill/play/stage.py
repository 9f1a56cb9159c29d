"""What a drill acts on, and the acts that drills share: load, steady state, detection, failover, final reads.

Every act notes what it did before the next begins, and waits for nothing without a limit. Faults are a drill's own;
when they strike is drawn from the seed.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import define, evolve, field

from secondsite.drill.evidence.events import EventName, Milestone
from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.play.clients import LoadClients
from secondsite.drill.play.lab_backup import LabArchive, LabBackups
from secondsite.drill.play.lab_world import (
    LabManualSteps,
    LabNatsPath,
    LabPath,
    LabSecrets,
    LabServices,
    LabSites,
    api_service,
    lab_path,
    lab_world,
)
from secondsite.drill.play.load_streams import load_clients
from secondsite.drill.play.scene import ReportProgress
from secondsite.drill.play.setup import Setup
from secondsite.drill.play.watched import WatchedScene
from secondsite.lab.world import Lab
from secondsite.model.procedure import Procedure, Verb
from secondsite.operate.action import Action
from secondsite.operate.executor import OperationOutcome, Options, StepProgress, execute
from secondsite.operate.journal import Journal, StepState
from secondsite.operate.layout import Reach
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan
from secondsite.operate.verbs import EXECUTORS
from secondsite.operate.world import Decision, Restorer
from secondsite.strategies.archiver import EVERY_S, archived

PATIENCE = 1.0
"""A drill is carried out within the limits that hold where the procedure is deployed."""


@define(kw_only=True)
class Stage(WatchedScene):
    """``survivors``: the regions whose copies count in the end. ``salvage``: those that are looked at besides;
    ``rejoin``: they are then joined with the others, and looked at again.
    """

    path: LabPath | LabNatsPath
    secrets: LabSecrets
    services: LabServices
    manual_steps: LabManualSteps
    sites: LabSites
    restorer: Restorer | None = None
    survivors: list[str] = field(factory=list)
    salvage: list[str] = field(factory=list)
    rejoin: bool = False
    failure: str = ""
    took_s: dict[str, float] = field(factory=dict)
    on_step: Callable[[StepProgress], None] | None = None

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

    async def begin(self) -> None:
        """Old writes made, load on, backups on their way where nothing else carries the streams, steady state seen."""
        await self.put_under_load()
        self.keep_backups()
        self.report(f"load of {self.setup.rate_per_s:g} writes a second; waiting for steady state")
        await asyncio.sleep(self.setup.profile.steady_s)
        await self.steady()
        # Nobody knows when a resolver asked last: TTL and checks of whole seconds would meet in the same way each time.
        await asyncio.sleep(self.random.uniform(0, self.setup.profile.ttl_s))
        if archived(self.setup.deployment, self.home):  # nor when an archiver looked last
            await asyncio.sleep(self.random.uniform(0, EVERY_S))

    def keep_backups(self) -> None:
        """Where nothing else carries the streams away."""
        alone = tuple(family.name for family in self.families if family.reach is Reach.ALONE)
        if archived(self.setup.deployment, self.home):
            self.restorer = LabArchive(self.lab)
        elif alone and self.away != self.home:
            backups = LabBackups(self.lab, self.home, alone)
            self.restorer = backups
            self.background(backups.keep(self.setup.profile.backup_s))

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
    run = setup.aged.run if setup.aged else f"d{setup.seed}r{writer.manifest.run}"
    clients = load_clients(setup, lab, run, writer.ledgers, ignoring_ttl)
    path = lab_path(lab, clients[0].streams[0].of_key("probe"))
    return Stage(
        setup=setup,
        lab=lab,
        writer=writer,
        procedure=procedure,
        report=report,
        load=LoadClients(lab.supervisor, clients),
        path=path,
        secrets=LabSecrets(setup.deployment, lab.regions),
        services=LabServices(lab, api_service(setup.deployment)),
        random=random.Random(f"{setup.seed}/{writer.manifest.run}/{writer.manifest.drill}"),
        manual_steps=LabManualSteps(lab),
        sites=LabSites(lab),
    )
