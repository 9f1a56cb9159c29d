"""What holds for every strategy: its layout hangs together, and so do its procedures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Deployment, SiteRole
from secondsite.model.errors import InputError
from secondsite.model.fault import LEAVES_REGION, Fault
from secondsite.model.procedure import Need, Procedure, Step, Verb
from secondsite.model.region import Region
from secondsite.model.service import Role, Service, Spreading
from secondsite.model.store import Loss, Store
from secondsite.model.strategy import Link, Pattern, Strategy, Switch
from secondsite.model.system import System
from secondsite.model.units import Seconds
from secondsite.strategies.compose import failback, lay_out, procedures
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import BASELINE, STRATEGIES

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=str)

WARM_LEAF = Strategy(Pattern.WARM_STANDBY, Link.LEAFNODE_MIRROR)
WARM_SUPER = Strategy(Pattern.WARM_STANDBY, Link.SUPERCLUSTER_MIRROR)
WARM_WITNESS = Strategy(Pattern.WARM_STANDBY, Link.SUPERCLUSTER_MIRROR_WITNESS)


def _all(strategy: Strategy, kit: Kit) -> list[Procedure]:
    deployment = lay_out(strategy, kit)
    found = list(procedures(deployment, kit).values())
    return [*found, failback(deployment, kit)] if deployment.standby else found


def _on(kit: Kit, change: Callable[[System], System]) -> Kit:
    return evolve(kit, system=change(kit.system))


def _with_version(version: str) -> Callable[[System], System]:
    return lambda system: evolve(system, nats=tuple(evolve(c, version=version) for c in system.nats))


def test_a_dozen_strategies_or_more_each_once() -> None:
    assert len(set(STRATEGIES)) == len(STRATEGIES) >= 12
    assert STRATEGIES[0] is BASELINE


@every_strategy
def test_links_and_copies_end_somewhere(strategy: Strategy, kit: Kit) -> None:
    deployment = lay_out(strategy, kit)
    places = {site.region.name for site in deployment.sites} | {"managed", "elsewhere"}
    assert len({site.region.name for site in deployment.sites}) == len(deployment.sites)
    assert {end for link in deployment.links for end in (link.source, link.target)} <= places
    assert {copy.region for copy in deployment.copies} <= places
    assert {cluster.region for cluster in deployment.clusters} <= places
    assert all(link.bytes_per_s >= 0 and link.source != link.target for link in deployment.links)
    stores = {store.name for store in kit.system.stores}
    assert all(set(copy.covers) <= stores for copy in deployment.copies)


@every_strategy
def test_sites_run_services_of_the_system(strategy: Strategy, kit: Kit) -> None:
    deployment = lay_out(strategy, kit)
    known = {service.name: service for service in kit.system.services}
    for site in deployment.sites:
        assert {placed.service for placed in site.services} <= set(known)
        assert all(placed.replicas >= 0 for placed in site.services)
    assert deployment.primary.role in (SiteRole.PRIMARY, SiteRole.ACTIVE)
    assert deployment.primary in deployment.serving
    if strategy.pattern is Pattern.ACTIVE_ACTIVE:
        assert len(deployment.serving) == 2
    else:
        assert len(deployment.serving) == 1


@every_strategy
def test_every_fault_has_a_procedure_whose_steps_hang_together(strategy: Strategy, kit: Kit) -> None:
    found = procedures(lay_out(strategy, kit), kit)
    assert set(found) == set(Fault)
    for fault, procedure in found.items():
        assert procedure.fault is fault
        assert 0 <= procedure.affected <= 1
        assert procedure.escalates_to is None or procedure.escalates_to in found
    for procedure in _all(strategy, kit):
        seen: set[str] = set()
        for step in procedure.steps:
            assert step.id not in seen, f"{step.id} stands twice in {procedure.name}"
            assert set(step.after) <= seen, f"{step.id} of {procedure.name} waits for what comes later"
            seen.add(step.id)
            assert bool(step.blocked) == step.duration.unbounded
            assert step.check
            assert step.title
        assert set(procedure.milestones.values()) <= seen


@every_strategy
def test_nothing_irreversible_without_approval(strategy: Strategy, kit: Kit) -> None:
    """Either the step itself asks, or a person approved on the way to it."""
    for procedure in _all(strategy, kit):
        for step in procedure.steps:
            if not step.reversible:
                assert any(before.approval for before in procedure.leading_to(step.id)), step.id
                assert any(before.by_person or before.approval for before in procedure.leading_to(step.id))


@every_strategy
@pytest.mark.parametrize("fault", sorted(LEAVES_REGION))
def test_clients_move_only_after_somebody_noticed(strategy: Strategy, kit: Kit, fault: Fault) -> None:
    procedure = procedures(lay_out(strategy, kit), kit)[fault]
    if any(step.blocked for step in procedure.steps):
        return
    path = procedure.leading_to(procedure.milestones[Subject.API])
    verbs = [step.verb for step in path]
    assert verbs.index(Verb.DETECT) < verbs.index(Verb.CHANGE_TRAFFIC) < verbs.index(Verb.CONVERGE)
    assert verbs[-1] is Verb.VERIFY_PATH
    asked = [step for step in path if Need.DNS_CONTROL not in step.needs]  # us-east-1 takes that one along
    assert all(step.limit_s >= step.duration.quantile(0.95) for step in asked)


@every_strategy
def test_requirements_stand_once_and_cost_hours(strategy: Strategy, kit: Kit) -> None:
    needs = lay_out(strategy, kit).requirements
    assert len({need.id for need in needs}) == len(needs)
    assert all(need.hours.mean > 0 and need.what and need.why for need in needs)
    assert bool(needs) == (strategy is not BASELINE)


@pytest.mark.parametrize("strategy", [WARM_LEAF, WARM_WITNESS], ids=str)
def test_skipping_the_upgrade_blocks_promotion(strategy: Strategy, kit: Kit) -> None:
    ready, bare = lay_out(strategy, kit), lay_out(strategy, kit, prepared=False)
    assert "nats-upgrade" in {need.id for need in ready.requirements}
    assert _blocked(bare, kit) == ["nats-server below 2.12 refuses to promote a mirror (400/10055)"]
    assert _blocked(ready, kit) == []


@pytest.mark.parametrize(
    ("version", "refused"), [("2.10-alpine", True), ("2.14.6", False), ("2.12.0", False), ("latest", True)]
)
def test_a_two_region_supercluster_cannot_act_below_2_15(version: str, refused: bool, kit: Kit) -> None:
    """3 of 6 voters are left and 4 are needed."""
    today = _on(kit, _with_version(version))
    (why,) = _blocked(lay_out(WARM_SUPER, today, prepared=False), today)
    assert "3 of 6 meta voters survive and 4 are needed" in why
    assert "503/10008" in why
    assert ("400/10055" in why) == refused


def test_the_rescue_of_2_15_is_irreversible_and_approved(kit: Kit) -> None:
    procedure = procedures(lay_out(WARM_SUPER, kit), kit)[Fault.REGION]
    rescue = next(step for step in procedure.steps if step.verb is Verb.RESTORE_QUORUM)
    assert not rescue.reversible
    assert rescue.approval
    assert "approve" in rescue.after


@pytest.mark.parametrize("version", ["2.12.8", "2.14.6", "2.15.1"])
def test_a_version_that_promotes_needs_no_upgrade(version: str, kit: Kit) -> None:
    today = _on(kit, _with_version(version))
    assert "nats-upgrade" not in {need.id for need in lay_out(WARM_LEAF, today).requirements}
    assert _blocked(lay_out(WARM_LEAF, today, prepared=False), today) == []
    upgrade = "nats-upgrade" in {need.id for need in lay_out(WARM_SUPER, today).requirements}
    assert upgrade == (version != "2.15.1")


def _blocked(deployment: Deployment, kit: Kit, fault: Fault = Fault.REGION) -> list[str]:
    return [step.blocked for step in procedures(deployment, kit)[fault].steps if step.blocked]


@every_strategy
def test_the_loss_of_a_geography_takes_both_regions_in_it(strategy: Strategy, kit: Kit) -> None:
    assert _blocked(lay_out(strategy, kit), kit, Fault.GEOGRAPHY)


def test_a_second_region_elsewhere_survives_its_geography(kit: Kit) -> None:
    abroad = _on(kit, lambda system: evolve(system, second=Region("aws", "eu-west-1")))
    deployment = lay_out(WARM_LEAF, abroad)
    assert _blocked(deployment, abroad, Fault.GEOGRAPHY) == []
    assert all(Fault.GEOGRAPHY in copy.survives for copy in deployment.copies)
    assert all(Fault.GEOGRAPHY not in copy.survives for copy in lay_out(WARM_LEAF, kit).copies)


@every_strategy
def test_only_backups_survive_a_wrong_write(strategy: Strategy, kit: Kit) -> None:
    for copy in lay_out(strategy, kit).copies:
        back_in_time = "backup" in copy.method or copy.method == "stream archive"
        assert (Fault.BAD_WRITE in copy.survives) == back_in_time


ARCHIVES = [strategy for strategy in STRATEGIES if strategy.link is Link.ARCHIVE]


@pytest.mark.parametrize("strategy", ARCHIVES, ids=str)
def test_an_archive_comes_back_into_servers_of_2_15_and_no_older(strategy: Strategy, kit: Kit) -> None:
    today = _on(kit, _with_version("2.14.6"))
    assert "nats-upgrade" in {need.id for need in lay_out(strategy, today).requirements}
    (why,) = _blocked(lay_out(strategy, today, prepared=False), today)
    assert "below 2.15 takes no archive" in why
    assert _blocked(lay_out(strategy, today), today) == []
    assert _blocked(lay_out(strategy, today), today, Fault.BAD_WRITE) == []


@pytest.mark.parametrize("strategy", ARCHIVES, ids=str)
def test_before_a_mistake_is_a_moment_of_the_archive(strategy: Strategy, kit: Kit) -> None:
    found = procedures(lay_out(strategy, kit), kit)
    (newest,) = (step for step in found[Fault.REGION].steps if step.verb is Verb.RESTORE_STREAMS)
    (before,) = (step for step in found[Fault.BAD_WRITE].steps if step.verb is Verb.RESTORE_ORIGINS)
    assert "newest moment" in newest.title
    assert "the moment before the mistake" in before.title
    assert newest.targets == before.targets


@every_strategy
def test_impaired_control_planes_are_waited_for(strategy: Strategy, kit: Kit) -> None:
    found = procedures(lay_out(strategy, kit), kit)
    plain = {step.id for step in found[Fault.REGION].steps}
    for fault in (Fault.CONTROL_PLANE, Fault.CAPACITY):
        for step in found[fault].steps:
            if step.id.startswith("wait-before-"):
                waited = found[fault].step(step.id.removeprefix("wait-before-"))
                assert waited.after == (step.id,)
                assert step.after == found[Fault.REGION].step(waited.id).after
            else:
                assert step.id in plain


def test_weighted_records_need_no_control_plane(kit: Kit) -> None:
    record = Strategy(Pattern.WARM_STANDBY, Link.LEAFNODE_MIRROR, Switch.FAILOVER_RECORD)
    for strategy in (Strategy(Pattern.ACTIVE_ACTIVE, Link.SOURCED, Switch.WEIGHTED), record):
        found = procedures(lay_out(strategy, kit), kit)
        assert found[Fault.CONTROL_PLANE].steps == found[Fault.REGION].steps


def test_a_record_that_is_changed_waits_for_the_control_plane_only_where_the_region_holds_it(kit: Kit) -> None:
    def change(home: Region, second: Region, fault: Fault) -> Step:
        moved = _on(kit, lambda system: evolve(system, region=home, second=second))
        return procedures(lay_out(WARM_LEAF, moved), moved)[fault].step("change-traffic")

    east, west = kit.home, kit.second
    assert change(east, west, Fault.REGION).duration.quantile(0.5) > 3600
    assert change(east, west, Fault.CONTROL_PLANE).duration.name == "change.dns", "the wait before it exists already"
    assert change(east, west, Fault.GRAY).duration.name == "change.dns", "its control plane still answers"
    assert change(west, east, Fault.REGION).duration.name == "change.dns"
    back = failback(lay_out(WARM_LEAF, kit), kit)
    assert back.step("change-traffic").duration.name == "change.dns"


@pytest.mark.parametrize("fault", [Fault.GRAY, Fault.OBSERVABILITY])
@pytest.mark.parametrize("switch", Switch)
def test_blind_automation_is_replaced_by_people(fault: Fault, switch: Switch, kit: Kit) -> None:
    """A gray failure fools health checks; records that follow their own checks have both signals outside."""
    procedure = procedures(lay_out(Strategy(Pattern.WARM_STANDBY, Link.BACKUP, switch), kit), kit)[fault]
    people = [step for step in procedure.steps if step.by_person and step.verb in (Verb.DETECT, Verb.DECIDE)]
    assert bool(people) == (not (switch.in_data_plane and fault is Fault.OBSERVABILITY))


def test_a_stream_with_one_replica_waits_for_its_server(kit: Kit) -> None:
    def lone(replicas: int) -> Step:
        changed = _on(
            kit,
            lambda system: evolve(
                system,
                nats=tuple(
                    evolve(c, streams=tuple(evolve(s, replicas=replicas) for s in c.streams)) for c in system.nats
                ),
            ),
        )
        return procedures(lay_out(BASELINE, changed), changed)[Fault.PROCESS].step("nats")

    assert lone(1).verb is Verb.RESTART
    assert lone(3).verb is Verb.ELECT


def test_nobody_waits_for_what_is_not_there(kit: Kit) -> None:
    """Without NATS the API is back when it is; without an API, when NATS is."""
    bare = _on(kit, lambda system: evolve(system, nats=(), services=_without(system, Role.NATS)))
    for fault in (Fault.PROCESS, Fault.NODE, Fault.ZONE):
        streams = procedures(lay_out(BASELINE, bare), bare)[fault].step("nats")
        assert streams.duration.mean == 0
    queue = _on(kit, lambda system: evolve(system, services=_without(system, Role.API)))
    assert procedures(lay_out(BASELINE, queue), queue)[Fault.NODE].step("api").duration.mean == 0


def _without(system: System, role: Role) -> tuple[Service, ...]:
    return tuple(service for service in system.services if service.role is not role)


def test_a_store_with_replicas_apart_outlives_a_node(kit: Kit) -> None:
    """A single one moves with its volume, always; two that never share a node never do; the worst store counts."""

    def waits(replicas: int, spread: Spreading) -> float:
        def change(system: System) -> System:
            names = {store.service for store in system.stores}
            services = tuple(
                evolve(one, replicas=replicas, spread_nodes=spread) if one.name in names else one
                for one in system.services
            )
            return evolve(system, services=services)

        changed = _on(kit, change)
        return procedures(lay_out(BASELINE, changed), changed)[Fault.NODE].step("state").duration.mean

    alone = kit.figures["attach.volume"].mean
    assert waits(1, Spreading.REQUIRED) == pytest.approx(alone)
    assert waits(2, Spreading.REQUIRED) == 0
    # Both of two on one of six nodes, given that the node holds one: (1/36) / (1 − (5/6)²) = 1/11.
    assert waits(2, Spreading.NONE) == pytest.approx(alone / 11)


def test_an_escalated_zone_leads_to_the_second_region(kit: Kit) -> None:
    assert procedures(lay_out(WARM_LEAF, kit), kit)[Fault.ZONE].escalates_to is Fault.REGION
    assert procedures(lay_out(BASELINE, kit), kit)[Fault.ZONE].escalates_to is None


@pytest.mark.parametrize(
    "strategy", [strategy for strategy in STRATEGIES if strategy is not BASELINE and "witness" not in strategy.id]
)
def test_a_second_region_is_asked_for_by_its_key(strategy: Strategy, kit: Kit) -> None:
    with pytest.raises(InputError, match=r"secondsite\.yaml: no second region is configured.*add `second: "):
        lay_out(strategy, _on(kit, lambda system: evolve(system, second=None, third=None)))


@pytest.mark.parametrize("link", [Link.STRETCH, Link.SUPERCLUSTER_MIRROR_WITNESS])
def test_a_third_region_is_asked_for_by_its_key(link: Link, kit: Kit) -> None:
    with pytest.raises(InputError, match=r"no third region is configured.*add `third: "):
        lay_out(Strategy(Pattern.WARM_STANDBY, link), _on(kit, lambda system: evolve(system, third=None)))


def test_the_baseline_needs_no_second_region(kit: Kit) -> None:
    alone = _on(kit, lambda system: evolve(system, second=None, third=None))
    deployment = lay_out(BASELINE, alone)
    assert len(deployment.sites) == 1
    assert _blocked(deployment, alone) == ["no second region: wait until the provider restores this one"]


def test_preparing_makes_buffers_durable_and_secrets_present(kit: Kit) -> None:
    ready, bare = lay_out(WARM_LEAF, kit), lay_out(WARM_LEAF, kit, prepared=False)
    assert {"durable-acknowledgement", "replicated-secrets"} <= {need.id for need in ready.requirements}
    assert [s.ack_buffer.durable for s in ready.system.services if s.ack_buffer] == [True]
    assert [s.ack_buffer.durable for s in bare.system.services if s.ack_buffer] == [False]
    assert all(len(secret.regions) == 2 for secret in ready.system.secrets)
    assert all(len(secret.regions) == 0 for secret in bare.system.secrets)


def test_a_buffer_matters_only_where_an_rpo_is_promised(kit: Kit) -> None:
    promises = (Contract(Subject.API, Fault.REGION, rto_s=Seconds(300)),)
    unpromised = _on(kit, lambda system: evolve(system, contracts=promises))
    assert "durable-acknowledgement" not in {need.id for need in lay_out(WARM_LEAF, unpromised).requirements}


def test_stores_without_a_database_are_loaded_from_snapshots(kit: Kit) -> None:
    """Only Postgres has a replica; a cache is not copied at all."""
    stores = (Store("qdrant", "qdrant", "qdrant"), Store("redis", "redis", "redis", loss=Loss.CACHE))
    vectors = _on(kit, lambda system: evolve(system, stores=stores))
    copies = [c for c in lay_out(WARM_LEAF, vectors).copies if c.subject is Subject.STATE]
    assert [copy.method for copy in copies] == ["scheduled backup"]
    pilot = lay_out(Strategy(Pattern.PILOT_LIGHT, Link.LEAFNODE_MIRROR), vectors)
    verbs = [step.verb for step in procedures(pilot, vectors)[Fault.REGION].steps]
    assert Verb.RESTORE_STORES in verbs


def test_a_destroyed_stream_without_a_backup_stays_destroyed(kit: Kit) -> None:
    found = procedures(lay_out(BASELINE, kit), kit)
    assert found[Fault.BAD_WRITE].step("restore-streams").blocked
    assert not found[Fault.BAD_WRITE].step("restore-stores").blocked  # Velero's volumes are older than the mistake


def test_standby_names_say_the_region_and_denies_every_subject(kit: Kit) -> None:
    home, other = lay_out(WARM_LEAF, kit).clusters
    (leaf,) = other.leaves
    assert other.name == "nats-us-west-2"
    assert (home.domain, other.domain) == ("us-east-1", "us-west-2")
    assert set(leaf.deny_imports) == set(leaf.deny_exports) == {"events.>", "kgent.>"}
    assert all(stream.mirror and not stream.subjects for stream in other.streams)
    assert [stream.mirror.domain for stream in other.streams if stream.mirror] == ["us-east-1", "us-east-1"]


def test_a_witness_keeps_the_majority_of_votes(kit: Kit) -> None:
    clusters = lay_out(WARM_WITNESS, kit).clusters
    voters = {cluster.region: cluster.voters for cluster in clusters}
    total = sum(voters.values())
    assert voters == {"us-east-1": 3, "us-west-2": 3, "us-east-2": 1}
    assert all((total - lost) * 2 > total for lost in voters.values())
    assert all({link.cluster for link in c.gateways} == {o.name for o in clusters} - {c.name} for c in clusters)
