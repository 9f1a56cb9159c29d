"""Every rule seen red and seen silent: for each, the one change that breaks a world without hazards."""

from __future__ import annotations

import pytest
from attrs import evolve
from sound_world import (
    GIB,
    HOME,
    SYSTEM,
    THIRD,
    WORLDS,
    Change,
    World,
    both,
    copy_of,
    in_alert,
    in_backup,
    in_client,
    in_cluster,
    in_contracts,
    in_leaf,
    in_mirror,
    in_origin,
    in_service,
    in_store,
    in_stream,
    in_system,
    in_versions,
    step,
    two_regions,
    with_copies,
    with_quorum_by,
    without_steps,
)

from secondsite.audit.registry import RULES, rule
from secondsite.audit.rule import Rule
from secondsite.model.backup import Content, Where
from secondsite.model.contract import Contract, Subject
from secondsite.model.fault import Fault
from secondsite.model.load import Load
from secondsite.model.nats import Consumer, Discard, GatewayLink, Retention, Stream, StreamOrigin
from secondsite.model.operate import Operate, Reconciler, ReconcilerKind
from secondsite.model.procedure import Need, Procedure, QuorumMethod, Verb
from secondsite.model.secret import Kept, Secret
from secondsite.model.service import AckBuffer, Autoscale, DisruptionBudget, Spreading
from secondsite.model.settings import Settings
from secondsite.model.store import CopiesToday, Replication, RunningStore
from secondsite.model.units import Bytes, Cores, Seconds
from secondsite.model.waiver import Waiver
from secondsite.strategies.log_archive import LOG_ARCHIVE

NO_SPREAD = Spreading.PREFERRED
OBJECTS = (Stream("OBJ_files", replicas=3, max_bytes=Bytes(GIB), duplicate_window_s=Seconds(0)),)


def with_objects(world: World) -> World:
    assert world.deployment
    home, standby = world.deployment.clusters
    clusters = (
        evolve(home, streams=home.streams + OBJECTS),
        evolve(standby, streams=(*standby.streams, evolve(OBJECTS[0], mirror=StreamOrigin("OBJ_files", HOME.name)))),
    )
    return world._replace(deployment=evolve(world.deployment, clusters=clusters))


def second_leaf(world: World) -> World:
    assert world.deployment
    third = evolve(world.deployment.clusters[1], name="nats-third", region=THIRD.name, domain=THIRD.name, streams=())
    return world._replace(deployment=evolve(world.deployment, clusters=(*world.deployment.clusters, third)))


def through_control_plane(world: World) -> World:
    change = Procedure("change", Fault.REGION, (step(Verb.CHANGE_TRAFFIC, needs=frozenset({Need.DNS_CONTROL})),))
    return world._replace(procedures=(*world.procedures, change))


