"""No link: streams live in one region, with whatever backups there are today."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Copy, Deployment, Requirement, Site, WanLink
from secondsite.model.nats import NatsCluster
from secondsite.model.procedure import Step, Verb
from secondsite.strategies.clusters import at_home
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import no_failback
from secondsite.strategies.steps import blocked_step


@frozen
class NoLink:
    def sites(self, kit: Kit, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        del kit
        return sites

    def clusters(self, kit: Kit, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        del sites
        return at_home(kit)

    def links(self, kit: Kit) -> tuple[WanLink, ...]:
        del kit
        return ()

    def copies(self, kit: Kit) -> tuple[Copy, ...]:
        """Today's backups are the pattern's matter: they hold streams and stores alike."""
        del kit
        return ()

    def requirements(self, kit: Kit) -> tuple[Requirement, ...]:
        del kit
        return ()

    def stream_steps(self, deployment: Deployment, kit: Kit, after: str) -> tuple[Step, ...]:
        del deployment
        return (blocked_step(kit, Verb.RESTORE_STREAMS, "no other region holds a stream", after),)

    def failback_steps(self, deployment: Deployment, kit: Kit, ready: tuple[str, ...]) -> tuple[Step, ...]:
        del deployment, ready
        return no_failback(kit, "no other region holds a stream, so there is nothing to come back from")
