"""What pilot light, warm standby and active-active have in common: a living second region that holds the data."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Copy, Requirement, WanLink
from secondsite.model.procedure import Step, Verb
from secondsite.strategies import requirements, stores
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import make_step
from secondsite.strategies.store_steps import promote_stores


@frozen
class LivingSecondRegion:
    """Stores run in the second region and load each snapshot as it comes."""

    kit: Kit

    loads_snapshots = True

    def links(self) -> tuple[WanLink, ...]:
        return (*stores.database_links(self.kit, self.kit.second), *stores.backup_links(self.kit, self.kit.second))

    def copies(self) -> tuple[Copy, ...]:
        return stores.replica(self.kit, self.kit.second)

    def store_steps(self, after: str) -> tuple[Step, ...]:
        return promote_stores(self.kit, after, loaded=self.loads_snapshots)

    def growth_steps(self, after: str) -> tuple[Step, ...]:
        """Nothing, where the second region is as large as the first."""
        return ()


def second_cluster(kit: Kit, what: str, why: str) -> tuple[Requirement, ...]:
    """A cluster in the second region, with copies of stores and secrets."""
    return (
        requirements.work(kit, "standby-cluster", "work.standby", what, why, "there is nothing to move to"),
        *requirements.store_replicas(kit, stores.copied(kit)),
        *requirements.replicated_secrets(kit),
    )


def check_ready(kit: Kit, title: str, after: str) -> Step:
    """What runs already need not start, only be looked at."""
    return make_step(
        kit,
        Verb.START_SERVICES,
        title,
        "verify.path",
        check="readiness of every Deployment and StatefulSet",
        after=(after,),
        region=kit.second.name,
    )
