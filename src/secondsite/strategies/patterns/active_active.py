"""Both regions serve; losing one sends its clients to the other. Databases still have one writer."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Requirement, Site, SiteRole
from secondsite.model.procedure import Step
from secondsite.strategies import requirements, services
from secondsite.strategies.design import Kit
from secondsite.strategies.patterns.standby import LivingSecondRegion, check_ready, second_cluster


@frozen
class ActiveActive(LivingSecondRegion):
    def sites(self, kit: Kit) -> tuple[Site, ...]:
        return (
            Site(kit.home, SiteRole.ACTIVE, services.full(kit.system)),
            Site(kit.second, SiteRole.ACTIVE, services.full(kit.system)),
        )

    def requirements(self, kit: Kit) -> tuple[Requirement, ...]:
        return (
            *second_cluster(kit, f"run a cluster in {kit.second.name} at full size", "both regions serve"),
            requirements.work(
                kit,
                "active-active",
                "work.active-active",
                "make consumers idempotent and give each region its own subjects",
                "two regions write at once; order across regions is not the same in both",
                "events are processed twice and in another order",
            ),
        )

    def service_steps(self, kit: Kit, after: str) -> tuple[Step, ...]:
        return (check_ready(kit, "check that the other region is ready for all clients", after),)