TABLE: dict[str, tuple[str, Change]] = {
    "nats-meta-quorum": ("super", two_regions),
    "nats-meta-no-rescue": ("super", both(two_regions, in_versions("2.14.6"))),
    "nats-promotion-without-leader": ("super", both(two_regions, in_versions("2.14.6"))),
    "nats-meta-unequal-split": ("super", both(two_regions, in_cluster("nats-west", servers=5))),
    "nats-witness-without-jetstream": ("super", in_cluster("witness", jetstream=False)),
    "nats-gateway-self-route": ("super", in_cluster("witness", self_route=False)),
    "nats-gateway-domains": ("super", in_cluster("nats-west", domain="west")),
    "nats-gateway-system-accounts": ("super", in_cluster("nats-west", system_account="SYS2")),
    "nats-promotion-refused": ("leaf", in_cluster("nats-west", version="2.11.11")),
    "nats-version-without-promotion": ("system", in_cluster("nats", version="2.10-alpine")),
    "nats-promotion-overlap": ("super", without_steps(Verb.DELETE_ORIGIN)),
    "nats-promotion-without-subjects": ("leaf", in_stream("EVENTS", subjects=())),
    "nats-promoted-bucket-name": (
        "super",
        both(
            in_origin(name="KV_config", consumers=()),
            in_mirror(name="KV_config-west", mirror=StreamOrigin("KV_config", "", HOME.name)),
        ),
    ),
    "nats-promoted-stream-name": ("super", in_origin(consumers=(Consumer("billing"),))),
    "nats-quorum-add-servers": ("super", with_quorum_by(QuorumMethod.ADD_SERVERS)),
    "nats-quorum-wipe-meta": ("super", with_quorum_by(QuorumMethod.WIPE_META)),
    "nats-quorum-lone-store": ("super", with_quorum_by(QuorumMethod.LONE_STORE)),
    "nats-removed-region-rejoins": ("super", both(with_quorum_by(QuorumMethod.RESCUE), without_steps(Verb.SALVAGE))),
    "old-primary-writable": ("leaf", without_steps(Verb.FENCE)),
    "nats-leaf-double-capture": ("leaf", in_leaf(deny_imports=())),
    "nats-leaf-object-capture": ("leaf", with_objects),
    "nats-route-tls": ("system", in_cluster("nats", route_tls=False)),
    "nats-clients-open": ("system", in_cluster("nats", client_authorization=False)),
    "nats-routes-open": ("system", in_cluster("nats", route_tls=False, route_authorization=False)),
    "nats-gateways-open": (
        "system",
        in_cluster("nats", gateways=(GatewayLink("west"),), gateway_authorization=False),
    ),
    "nats-link-tls": ("leaf", in_leaf(tls=False)),
    "nats-link-one-credential": ("leaf", second_leaf),
    "nats-gateway-reject-unknown": ("super", in_cluster("nats", reject_unknown_gateways=False)),
    "nats-no-network-policy": ("system", in_service("nats", network_policy=False)),
    "nats-stretch-latency": ("stretch", in_system(load=Load(publish_budget_s=Seconds(0.099)))),
    "nats-workqueue-mirror": (
        "leaf",
        both(in_origin(retention=Retention.WORKQUEUE), in_mirror(retention=Retention.LIMITS)),
    ),
    "nats-workqueue-late-consumer": (
        "leaf",
        both(in_origin(retention=Retention.WORKQUEUE, consumers=()), in_mirror(retention=Retention.WORKQUEUE)),
    ),
    "nats-interest-lone-server": (
        "leaf",
        both(in_origin(retention=Retention.INTEREST, consumers=(Consumer("billing"),)), in_cluster("nats", servers=1)),
    ),
    "nats-mirror-silent-stall": ("leaf", in_cluster("nats-west", version="2.11.11")),
    "nats-mirror-keeps-done": ("leaf", in_origin(retention=Retention.INTEREST, max_messages=1000)),
    "nats-mirror-fills-origin": ("leaf", in_origin(retention=Retention.INTEREST)),
    "nats-mirror-discard-new": ("leaf", in_mirror(discard=Discard.NEW)),
    "nats-mirror-smaller": ("leaf", in_mirror(max_bytes=Bytes(GIB - 1))),
    "nats-mirror-impossible": ("leaf", in_origin(settings=Settings({"allow_msg_counter": True}))),
    "nats-mirror-ttl": ("leaf", in_origin(message_ttl=True)),
    "nats-mirror-erasure": ("leaf", in_origin(erasure_duty=True)),
    "nats-origin-recreated": ("leaf", both(in_origin(messages=10), in_mirror(messages=11))),
    "nats-mirror-stall": ("leaf", in_contracts(Contract(Subject.NATS, Fault.NODE, rpo_s=Seconds(9.9)))),
    "store-rpo-below-lag": (
        "leaf",
        both(
            with_copies(copy_of(Subject.STATE, 301)),
            in_contracts(Contract(Subject.STATE, Fault.REGION, rpo_s=Seconds(300))),
        ),
    ),
    "store-promoted-by-two": (
        "leaf",
        both(with_copies(copy_of(Subject.STATE)), in_service("postgres", kind="Cluster")),
    ),
    "store-commits-wait-for-one": (
        "system",
        in_store(RunningStore(replicated=CopiesToday.SYNCHRONOUS, confirming=1)),
    ),
    "store-log-never-restored": (
        "leaf",
        both(
            in_store(replication=Replication.ARCHIVE),
            in_backup("dump", restore_tested=False),
            with_copies(evolve(copy_of(Subject.STATE), method=LOG_ARCHIVE, covers=("postgres",))),
        ),
    ),
    "store-provider-unknown": ("system", in_store(replication=Replication.MANAGED)),
    "store-slot-fills-disk": ("system", in_store(RunningStore(slots=1, bounded_slots=False))),
    "store-no-log-archive": ("system", in_store(RunningStore(archived=False))),
    "store-numbers-repeat": ("system", in_store(RunningStore(replicated=CopiesToday.ASYNCHRONOUS, sequences=1))),
    "store-not-rewindable": ("system", in_store(RunningStore(rewindable=False))),
    "store-extension-not-in-image": (
        "system",
        both(
            in_service("postgres", image="docker.io/library/postgres:16"),
            in_store(RunningStore(extensions=("vector",))),
        ),
    ),
    "nats-rpo-below-delay": ("leaf", with_copies(copy_of(Subject.NATS, 301), copy_of(Subject.STATE))),
    "nats-consumers-not-carried": ("leaf", without_steps(Verb.RESTORE_CONSUMERS)),
    "nats-interest-promotion": (
        "leaf",
        both(in_origin(retention=Retention.INTEREST), in_mirror(retention=Retention.INTEREST)),
    ),
    "nats-exactly-once": ("leaf", in_origin(duplicate_window_s=Seconds(120))),
    "nats-consumer-single-replica": ("system", in_stream("EVENTS", consumers=(Consumer("metering", replicas=1),))),
    "nats-field-not-taken": (
        "system",
        both(
            in_cluster("nats", version="2.11.4"),
            in_stream("EVENTS", settings=Settings({"allow_msg_schedules": True})),
        ),
    ),
    "nats-operator-no-gate": ("leaf", in_cluster("nats", operator=True)),
    "nats-operator-resolver": ("system", in_cluster("nats", operator=True)),
    "nats-streams-unseen": ("system", in_cluster("nats", streams=())),
    "nats-stream-single-replica": ("system", in_stream("EVENTS", replicas=1)),
    "nats-stream-even-replicas": ("system", in_stream("EVENTS", replicas=2)),
    "nats-even-servers": ("system", in_cluster("nats", servers=4)),
    "nats-stream-no-placement": ("super", in_origin(placement="")),
    "nats-budget-majority": ("system", in_service("nats", disruption_budget=DisruptionBudget(max_unavailable=2))),
    "nats-may-share-node": ("system", in_service("nats", spread_nodes=NO_SPREAD)),
    "nats-may-share-zone": ("system", in_service("nats", spread_zones=NO_SPREAD)),
    "state-may-share-node": ("system", in_service("postgres", spread_nodes=NO_SPREAD)),
    "state-may-share-zone": ("system", in_service("postgres", spread_zones=NO_SPREAD)),
    "api-may-share-node": ("system", in_service("api", spread_nodes=NO_SPREAD)),
    "api-may-share-zone": ("system", in_service("api", spread_zones=NO_SPREAD)),
    "state-single-replica": ("system", in_service("postgres", replicas=1)),
    "api-single-replica": ("system", in_service("api", replicas=1)),
    "api-dependency-single-replica": ("system", in_service("redis", replicas=1)),
    "observability-single-replica": ("system", in_service("prometheus", replicas=1)),
    "nats-rto-below-election": ("system", in_contracts(Contract(Subject.NATS, Fault.ZONE, rto_s=Seconds(9.9)))),
    "nats-sync-interval": (
        "system",
        both(in_cluster("nats", sync_interval_s=Seconds(120)), in_service("nats", spread_zones=NO_SPREAD)),
    ),
    "nats-async-persist": ("system", in_stream("EVENTS", async_persist=True)),
    "nats-no-volume": ("system", in_service("nats", volumes=())),
    "nats-store-above-volume": ("system", in_cluster("nats", max_file_bytes=Bytes(10 * GIB))),
    "nats-memory-store": ("system", in_cluster("nats", max_memory_bytes=Bytes(2 * GIB))),
    "nats-streams-above-store": ("system", in_stream("EVENTS", max_bytes=Bytes(8 * GIB + 1))),
    "nats-stream-refused": ("system", in_stream("EVENTS", settings=Settings({"discard_new_per_subject": True}))),
    "nats-stream-unbounded": ("system", in_stream("EVENTS", max_bytes=None, max_age_s=None)),
    "api-buffered-acknowledgement": ("system", in_service("api", ack_buffer=AckBuffer(1))),
    "cache-not-persistent": (
        "system",
        in_system(stores=(SYSTEM.stores[0], evolve(SYSTEM.stores[1], persistent=False))),
    ),
    "client-ping-interval": ("system", in_client(ping_interval_s=Seconds(120))),
    "client-finite-reconnects": ("system", in_client(max_reconnects=60)),
    "client-random-servers": (
        "super",
        in_client(servers=("nats://nats.agents.svc:4222", "nats://nats-west.agents.svc:4222"), randomize=True),
    ),
    "client-no-message-ids": ("system", in_client(message_ids=False)),
    "client-settings-unknown": ("system", in_client(max_reconnects=None)),
    "backup-no-messages": ("system", in_backup("snapshots", content=Content.CONFIGURATION)),
    "backup-missing": ("system", in_backup("dump", content=Content.RESOURCES)),
    "backup-same-domain": ("system", in_backup("dump", where=Where.REGION)),
    "backup-interval": ("system", in_backup("dump", interval_s=Seconds(3601))),
    "backup-never-restored": ("system", in_backup("dump", restore_tested=False)),
    "backup-optional-upload": ("system", in_backup("dump", optional_upload=True)),
    "backup-errors-swallowed": ("system", in_backup("dump", errors_swallowed=True)),
    "backup-reduced-consumers": (
        "system",
        both(in_cluster("nats", version="2.14.6"), in_stream("EVENTS", consumers=(Consumer("metering", replicas=1),))),
    ),
    "alert-after-rpo": ("system", in_alert("BackupOld", threshold_s=Seconds(301))),
    "alert-after-rto": ("system", in_alert("Down", hold_s=Seconds(281))),
    "alert-on-mirror-lag": ("system", in_alert("MirrorBehind", expression="mirror_lag > 100")),
    "dns-arithmetic": ("system", in_system(traffic=evolve(SYSTEM.traffic, ttl_s=Seconds(270)))),
    "dns-stale-resolvers": (
        "system",
        in_contracts(Contract(Subject.API, Fault.REGION, Seconds(899), confidence=0.99)),
    ),
    "dns-control-in-lost-region": ("leaf", through_control_plane),
    "dns-by-hand": ("system", in_system(traffic=evolve(SYSTEM.traffic, automatic=False))),
    "secret-one-region": ("system", in_system(secrets=(Secret("api", store="vault", regions=("us-east-1",)),))),
    "secret-in-cluster": ("system", in_system(secrets=(Secret("api"),))),
    "secret-in-clear": ("system", in_system(secrets=(Secret("api", kept=Kept.CLEAR),))),
    "autoscale-no-request": ("system", in_service("api", autoscale=Autoscale(2, 10, memory_percent=80))),
    "autoscale-out-of-reach": (
        "system",
        in_service(
            "api",
            autoscale=Autoscale(2, 10, cpu_percent=200),
            cpu_request_cores=Cores(0.25),
            cpu_limit_cores=Cores(0.5),
        ),
    ),
    "reconciler-undoes-fence": (
        "system",
        in_system(operate=Operate(reconcilers=(Reconciler(ReconcilerKind.NACK, "events", "us-east-1"),))),
    ),
    "image-latest": ("system", in_service("api", image="registry.example.org:5000/api")),
    "waiver-unused": ("system", in_system(waivers=(Waiver("image-latest", "looked at"),))),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_sound_world_has_no_hazard(name: str) -> None:
    assert [f"{h.rule}: {h.message}" for h in WORLDS[name].hazards()] == []


def test_every_rule_has_a_pair() -> None:
    assert set(TABLE) == {known.id for known in RULES}


def test_ids_are_unique() -> None:
    ids = [known.id for known in RULES]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("rule_id", TABLE)
def test_rule_is_red_on_the_broken_world_and_silent_on_the_sound_one(rule_id: str) -> None:
    base, change = TABLE[rule_id]
    assert rule_id not in WORLDS[base].rules()
    found = [hazard for hazard in change(WORLDS[base]).hazards() if hazard.rule == rule_id]
    assert found
    assert all(hazard.severity is rule(rule_id).severity and hazard.message and hazard.remedy for hazard in found)


@pytest.mark.parametrize("known", RULES, ids=lambda known: known.id)
def test_every_rule_says_what_a_reader_needs(known: Rule) -> None:
    assert all(getattr(known, part).strip() for part in ("title", "why", "source", "remedy"))


@pytest.mark.parametrize(("name", "crosses"), [("sessions", True), ("KV_sessions", False)])
def test_key_value_subjects_do_not_cross_a_leaf_link(name: str, crosses: bool) -> None:
    """Measured: `$KV.>` stays in its domain; the same subjects in a plain stream cross."""
    world = in_leaf(deny_imports=(), deny_exports=())(WORLDS["leaf"])
    assert world.deployment
    home, standby = world.deployment.clusters
    stream = Stream(name, subjects=("$KV.sessions.>",), replicas=3)
    clusters = (evolve(home, streams=(stream,)), evolve(standby, streams=(evolve(stream),)))
    world = world._replace(deployment=evolve(world.deployment, clusters=clusters))
    assert ("nats-leaf-double-capture" in world.rules()) is crosses
