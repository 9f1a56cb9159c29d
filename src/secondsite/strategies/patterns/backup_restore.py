"""Backups in another region, everything else created when it is needed."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Copy, Requirement, Site, SiteRole, WanLink
from secondsite.model.procedure import Need, Step, Verb
from secondsite.model.store import Loss
from secondsite.strategies import requirements, services, stores
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import make_step, start_services, stores_restored


@frozen
class BackupRestore:
    def sites(self, kit: Kit) -> tuple[Site, ...]:
        return (
            Site(kit.home, SiteRole.PRIMARY, services.full(kit.system)),
            Site(kit.second, SiteRole.VAULT, control_plane=False),
        )

    def links(self, kit: Kit) -> tuple[WanLink, ...]:
        return stores.backup_links(kit, kit.second)

    def copies(self, kit: Kit) -> tuple[Copy, ...]:
        return (stores.off_region_backup(kit, kit.second),)

    def requirements(self, kit: Kit) -> tuple[Requirement, ...]:
        return (
            *requirements.store_replicas(kit, f"back up databases and vector stores to {kit.second.name}"),
            *requirements.replicated_secrets(kit),
        )

    def service_steps(self, kit: Kit, after: str) -> tuple[Step, ...]:
        create = make_step(
            kit,
            Verb.CREATE_CLUSTER,
            "create the cluster in the second region",
            "create.cluster",
            check="every node Ready, Argo CD synced",
            after=(after,),
            region=kit.second.name,
            needs=frozenset({Need.CONTROL_PLANE, Need.CAPACITY}),
        )
        return create, start_services(kit, create.id)

    def store_steps(self, kit: Kit, after: str) -> tuple[Step, ...]:
        return (
            make_step(
                kit,
                Verb.RESTORE_STORES,
                "restore databases and vector stores from the newest backup",
                stores_restored(kit, tuple(store.name for store in kit.system.stores if store.loss is Loss.DATA)),
                check="row and point counts match the backup's manifest",
                after=(Verb.CREATE_CLUSTER,),
                region=kit.second.name,
                targets=tuple(store.name for store in kit.system.stores),
            ),
        )

    def growth_steps(self, kit: Kit, after: str) -> tuple[Step, ...]:
        del kit, after
        return ()
