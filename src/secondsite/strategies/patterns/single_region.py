"""The baseline: what runs today, with whatever backups it has."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Copy, Requirement, Site, SiteRole, WanLink
from secondsite.model.procedure import Step, Verb
from secondsite.strategies import services, stores
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import blocked_step


@frozen
class SingleRegion:
    def sites(self, kit: Kit) -> tuple[Site, ...]:
        return (Site(kit.home, SiteRole.PRIMARY, services.full(kit.system)),)

    def links(self, kit: Kit) -> tuple[WanLink, ...]:
        del kit
        return ()

    def copies(self, kit: Kit) -> tuple[Copy, ...]:
        return stores.existing_backups(kit)

    def requirements(self, kit: Kit) -> tuple[Requirement, ...]:
        del kit
        return ()

    def service_steps(self, kit: Kit, after: str) -> tuple[Step, ...]:
        return (blocked_step(kit, Verb.START_SERVICES, "nothing runs in any other region", after),)

    def store_steps(self, kit: Kit, after: str) -> tuple[Step, ...]:
        return (blocked_step(kit, Verb.RESTORE_STORES, "no other region holds the stores", after),)

    def growth_steps(self, kit: Kit, after: str) -> tuple[Step, ...]:
        del kit, after
        return ()
