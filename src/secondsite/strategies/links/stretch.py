"""One cluster over three regions, every stream R3 with one replica in each: nothing to promote, nothing to lose."""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, Deployment, LinkKind, PlacedService, Requirement, Site, SiteRole, WanLink
from secondsite.model.nats import NatsCluster
from secondsite.model.procedure import Step, Verb
from secondsite.strategies import requirements, services
from secondsite.strategies.clusters import at_home, stream_link
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import led_at_home
from secondsite.strategies.links.backup import backup_requirement, stream_backup
from secondsite.strategies.steps import make_step
from secondsite.strategies.stores import nothing, survivable


@frozen
class Stretch:
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        """One NATS server in each region instead of three in two."""
        nats = tuple(PlacedService(cluster.service, 1) for cluster in self.kit.system.nats if cluster.service)
        thinner = tuple(evolve(site, services=services.with_nats(site.services, self.kit.system, 1)) for site in sites)
        return (*thinner, Site(self.kit.third, SiteRole.WITNESS, nats, control_plane=False))

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        """One cluster; each region's server is a part of it, told apart by its region, without gateways."""
        kit = self.kit
        regions = (kit.home, kit.second, kit.third)
        return tuple(
            evolve(
                cluster,
                region=region.name,
                servers=1,
                route_tls=True,
                streams=tuple(evolve(stream, replicas=3) for stream in cluster.streams) if region is kit.home else (),
            )
            for cluster in at_home(kit)
            for region in regions
        )

    def links(self) -> tuple[WanLink, ...]:
        kit = self.kit
        far = (*stream_link(kit, kit.second, LinkKind.ROUTE), *stream_link(kit, kit.third, LinkKind.ROUTE))
        trips = {region.name: kit.rtt_ms(kit.home, region).quantile(0.5) / 1000 for region in (kit.second, kit.third)}
        return tuple(evolve(link, rtt_s=trips[link.target]) for link in far)

    def copies(self) -> tuple[Copy, ...]:
        """Acknowledged means stored in two regions: the loss of one loses nothing."""
        majority = Copy(
            Subject.NATS,
            "streams and consumers",
            self.kit.second.name,
            "Raft majority over three regions",
            nothing(),
            nothing(),
            nothing("acknowledged after a majority has it"),
            survivable(self.kit, self.kit.second, operators=False),
        )
        return majority, stream_backup(self.kit, self.kit.second)

    def requirements(self) -> tuple[Requirement, ...]:
        kit = self.kit
        return (
            backup_requirement(kit),
            requirements.work(
                kit,
                "stretch-cluster",
                "work.link",
                f"one nats-server in each of three regions ({kit.third.name} too), routes with TLS, every stream R3",
                "each region holds a replica and a vote",
            ),
            requirements.work(
                kit,
                "third-region",
                "work.small",
                f"a machine in {kit.third.name}, and a network between it and both other regions",
                "the third replica and vote lie outside both regions",
            ),
        )

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        """Nobody has to act: the two regions that are left elect by themselves from the moment of the loss."""
        return (
            make_step(
                self.kit,
                Verb.ELECT,
                "the two regions that are left elect new leaders",
                "elect.stretch",
                check="every stream has a leader and acknowledges a probe",
                region=self.kit.second.name,
            ),
        )

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        """The region's replicas have caught up with their leaders by themselves."""
        kit = self.kit
        return led_at_home(kit, f"the replicas of {kit.home.name} follow their leaders again", "elect.stretch", ready)
