"""Backups in another region, everything else created when it is needed."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Copy, Requirement, Site, SiteRole, WanLink
from secondsite.model.procedure import Need, Step, Verb
from secondsite.strategies import requirements, services, stores
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import make_step, start_services
from secondsite.strategies.store_steps import restored_stores


@frozen
class BackupRestore:
    kit: Kit

    def sites(self) -> tuple[Site, ...]:
        return (
            Site(self.kit.home, SiteRole.PRIMARY, services.full(self.kit.system)),
            Site(self.kit.second, SiteRole.VAULT, control_plane=False),
        )

    def links(self) -> tuple[WanLink, ...]:
        return stores.backup_links(self.kit, self.kit.second)

    def copies(self) -> tuple[Copy, ...]:
        return stores.kept_outside(self.kit, self.kit.second)

    def requirements(self) -> tuple[Requirement, ...]:
        return (
            *requirements.store_replicas(self.kit, stores.saved(self.kit)),
            *requirements.replicated_secrets(self.kit),
        )

    def service_steps(self, after: str) -> tuple[Step, ...]:
        create = make_step(
            self.kit,
            Verb.CREATE_CLUSTER,
            "create the cluster in the second region",
            "create.cluster",
            check="every node Ready, Argo CD synced",
            after=(after,),
            region=self.kit.second.name,
            needs=frozenset({Need.CONTROL_PLANE, Need.CAPACITY}),
        )
        return create, start_services(self.kit, create.id)

    def store_steps(self, after: str) -> tuple[Step, ...]:
        return restored_stores(self.kit, Verb.CREATE_CLUSTER)

    def growth_steps(self, after: str) -> tuple[Step, ...]:
        return ()
