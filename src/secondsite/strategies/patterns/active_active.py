"""Both regions serve; losing one sends its clients to the other. Databases still have one writer."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Requirement, Site, SiteRole
from secondsite.model.procedure import Step
from secondsite.strategies import requirements, services
from secondsite.strategies.patterns.standby import LivingSecondRegion, check_ready, second_cluster


@frozen
class ActiveActive(LivingSecondRegion):
    def sites(self) -> tuple[Site, ...]:
        return (
            Site(self.kit.home, SiteRole.ACTIVE, services.full(self.kit.system)),
            Site(self.kit.second, SiteRole.ACTIVE, services.second(self.kit.system)),
        )

    def requirements(self) -> tuple[Requirement, ...]:
        return (
            *second_cluster(self.kit, f"run a cluster in {self.kit.second.name} at full size", "both regions serve"),
            requirements.work(
                self.kit,
                "active-active",
                "work.active-active",
                "make consumers idempotent and give each region its own subjects",
                "two regions write at once; order across regions is not the same in both",
                "events are processed twice and in another order",
            ),
        )

    def service_steps(self, after: str) -> tuple[Step, ...]:
        return (check_ready(self.kit, "check that the other region is ready for all clients", after),)
