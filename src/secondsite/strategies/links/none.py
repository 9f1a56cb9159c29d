"""No link is added: streams live where they live today, with whatever copies and backups there are."""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.model.deployment import Copy, Deployment, LinkKind, Requirement, Site, WanLink
from secondsite.model.nats import NatsCluster
from secondsite.model.procedure import Step, Verb
from secondsite.model.region import Region
from secondsite.strategies.clusters import stream_copy
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import no_failback
from secondsite.strategies.mirrorable import why_no_promotion
from secondsite.strategies.sizing import all_streams, stream_rate_bytes_per_s, write_shares
from secondsite.strategies.steps import blocked_step, promote_mirrors, restore_consumers


@frozen
class NoLink:
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        return sites

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        return tuple(evolve(cluster, region=cluster.region or self.kit.home.name) for cluster in self.kit.system.nats)

    def links(self) -> tuple[WanLink, ...]:
        """What mirrors and sources elsewhere carry."""
        shares, rate = write_shares(self.kit.system), stream_rate_bytes_per_s(self.kit.system)
        return tuple(
            WanLink(
                LinkKind.LEAF if any(c.leaves for c in self.kit.system.nats) else LinkKind.GATEWAY,
                self.kit.home.name,
                region.name,
                "streams",
                rate * sum(shares.get(name, 0.0) for name in self._copied(region)),
            )
            for region in self.kit.system.regions_today[1:]
            if self._copied(region)
        )

    def copies(self) -> tuple[Copy, ...]:
        """Streams that another region copies already. Today's backups are the pattern's matter: they hold streams and
        stores alike."""
        written = self._written()
        copies = []
        for region in self.kit.system.regions_today[1:]:
            copied = self._copied(region)
            if copied:
                covers = () if written <= copied else tuple(sorted(copied))
                copies.append(evolve(stream_copy(self.kit, region, "mirror that is there today"), covers=covers))
        return tuple(copies)

    def requirements(self) -> tuple[Requirement, ...]:
        return ()

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        missing = self._missing()
        if missing is None:
            return (blocked_step(Verb.RESTORE_STREAMS, "no other region holds a stream", after),)
        if missing:
            why = f"no other region holds {', '.join(missing)}"
            return (blocked_step(Verb.RESTORE_STREAMS, why, after),)
        if why := why_no_promotion(deployment.clusters):
            return (blocked_step(Verb.PROMOTE_STREAMS, why, after),)
        promote = promote_mirrors(self.kit, "remove the mirror of every stream, by hand", after)
        return promote, restore_consumers(self.kit, promote.id)

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        return no_failback(self.kit, "no other region holds a stream, so there is nothing to come back from")

    def _written(self) -> frozenset[str]:
        return frozenset(stream.name for stream in all_streams(self.kit.system) if stream.mirror is None)

    def _copied(self, region: Region) -> frozenset[str]:
        """Streams of the first region that a cluster in ``region`` mirrors or sources."""
        here = [s for c in self.kit.system.nats if c.region == region.name for s in c.streams]
        origins = {origin.stream for s in here for origin in (*((s.mirror,) if s.mirror else ()), *s.sources)}
        return frozenset(origins) & self._written()

    def _missing(self) -> tuple[str, ...] | None:
        """Streams that no one other region holds with all the others; None where there is no other region."""
        others = self.kit.system.regions_today[1:]
        if not others:
            return None
        best = max((self._copied(region) for region in others), key=len)
        return tuple(sorted(self._written() - best))
