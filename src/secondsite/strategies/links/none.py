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
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        return sites

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        return at_home(self.kit)

    def links(self) -> tuple[WanLink, ...]:
        return ()

    def copies(self) -> tuple[Copy, ...]:
        """Today's backups are the pattern's matter: they hold streams and stores alike."""
        return ()

    def requirements(self) -> tuple[Requirement, ...]:
        return ()

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        return (blocked_step(Verb.RESTORE_STREAMS, "no other region holds a stream", after),)

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        return no_failback(self.kit, "no other region holds a stream, so there is nothing to come back from")
