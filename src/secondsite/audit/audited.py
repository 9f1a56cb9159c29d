"""What the rules look at: a System, and the Deployment and Procedures of a strategy where there are any.

Clusters, traffic and copies are the Deployment's when there is one, else the System's own, so that one rule
serves a plan and what runs today. A cluster without a region lies in the System's region; clusters of one name
are one cluster that stretches over their regions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property

from attrs import field, frozen

from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Copy, Deployment
from secondsite.model.fault import Fault
from secondsite.model.mark import DEFAULT, Knowledge
from secondsite.model.nats import NatsCluster, Stream, StreamOrigin
from secondsite.model.nats_release import Feature, Support, parse_version, supports
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.service import Service
from secondsite.model.system import System
from secondsite.model.traffic import Traffic


@frozen
class Replica:
    """A stream that mirrors or sources another. ``home`` and ``origin`` are None when the audited does not hold it."""

    cluster: NatsCluster
    stream: Stream
    of: StreamOrigin
    home: NatsCluster | None
    origin: Stream | None

    @property
    def path(self) -> str:
        return stream_path(self.cluster, self.stream)


@frozen
class MetaGroup:
    """Clusters whose servers elect one meta leader together. ``voters`` counts them by region."""

    clusters: tuple[NatsCluster, ...]
    voters: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.voters.values())

    @property
    def majority(self) -> int:
        return self.total // 2 + 1

    @property
    def path(self) -> str:
        return f"nats.{self.clusters[0].name}"

    @property
    def oldest(self) -> NatsCluster | None:
        """The cluster with the oldest version, of those whose version is known."""
        known = [cluster for cluster in self.clusters if parse_version(cluster.version)]
        return min(known, key=lambda cluster: parse_version(cluster.version) or (0, 0, 0), default=None)

    @property
    def split(self) -> str:
        """``3 in eu-west-1 + 3 in us-east-1``."""
        return " + ".join(f"{count} in {region}" for region, count in self.voters.items())

    @property
    def indispensable(self) -> tuple[str, ...]:
        """The regions whose loss takes the majority along; none in a group that lies in one region."""
        if len(self.voters) < 2:
            return ()
        return tuple(region for region, count in self.voters.items() if self.total - count < self.majority)


def every_contract(contract: Contract) -> bool:
    """What holds of each: `Audited.endangered` answers it once, as most findings ask the same."""
    return True


@frozen
class Audited:
    system: System
    deployment: Deployment | None = None
    procedures: tuple[Procedure, ...] = ()
    _endangered: dict[tuple[tuple[Subject, ...], tuple[Fault, ...]], tuple[str, ...]] = field(
        factory=dict, init=False, eq=False, repr=False
    )

    @property
    def clusters(self) -> tuple[NatsCluster, ...]:
        return self.deployment.clusters if self.deployment else self.system.nats

    @property
    def traffic(self) -> Traffic:
        return self.deployment.traffic if self.deployment else self.system.traffic

    @property
    def copies(self) -> tuple[Copy, ...]:
        return self.deployment.copies if self.deployment else ()

    @property
    def failovers(self) -> tuple[Procedure, ...]:
        """The procedures for a lost region; those for its harder variants only where the plain one is not told."""
        plain = tuple(procedure for procedure in self.procedures if procedure.fault is Fault.REGION)
        return plain or tuple(procedure for procedure in self.procedures if procedure.fault.loses_region)

    def service_of(self, cluster: NatsCluster) -> Service | None:
        return self.system.service(cluster.service or cluster.name)

    def region_of(self, cluster: NatsCluster) -> str:
        return cluster.region or self.system.region.name

    def parts_of(self, cluster: NatsCluster) -> tuple[NatsCluster, ...]:
        """The cluster itself, or all parts of one that is told region by region."""
        return tuple(other for other in self.clusters if other.name == cluster.name)

    def is_assumed(self, path: str) -> bool:
        """Whether nobody has seen the value: no hazard is made of it."""
        mark = self.system.marks.get(path)
        return mark is not None and mark.origin is Knowledge.ASSUMED

    def is_unread(self, path: str) -> bool:
        """Whether nobody has seen the setting at all; one that was seen not to be set has the server's default."""
        mark = self.system.marks.get(path)
        return mark is not None and mark.origin is Knowledge.ASSUMED and not mark.why.startswith(DEFAULT)

    def on_kubernetes(self, service: Service) -> bool:
        """Not so where a docker compose file or a server's own configuration was read: no drain, no policy there."""
        return not self.is_assumed(f"services.{service.name}.kind")

    def servers_of(self, cluster: NatsCluster) -> int:
        return sum(part.servers for part in self.parts_of(cluster))

    def stretched(self, cluster: NatsCluster) -> bool:
        """Whether its routes, not gateways or leaf nodes, cross regions."""
        return len({self.region_of(part) for part in self.parts_of(cluster)}) > 1

    def copy_survives(self, subjects: Collection[Subject], fault: Fault) -> bool:
        """Whether the Deployment keeps a copy of one of the subjects that this fault leaves good."""
        return any(copy.subject in subjects and fault in copy.survives for copy in self.copies)

    def contracts(
        self,
        subjects: Collection[Subject],
        faults: Collection[Fault],
        holds: Callable[[Contract], bool] = every_contract,
    ) -> tuple[Contract, ...]:
        return tuple(
            contract
            for contract in self.system.contracts
            if contract.subject in subjects and contract.fault in faults and holds(contract)
        )

    def endangered(
        self,
        subjects: Collection[Subject],
        faults: Collection[Fault],
        holds: Callable[[Contract], bool] = every_contract,
    ) -> tuple[str, ...]:
        """The names of the contracts on these subjects and faults for which ``holds`` is true."""
        if holds is not every_contract:
            return self._names(subjects, faults, holds)
        asked = (tuple(subjects), tuple(faults))
        if asked not in self._endangered:
            self._endangered[asked] = self._names(subjects, faults, holds)
        return self._endangered[asked]

    def concerned(self, path: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """Of these contracts those that what stands at ``path`` can break: one store keeps nobody from another's."""
        of_one_store = [one for one in self.system.contracts if one.subject is Subject.STATE and one.part]
        mine = self._stores_at(path) if of_one_store else frozenset()
        spared = {contract.name for contract in of_one_store if mine and is_of_another(contract, mine)}
        return tuple(name for name in names if name not in spared)

    def _stores_at(self, path: str) -> frozenset[str]:
        """The stores that a path is about; none where it is about no store, or nobody says about which."""
        kind, _, rest = path.partition(".")
        covered = {
            name
            for backup in (self.system.backups if kind == "backups" else ())
            if _begins(rest, backup.name)
            for name in backup.covers
        }
        return frozenset(
            store.name
            for store in self.system.stores
            if store.service in covered
            or (kind == "services" and _begins(rest, store.service))
            or (kind == "stores" and _begins(rest, store.name))
        )

    def _names(
        self, subjects: Collection[Subject], faults: Collection[Fault], holds: Callable[[Contract], bool]
    ) -> tuple[str, ...]:
        return tuple(dict.fromkeys(contract.name for contract in self.contracts(subjects, faults, holds)))

    @cached_property
    def meta_groups(self) -> tuple[MetaGroup, ...]:
        return tuple(self._meta_group(members) for members in _components(self.clusters))

    def group_of(self, cluster: NatsCluster) -> MetaGroup:
        return next(group for group in self.meta_groups if cluster in group.clusters)

    def _meta_group(self, members: tuple[NatsCluster, ...]) -> MetaGroup:
        voters: dict[str, int] = {}
        for cluster in members:
            region = self.region_of(cluster)
            voters[region] = voters.get(region, 0) + cluster.voters
        return MetaGroup(members, voters)

    @cached_property
    def replicas(self) -> tuple[Replica, ...]:
        """Every mirror and every source, with what it copies."""
        return tuple(
            Replica(cluster, stream, of, *self._locate(cluster, stream, of))
            for cluster in self.clusters
            for stream in cluster.streams
            for of in (*((stream.mirror,) if stream.mirror else ()), *stream.sources)
        )

    @property
    def mirrors(self) -> tuple[Replica, ...]:
        return tuple(replica for replica in self.replicas if replica.of is replica.stream.mirror)

    @cached_property
    def mirrored(self) -> dict[int, Stream]:
        """What each mirror copies, where it is known; by the identity of the mirror's own stream."""
        return {id(mirror.stream): mirror.origin for mirror in self.mirrors if mirror.origin}

    @property
    def remote_mirrors(self) -> tuple[Replica, ...]:
        """Mirrors of a stream in another cluster: those one could fail over to."""
        return tuple(mirror for mirror in self.mirrors if mirror.home is not mirror.cluster)

    def _locate(self, at: NatsCluster, stream: Stream, of: StreamOrigin) -> tuple[NatsCluster | None, Stream | None]:
        owners = [
            (home, origin)
            for home, origin in self._streams_by_name.get(of.stream, ())
            if not (home is at and origin is stream)
            and (not of.domain or of.domain == home.domain)
            and (not of.region or of.region == self.region_of(home))
        ]
        originals = [pair for pair in owners if pair[1].mirror is None]
        best = originals or owners
        return best[0] if best else (None, None)

    @cached_property
    def _streams_by_name(self) -> dict[str, list[tuple[NatsCluster, Stream]]]:
        by_name: dict[str, list[tuple[NatsCluster, Stream]]] = {}
        for cluster in self.clusters:
            for stream in cluster.streams:
                by_name.setdefault(stream.name, []).append((cluster, stream))
        return by_name

    @property
    def means_to_promote(self) -> bool:
        """Whether a failover promotes, or would if it were not blocked before; without a failover, mirrors say so."""
        verbs = {step.verb for procedure in self.failovers for step in procedure.steps}
        return not verbs or bool(verbs & {Verb.PROMOTE_STREAMS, Verb.RESTORE_QUORUM})

    def promotions(self) -> Iterator[tuple[Procedure, Step, tuple[Replica, ...]]]:
        """Each step that promotes streams and can run, with the mirrors it means; no targets means all of them."""
        for procedure in self.failovers:
            for step in procedure.steps:
                if step.verb is Verb.PROMOTE_STREAMS and not step.blocked:
                    yield procedure, step, self._promoted(step)

    def _promoted(self, step: Step) -> tuple[Replica, ...]:
        meant = set(step.targets)
        named = tuple(mirror for mirror in self.remote_mirrors if {mirror.stream.name, mirror.of.stream} & meant)
        there = tuple(m for m in (named or self.remote_mirrors) if step.region in ("", m.cluster.region))
        return there or named or self.remote_mirrors


def lacks(cluster: NatsCluster | None, feature: Feature) -> bool:
    """Whether its version is known not to have it: what is unknown is not accused."""
    return cluster is not None and supports(cluster.version, feature) is Support.NO


def promises_rpo(contract: Contract) -> bool:
    return contract.rpo_s is not None


def is_of_another(contract: Contract, stores: Collection[str]) -> bool:
    """Whether it speaks of one store alone, and of none of these."""
    return contract.subject is Subject.STATE and bool(contract.part) and contract.part not in stores


def rpo_below(limit_s: float) -> Callable[[Contract], bool]:
    return lambda contract: contract.rpo_s is not None and contract.rpo_s < limit_s


def rto_below(limit_s: float) -> Callable[[Contract], bool]:
    return lambda contract: contract.rto_s is not None and contract.rto_s < limit_s


def stream_path(cluster: NatsCluster, stream: Stream) -> str:
    return f"nats.{cluster.name}.streams.{stream.name}"


def _begins(path: str, name: str) -> bool:
    return bool(name) and (path == name or path.startswith(f"{name}."))


def listed(names: Iterable[str], at_most: int = 6) -> str:
    """``a, b, c``, and how many more there are where that would be too long to read."""
    known = list(names)
    more = f" and {len(known) - at_most} more" if len(known) > at_most else ""
    return ", ".join(known[:at_most]) + more


def step_path(procedure: Procedure, step: Step) -> str:
    return f"procedures.{procedure.name}.{step.id}"


def _components(clusters: tuple[NatsCluster, ...]) -> list[tuple[NatsCluster, ...]]:
    """Clusters joined by gateways, or by a common name (one cluster told region by region)."""
    parent = list(range(len(clusters)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    by_name: dict[str, int] = {}
    for index, cluster in enumerate(clusters):
        parent[root(index)] = root(by_name.setdefault(cluster.name, index))
    for index, cluster in enumerate(clusters):
        for link in cluster.gateways:
            if link.cluster in by_name:
                parent[root(index)] = root(by_name[link.cluster])
    groups: dict[int, list[NatsCluster]] = {}
    for index, cluster in enumerate(clusters):
        groups.setdefault(root(index), []).append(cluster)
    return [tuple(members) for members in groups.values()]
