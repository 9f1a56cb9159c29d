"""Data is alive in the second region, services sleep until they are needed."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Requirement, Site, SiteRole
from secondsite.model.procedure import Need, Step, Verb
from secondsite.strategies import services
from secondsite.strategies.patterns.standby import LivingSecondRegion, second_cluster
from secondsite.strategies.steps import make_step, start_services


@frozen
class PilotLight(LivingSecondRegion):
    loads_snapshots = False

    def sites(self) -> tuple[Site, ...]:
        return (
            Site(self.kit.home, SiteRole.PRIMARY, services.full(self.kit.system)),
            Site(self.kit.second, SiteRole.STANDBY, services.pilot(self.kit.system)),
        )

    def requirements(self) -> tuple[Requirement, ...]:
        return second_cluster(
            self.kit,
            f"run a cluster in {self.kit.second.name} with its services scaled to zero",
            "GitOps keeps it current; only data runs",
        )

    def service_steps(self, after: str) -> tuple[Step, ...]:
        nodes = make_step(
            self.kit,
            Verb.SCALE_SERVICES,
            "scale the standby's nodes up",
            "start.nodes",
            check="every node Ready",
            after=(after,),
            region=self.kit.second.name,
            needs=frozenset({Need.CONTROL_PLANE, Need.CAPACITY}),
        )
        return nodes, start_services(self.kit, nodes.id)
