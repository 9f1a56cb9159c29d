"""What a drill acts on, and the acts that drills share: load, steady state, detection, failover, final reads.

Every act notes what it did before the next begins, and waits for nothing without a limit. Faults are a drill's own;
when they strike is drawn from the seed.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress

from attrs import define, field

from secondsite.dns.lookup import look_up
from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.play.caches import CacheReader
from secondsite.drill.play.clients import LoadClients
from secondsite.drill.play.lab_backup import LabArchive, LabBackups
from secondsite.drill.play.lab_venue import LabVenue
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
from secondsite.drill.play.operated import OperatedScene
from secondsite.drill.play.scene import ReportProgress
from secondsite.drill.play.setup import Setup
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError
from secondsite.model.procedure import Procedure
from secondsite.operate.layout import Reach
from secondsite.operate.live import LiveWorld
from secondsite.operate.world import Decision, Restorer
from secondsite.strategies.archiver import EVERY_S, archived

_HOME_WITHIN_S = 10.0
_LOOK_S = 0.1


@define(kw_only=True)
class Stage(OperatedScene):
    """``survivors``: the regions whose copies count in the end. ``salvage``: those that are looked at besides;
    ``rejoin``: they are then joined with the others, and looked at again.
    """

    venue: LabVenue
    path: LabPath | LabNatsPath
    secrets: LabSecrets
    services: LabServices
    manual_steps: LabManualSteps
    sites: LabSites
    restorer: Restorer | None = None
    survivors: list[str] = field(factory=list)
    salvage: list[str] = field(factory=list)
    rejoin: bool = False
    caches: list[CacheReader] = field(factory=list)

    @property
    def lab(self) -> Lab:
        return self.venue.lab

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
        await self.leads_home()
        savers = tuple(spec.name for region in self.lab.regions for spec in self.lab.savers.specs(region))
        self.lab.freeze(*savers)  # a lab that waits for its turn waits idle
        await self.put_under_load()
        self.lab.thaw(*savers)
        self.keep_backups()
        self.read_caches()
        self.report(f"load of {self.setup.rate_per_s:g} writes a second; waiting for steady state")
        await asyncio.sleep(self.setup.profile.steady_s)
        await self.steady()
        await self.calm()
        # Nobody knows when a resolver asked last: TTL and checks of whole seconds would meet in the same way each time.
        await asyncio.sleep(self.random.uniform(0, self.setup.profile.ttl_s))
        if archived(self.setup.deployment, self.home):  # nor when an archiver looked last
            await asyncio.sleep(self.random.uniform(0, EVERY_S))

    async def leads_home(self) -> None:
        """A check that failed while a lab started moves a failover record, and resolvers tell it for a TTL: who begins
        then writes into a region that waits, where a store takes that.
        """
        serving = self.setup.deployment.serving
        end = time.monotonic() + _HOME_WITHIN_S
        while len(serving) == 1 and time.monotonic() < end:
            with suppress(MachineError):
                answer = await look_up(self.lab.resolver, self.lab.host)
                if answer is None or set(answer.addresses) <= {self.lab.address(self.home)}:
                    return
            await asyncio.sleep(_LOOK_S)

    def read_caches(self) -> None:
        for store in self.lab.stores.caches.stores:
            self.caches.append(CacheReader(self.lab, store, random.Random(f"{self.setup.seed}/{store}")))
            self.background(self.caches[-1].keep_reading())

    def keep_backups(self) -> None:
        """Where nothing else carries the streams away."""
        alone = tuple(family.name for family in self.families if family.reach is Reach.ALONE)
        if archived(self.setup.deployment, self.home):
            self.restorer = LabArchive(self.lab)
        elif alone and self.away != self.home:
            backups = LabBackups(self.lab, self.home, alone)
            self.restorer = backups
            self.background(backups.keep(self.setup.profile.backup_s))


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
        venue=LabVenue(lab),
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
