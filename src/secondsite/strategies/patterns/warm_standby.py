"""Everything runs in the second region, small; it is scaled up after it took over."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Requirement, Site, SiteRole
from secondsite.model.procedure import Need, Step, Verb
from secondsite.strategies import services
from secondsite.strategies.patterns.standby import LivingSecondRegion, check_ready, second_cluster
from secondsite.strategies.steps import make_step


@frozen
class WarmStandby(LivingSecondRegion):
    def sites(self) -> tuple[Site, ...]:
        return (
            Site(self.kit.home, SiteRole.PRIMARY, services.full(self.kit.system)),
            Site(self.kit.second, SiteRole.STANDBY, services.warm(self.kit.system)),
        )

    def requirements(self) -> tuple[Requirement, ...]:
        return second_cluster(
            self.kit,
            f"run a cluster in {self.kit.second.name} with one replica of every service",
            "what runs already need not start",
        )

    def service_steps(self, after: str) -> tuple[Step, ...]:
        return (check_ready(self.kit, "check that every service of the standby is ready", after),)

    def growth_steps(self, after: str) -> tuple[Step, ...]:
        """Scaling up is not waited for: the replicas that run answer, and more follow."""
        return (
            make_step(
                self.kit,
                Verb.SCALE_SERVICES,
                "scale the standby to the primary's size",
                "scale.services",
                check="replicas as in the primary, p95 latency back",
                after=(after,),
                region=self.kit.second.name,
                needs=frozenset({Need.CAPACITY}),
            ),
        )
