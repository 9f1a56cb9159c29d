"""Worlds without a hazard (a system, and three strategies laid out from it), and ways to change one thing in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from attrs import evolve

from secondsite.audit.registry import audit
from secondsite.model.alert import Alert
from secondsite.model.backup import Backup, Content, Where
from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Copy, Deployment, LinkKind, PlacedService, Site, SiteRole, WanLink
from secondsite.model.estimate import Estimate, fixed
from secondsite.model.fault import Fault
from secondsite.model.hazard import Hazard
from secondsite.model.load import Load
from secondsite.model.nats import Consumer, GatewayLink, LeafLink, NatsCluster, Stream, StreamOrigin
from secondsite.model.procedure import Procedure, QuorumMethod, Step, Verb
from secondsite.model.region import Region
from secondsite.model.secret import Secret
from secondsite.model.service import DisruptionBudget, NatsClient, Role, Service, Spreading, Volume
from secondsite.model.settings import Settings
from secondsite.model.store import Loss, RunningStore, Store
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.traffic import Traffic
from secondsite.model.units import Bytes, Seconds

GIB = 1024**3
HOME, SECOND, THIRD = Region("aws", "us-east-1"), Region("aws", "us-west-2"), Region("aws", "us-east-2")


class World(NamedTuple):
    """What `audit` takes."""

    system: System
    deployment: Deployment | None = None
    procedures: tuple[Procedure, ...] = ()

    def hazards(self) -> tuple[Hazard, ...]:
        return audit(self.system, self.deployment, self.procedures)

    def rules(self) -> set[str]:
        return {hazard.rule for hazard in self.hazards()}


Change = Callable[[World], World]


def spread(name: str, role: Role, replicas: int, **more: Any) -> Service:
    apart = Spreading.REQUIRED
    return Service(
        name,
        role=role,
        image=f"{name}:1",
        replicas=replicas,
        spread_nodes=apart,
        spread_zones=apart,
        **more,
    )


CLIENT = NatsClient(("nats://nats:4222",), Seconds(2), 2, -1, randomize=False, message_ids=True)
SYSTEM = System(
    name="sound",
    region=HOME,
    second=SECOND,
    third=THIRD,
    services=(
        spread("api", Role.API, 2, depends_on=("nats", "redis"), nats_client=CLIENT),
        spread("redis", Role.CACHE, 2),
        spread(
            "nats",
            Role.NATS,
            3,
            volumes=(Volume("data", Bytes(10 * GIB)),),
            disruption_budget=DisruptionBudget(min_available=2),
            memory_limit_bytes=Bytes(2 * GIB),
            network_policy=True,
        ),
        spread("postgres", Role.DATABASE, 2, volumes=(Volume("data", Bytes(10 * GIB)),)),
        spread("prometheus", Role.OBSERVABILITY, 2),
    ),
    nats=(
        NatsCluster(
            "nats",
            version="2.15.1",
            max_file_bytes=Bytes(8 * GIB),
            max_memory_bytes=Bytes(GIB),
            sync_interval_s=Seconds(0),
            route_tls=True,
            streams=(
                Stream(
                    "EVENTS",
                    ("events.>",),
                    replicas=3,
                    max_age_s=Seconds(3600),
                    max_bytes=Bytes(GIB),
                    duplicate_window_s=Seconds(0),
                    consumers=(Consumer("metering"),),
                ),
            ),
        ),
    ),
    stores=(Store("postgres", "postgres", "postgres"), Store("redis", "redis", "redis", Loss.CACHE)),
    secrets=(Secret("api", store="vault", regions=("us-east-1", "us-west-2")),),
    backups=(
        Backup("snapshots", ("nats",), Content.MESSAGES, Where.ELSEWHERE, Seconds(60), restore_tested=True),
        Backup("dump", ("postgres",), Content.DATA, Where.ELSEWHERE, Seconds(60), restore_tested=True),
    ),
    alerts=(
        Alert("BackupOld", "time() - backup_last_success", "backup-age", Seconds(240)),
        Alert("MirrorBehind", "mirror_lag > 0 or mirror_active > 10", "mirror-lag", Seconds(10)),
        Alert("Down", "up == 0", "availability", Seconds(20), Seconds(5)),
    ),
    traffic=Traffic("api.example.org", Seconds(30), True, Seconds(10), 3),
    contracts=(
        Contract(Subject.API, Fault.REGION, Seconds(300), Seconds(60)),
        Contract(Subject.NATS, Fault.REGION, Seconds(900), Seconds(300)),
        Contract(Subject.STATE, Fault.REGION, Seconds(1800), Seconds(3600)),
        Contract(Subject.NATS, Fault.NODE, Seconds(60), Seconds(60)),
        Contract(Subject.API, Fault.PROCESS, Seconds(30)),
    ),
)


def seconds(value: float) -> Estimate:
    return fixed("delay", value, "s", "a test")


def copy_of(subject: Subject, delay_s: float = 0.03) -> Copy:
    survives = frozenset({Fault.REGION, Fault.DELETION, Fault.BAD_WRITE})
    return Copy(subject, "streams", SECOND.name, "mirror", seconds(0), seconds(delay_s), seconds(0), survives)


def site(region: Region, role: SiteRole) -> Site:
    return Site(region, role, (PlacedService("nats", 3),))


def step(verb: Verb, *after: str, **more: Any) -> Step:
    return Step(str(verb), verb, str(verb), "", seconds(1), 3, after, **more)


FAILOVER = Procedure(
    "failover",
    Fault.REGION,
    (
        step(Verb.DETECT),
        step(Verb.FENCE, "detect"),
        step(Verb.DELETE_ORIGIN, "fence"),
        step(Verb.PROMOTE_STREAMS, "delete-origin", targets=("EVENTS",), region=SECOND.name),
        step(Verb.RESTORE_CONSUMERS, "promote-streams", targets=("EVENTS/metering",)),
    ),
)
FAILBACK = Procedure("failback", Fault.REGION, (step(Verb.SALVAGE), step(Verb.RESYNCHRONISE, "salvage")))


def lay(strategy: str, clusters: tuple[NatsCluster, ...], links: tuple[WanLink, ...] = ()) -> Deployment:
    sites = (site(HOME, SiteRole.PRIMARY), site(SECOND, SiteRole.STANDBY))
    copies = (copy_of(Subject.NATS), copy_of(Subject.STATE))
    return Deployment(SYSTEM, Strategy.parse(strategy), sites, clusters, links, copies, SYSTEM.traffic)


def leaf_world() -> World:
    home = evolve(SYSTEM.nats[0], region=HOME.name, domain=HOME.name)
    mirror = evolve(home.streams[0], subjects=(), mirror=StreamOrigin("EVENTS", HOME.name, HOME.name), consumers=())
    denied = ("events.>",)
    standby = evolve(
        home,
        name="nats-west",
        service="nats",
        region=SECOND.name,
        domain=SECOND.name,
        streams=(mirror,),
        leaves=(LeafLink("nats", tls=True, credentials="west", deny_imports=denied, deny_exports=denied),),
    )
    return World(SYSTEM, lay("warm-standby/leafnode-mirror", (home, standby)), (FAILOVER, FAILBACK))


def super_world() -> World:
    """3 + 3 + 1 servers, gateways all to all, TLS, placement; nobody who pulls, as the copy has another name."""
    home = evolve(SYSTEM.nats[0], region=HOME.name, reject_unknown_gateways=True)
    pushed = Consumer("metering", settings=Settings({"deliver_subject": "metering"}))
    placed = evolve(home.streams[0], placement="nats", consumers=(pushed,))
    mirror = evolve(placed, name="EVENTS-west", subjects=(), mirror=StreamOrigin("EVENTS", "", HOME.name), consumers=())
    joined = [
        evolve(home, streams=(placed,)),
        evolve(home, name="nats-west", service="nats", region=SECOND.name, streams=(mirror,)),
        evolve(home, name="witness", service="nats", region=THIRD.name, servers=1, streams=()),
    ]
    clusters = tuple(
        evolve(one, gateways=tuple(GatewayLink(other.name, tls=True) for other in joined if other is not one))
        for one in joined
    )
    return World(SYSTEM, lay("warm-standby/supercluster-mirror-witness", clusters), (FAILOVER, FAILBACK))


def stretch_world() -> World:
    part = evolve(SYSTEM.nats[0], servers=1, streams=())
    clusters = (
        evolve(SYSTEM.nats[0], servers=1, region=HOME.name),
        evolve(part, region=SECOND.name),
        evolve(part, region=THIRD.name),
    )
    system = evolve(SYSTEM, load=Load(publish_budget_s=Seconds(0.1)))
    links = (WanLink(LinkKind.ROUTE, HOME.name, SECOND.name, "streams", 1000.0, rtt_s=0.05),)
    laid = evolve(lay("warm-standby/stretch", clusters, links), system=system)
    return World(system, laid, (Procedure("failover", Fault.REGION, (step(Verb.ELECT),)), FAILBACK))


WORLDS = {"system": World(SYSTEM), "leaf": leaf_world(), "super": super_world(), "stretch": stretch_world()}


# Changes: each returns a world like the one it gets, but for one thing.


def in_system(**changes: Any) -> Change:
    def change(world: World) -> World:
        system = evolve(world.system, **changes)
        return World(system, world.deployment and evolve(world.deployment, system=system), world.procedures)

    return change


def in_service(name: str, **changes: Any) -> Change:
    def change(world: World) -> World:
        services = tuple(evolve(s, **changes) if s.name == name else s for s in world.system.services)
        return in_system(services=services)(world)

    return change


def in_client(**changes: Any) -> Change:
    return in_service("api", nats_client=evolve(CLIENT, **changes))


def in_cluster(name: str, **changes: Any) -> Change:
    def change(world: World) -> World:
        held = world.deployment.clusters if world.deployment else world.system.nats
        clusters = tuple(evolve(c, **changes) if c.name == name else c for c in held)
        if world.deployment:
            return world._replace(deployment=evolve(world.deployment, clusters=clusters))
        return in_system(nats=clusters)(world)

    return change


def in_stream(name: str, **changes: Any) -> Change:
    """In each stream of that name, wherever it is."""

    def change(world: World) -> World:
        held = world.deployment.clusters if world.deployment else world.system.nats
        clusters = tuple(
            evolve(c, streams=tuple(evolve(s, **changes) if s.name == name else s for s in c.streams)) for c in held
        )
        if world.deployment:
            return world._replace(deployment=evolve(world.deployment, clusters=clusters))
        return in_system(nats=clusters)(world)

    return change


def in_mirror(**changes: Any) -> Change:
    def change(world: World) -> World:
        assert world.deployment
        clusters = tuple(
            evolve(c, streams=tuple(evolve(s, **changes) if s.mirror else s for s in c.streams))
            for c in world.deployment.clusters
        )
        return world._replace(deployment=evolve(world.deployment, clusters=clusters))

    return change


def in_origin(**changes: Any) -> Change:
    def change(world: World) -> World:
        assert world.deployment
        clusters = tuple(
            evolve(c, streams=tuple(s if s.mirror else evolve(s, **changes) for s in c.streams))
            for c in world.deployment.clusters
        )
        return world._replace(deployment=evolve(world.deployment, clusters=clusters))

    return change


def in_store(running: RunningStore | None = None, **changes: Any) -> Change:
    """What the first store's server said of itself, and what else differs about it."""
    first, *rest = SYSTEM.stores
    return in_system(stores=(evolve(first, running=running, **changes), *rest))


