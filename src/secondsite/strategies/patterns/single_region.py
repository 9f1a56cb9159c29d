"""The baseline: what runs today, with whatever backups it has."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Copy, Requirement, Site, SiteRole, WanLink
from secondsite.model.procedure import Step, Verb
from secondsite.strategies import services
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import blocked_step
from secondsite.strategies.todays_backups import existing_backups


@frozen
class SingleRegion:
    kit: Kit

    def sites(self) -> tuple[Site, ...]:
        return (Site(self.kit.home, SiteRole.PRIMARY, services.full(self.kit.system)),)

    def links(self) -> tuple[WanLink, ...]:
        return ()

    def copies(self) -> tuple[Copy, ...]:
        return existing_backups(self.kit)

    def requirements(self) -> tuple[Requirement, ...]:
        return ()

    def service_steps(self, after: str) -> tuple[Step, ...]:
        return (blocked_step(Verb.START_SERVICES, "nothing runs in any other region", after),)

    def store_steps(self, after: str) -> tuple[Step, ...]:
        return (blocked_step(Verb.RESTORE_STORES, "no other region holds the stores", after),)

    def growth_steps(self, after: str) -> tuple[Step, ...]:
        return ()
