"""Each region writes a stream of its own and sources the others': no region ever waits for another."""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.model.deployment import Copy, Deployment, LinkKind, Requirement, Site, WanLink
from secondsite.model.nats import LeafLink, NatsCluster, Stream, StreamOrigin
from secondsite.model.procedure import Step, Verb
from secondsite.model.region import Region
from secondsite.strategies import requirements
from secondsite.strategies.clusters import at_home, named, stream_copy, stream_link
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import led_at_home
from secondsite.strategies.links.backup import backup_requirement, stream_backup
from secondsite.strategies.sizing import all_streams
from secondsite.strategies.steps import blocked_step, make_step
from secondsite.strategies.stream_config import written_subjects


@frozen
class Sourced:
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        return sites

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        return tuple(one for cluster in at_home(self.kit) for one in self._pair(cluster))

    def _pair(self, cluster: NatsCluster) -> tuple[NatsCluster, NatsCluster]:
        denied = written_subjects(cluster)
        home = evolve(cluster, domain=self.kit.home.name)
        other = evolve(named(cluster, self.kit.second), domain=self.kit.second.name)
        leaf = LeafLink(
            home.name, tls=True, credentials=f"leaf-{self.kit.second.name}", deny_imports=denied, deny_exports=denied
        )
        return (
            evolve(home, streams=_sourcing(cluster, self.kit.second)),
            evolve(other, streams=_sourcing(cluster, self.kit.home), leaves=(leaf,)),
        )

    def links(self) -> tuple[WanLink, ...]:
        return stream_link(self.kit, self.kit.second, LinkKind.LEAF, both_ways=True)

    def copies(self) -> tuple[Copy, ...]:
        return (stream_copy(self.kit, self.kit.second, "sourced stream"), stream_backup(self.kit, self.kit.second))

    def requirements(self) -> tuple[Requirement, ...]:
        if not self.kit.system.nats:
            return ()
        return (
            backup_requirement(self.kit),
            *requirements.promotion(self.kit),
            requirements.work(
                self.kit,
                "sourced-streams",
                "work.link",
                "one JetStream domain per region, streams that source each other, denies for every subject",
                "each region writes its own stream and never waits for the other",
                "a publish is stored in both regions at once",
            ),
        )

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        """Nothing to do: the survivor's own streams never stopped. Of a bucket it has the other region's keys under a
        prefix, where nobody looks."""
        buckets = tuple(stream.name for stream in all_streams(self.kit.system) if stream.kind != "stream")
        if buckets:
            why = f"sourced keys lie under the other region's prefix, where `get` does not look: {', '.join(buckets)}"
            return (blocked_step(Verb.ELECT, why, after),)
        return (
            make_step(
                self.kit,
                Verb.ELECT,
                "the survivor keeps writing its own streams",
                "continue.sourced",
                check="every stream acknowledges a probe",
                region=self.kit.second.name,
            ),
        )

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        """Both sides take from each other what they missed, by themselves."""
        return led_at_home(self.kit, f"{self.kit.home.name} writes its own streams again", "continue.sourced", ready)


def _sourcing(cluster: NatsCluster, other: Region) -> tuple[Stream, ...]:
    """The other region's messages come under its name: without, each region sources its own back, without end.

    Ten messages were 850 after six seconds where they carried no message id (nats-server 2.15.1).
    """
    origin = StreamOrigin("", domain=other.name, region=other.name, prefix=other.name)
    return tuple(
        evolve(stream, sources=(*stream.sources, evolve(origin, stream=stream.name))) for stream in cluster.streams
    )