def in_versions(version: str) -> Change:
    return both(*(in_cluster(name, version=version) for name in ("nats", "nats-west", "witness")))


def in_backup(name: str, **changes: Any) -> Change:
    backups = tuple(evolve(b, **changes) if b.name == name else b for b in SYSTEM.backups)
    return in_system(backups=backups)


def in_alert(name: str, **changes: Any) -> Change:
    return in_system(alerts=tuple(evolve(a, **changes) if a.name == name else a for a in SYSTEM.alerts))


def in_contracts(*more: Contract) -> Change:
    return in_system(contracts=(*SYSTEM.contracts, *more))


def in_leaf(**changes: Any) -> Change:
    def change(world: World) -> World:
        assert world.deployment
        leaf = world.deployment.clusters[1].leaves[0]
        return in_cluster("nats-west", leaves=(evolve(leaf, **changes),))(world)

    return change


def without_steps(*verbs: Verb) -> Change:
    """Take the steps out and tie what waited for them to what they waited for."""

    def change(world: World) -> World:
        return world._replace(procedures=tuple(_without(procedure, verbs) for procedure in world.procedures))

    return change


def _without(procedure: Procedure, verbs: tuple[Verb, ...]) -> Procedure:
    gone = {s.id: s.after for s in procedure.steps if s.verb in verbs}
    kept = [s for s in procedure.steps if s.verb not in verbs]
    tied = (evolve(s, after=tuple(a for b in s.after for a in gone.get(b, (b,)))) for s in kept)
    return evolve(procedure, steps=tuple(tied))


def with_quorum_by(method: QuorumMethod) -> Change:
    quorum = Procedure("quorum", Fault.REGION, (step(Verb.RESTORE_QUORUM, method=method),))
    return lambda world: world._replace(procedures=(*world.procedures, quorum))


def two_regions(world: World) -> World:
    assert world.deployment
    return world._replace(deployment=evolve(world.deployment, clusters=world.deployment.clusters[:2]))


def both(*changes: Change) -> Change:
    def change(world: World) -> World:
        for one in changes:
            world = one(world)
        return world

    return change


def with_copies(*copies: Copy) -> Change:
    def change(world: World) -> World:
        assert world.deployment
        return world._replace(deployment=evolve(world.deployment, copies=copies))

    return change
