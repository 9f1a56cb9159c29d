"""Puts a Deployment and its Procedures together from a pattern, a link and a switch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve

from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment, Requirement
from secondsite.model.estimate import Estimate, Fixed, Provenance
from secondsite.model.fault import Fault
from secondsite.model.procedure import Need, Procedure, Step, Verb
from secondsite.model.strategy import TODAY, Link, Strategy
from secondsite.model.system import System
from secondsite.strategies import cut_off, repairs, requirements, stores_back
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import mirror_again, mirrored_failback
from secondsite.strategies.parts import parts
from secondsite.strategies.sizing import summed
from secondsite.strategies.steps import blocked_step, make_step
from secondsite.strategies.stores import needed_to_serve
from secondsite.strategies.switches.switching import holds_dns_control
from secondsite.strategies.write_gate import leased

_IMPAIRED = {Fault.CONTROL_PLANE: (Need.CONTROL_PLANE, Need.DNS_CONTROL), Fault.CAPACITY: (Need.CAPACITY,)}


def lay_out(strategy: Strategy, kit: Kit, *, prepared: bool = True) -> Deployment:
    """The system over regions. ``prepared``: after everything the strategy needs first was done."""
    needs = _needs(strategy, kit)
    ready = evolve(kit, system=_prepared(kit, needs)) if prepared else kit
    pattern, link, switch = parts(strategy, ready)
    sites = link.sites(pattern.sites())
    return Deployment(
        system=ready.system,
        strategy=strategy,
        sites=sites,
        clusters=link.clusters(sites),
        links=(*pattern.links(), *link.links()),
        copies=(*pattern.copies(), *link.copies()),
        traffic=switch.traffic() if len(sites) > 1 else kit.system.traffic,
        requirements=needs,
        managed_plan="synadia" if strategy.link is Link.MANAGED else "",
    )


def _needs(strategy: Strategy, kit: Kit) -> tuple[Requirement, ...]:
    """Each requirement once, in the order of pattern, link, switch; today's system needs nothing."""
    if strategy.pattern in TODAY:
        return ()
    pattern, link, switch = parts(strategy, kit)
    needs = (
        *requirements.honest_acknowledgement(kit),
        *link.requirements(),
        *pattern.requirements(),
        *switch.requirements(),
    )
    return tuple({requirement.id: requirement for requirement in needs}.values())


def _prepared(kit: Kit, needs: tuple[Requirement, ...]) -> System:
    ids = {requirement.id for requirement in needs}
    system = kit.system
    if "nats-upgrade" in ids:
        system = requirements.upgraded(system)
    if "durable-acknowledgement" in ids:
        system = requirements.with_durable_buffers(system)
    if "replicated-secrets" in ids:
        system = requirements.with_replicated_secrets(system, (kit.home.name, kit.second.name))
    return system


def procedures(deployment: Deployment, kit: Kit) -> Mapping[Fault, Procedure]:
    """What is done about each fault."""
    ready = evolve(kit, system=deployment.system)
    by_fault = {
        **inside_region(deployment, ready),
        Fault.DELETION: repairs.destroyed(deployment, ready, Fault.DELETION),
        Fault.BAD_WRITE: repairs.destroyed(deployment, ready, Fault.BAD_WRITE),
        Fault.WAN_PARTITION: cut_off.wan_partition(deployment, ready),
    }
    for fault in Fault:
        if fault.leaves_region:
            by_fault[fault] = failover(deployment, ready, fault)
    return by_fault


def inside_region(deployment: Deployment, kit: Kit) -> dict[Fault, Procedure]:
    return {
        Fault.PROCESS: repairs.process(kit),
        Fault.NODE: repairs.node(deployment, kit),
        Fault.ZONE: repairs.zone(deployment, kit),
    }


def failover(deployment: Deployment, kit: Kit, fault: Fault) -> Procedure:
    """From the loss of the serving region to clients that write elsewhere."""
    strategy = deployment.strategy
    pattern, link, switch = parts(strategy, kit)
    share = 1 / len(deployment.serving)
    name = f"failover of {strategy.id}"
    hopeless = _hopeless(deployment, fault)
    if hopeless:
        stop = blocked_step(Verb.DECIDE, hopeless, "")
        return Procedure(name, fault, (stop,), dict.fromkeys(Subject, stop.id), share)
    trigger = switch.trigger_steps(deployment, fault)
    fence = make_step(
        kit,
        Verb.FENCE,
        "fence the old primary: its link, its credentials, its record",
        _fence_time(kit, deployment),
        check="a write sent to the old primary is refused, or it is marked unfenced",
        after=(trigger[-1].id,),
        region=kit.home.name,
    )
    record = make_step(
        kit,
        Verb.RECORD_STATE,
        "record the sequences and consumer floors of every stream",
        "record-state",
        check="a sequence is recorded for every stream on every reachable side",
        after=(fence.id,),
    )
    services = pattern.service_steps(fence.id)
    streams = link.stream_steps(deployment, record.id)
    stores = pattern.store_steps(fence.id)
    secrets = make_step(
        kit,
        Verb.VERIFY_SECRETS,
        "compare the fingerprints of every secret",
        "verify.secrets",
        check="every fingerprint equals the one recorded for the primary",
        after=(services[-1].id,),
        region=kit.system.second.name if kit.system.second else "",
        targets=tuple(secret.name for secret in kit.system.secrets),
    )
    ready = (services[-1].id, streams[-1].id, secrets.id, *_awaited(kit, stores))
    change = switch.change_steps(deployment, trigger[-1].id, ready, kit.second)
    verify = make_step(
        kit,
        Verb.VERIFY_PATH,
        "one acknowledged write through the clients' path",
        "verify.path",
        check="the ledger has the acknowledgement, the stream has the message",
        after=(change[-1].id, *ready),
    )
    growth = pattern.growth_steps(verify.id)
    steps = (*trigger, fence, record, *services, *streams, *stores, secrets, *change, verify, *growth)
    milestones = {
        Subject.API: verify.id,
        Subject.NATS: streams[-1].id,
        Subject.STATE: stores[-1].id,
        Subject.OBSERVABILITY: services[-1].id,
    }
    steps = _without_dns_control(kit, fault, _impaired(kit, fault, steps))
    return Procedure(name, fault, steps, milestones, share)


def _awaited(kit: Kit, stores: Sequence[Step]) -> tuple[str, ...]:
    """The last of the steps whose stores the API needs: clients that came before it would be refused by the API."""
    needed = needed_to_serve(kit.system)
    return tuple(step.id for step in stores if needed & set(step.targets))[-1:]


def _fence_time(kit: Kit, deployment: Deployment) -> Estimate:
    """With the time that a lease of the old primary's writers runs on, and the other region's gates take to open."""
    terms = leased(deployment)
    if terms is None:
        return kit.figures["fence"]
    why = "`writers: one`: the lease, 1 % for clocks of different speed, and a margin"
    runs_on = Estimate("lease of the old primary's writers", "s", Fixed(terms.handover_s), Provenance.DERIVED, why)
    how = "`writers: one`: the pause between two checks of a gate, and the checks"
    opens = Estimate("gates of the other region", "s", Fixed(terms.opens_s), Provenance.DERIVED, how)
    return summed("fence, the lease that runs out, gates that open", kit.figures["fence"], runs_on, opens)


def _hopeless(deployment: Deployment, fault: Fault) -> str:
    """Why nothing can be done about this fault at all; empty where something can."""
    if len(deployment.sites) == 1:
        return "no second region: wait until the provider restores this one"
    other = deployment.sites[1].region
    if fault is Fault.GEOGRAPHY and other.geography == deployment.primary.region.geography:
        return f"{other.name} is in the geography that is lost ({other.geography})"
    return ""


def _impaired(kit: Kit, fault: Fault, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Before a step that needs what this fault takes away, a wait for it."""
    missing = frozenset(_IMPAIRED.get(fault, ()))
    result: list[Step] = []
    for step in steps:
        if not step.needs & missing:
            result.append(step)
            continue
        wait = make_step(
            kit,
            Verb.WAIT,
            "wait for machines" if fault is Fault.CAPACITY else "wait for the provider's control plane",
            "duration.capacity" if fault is Fault.CAPACITY else "duration.impairment",
            check="the provider's API carries out requests",
            after=step.after,
            step_id=f"wait-before-{step.id}",
        )
        result += [wait, evolve(step, after=(wait.id,))]
    return tuple(result)


def _without_dns_control(kit: Kit, fault: Fault, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Where the region that is lost holds the DNS provider's control plane, a record can be changed once that is back.

    The step stays what it is, and as patient: it only takes longer, as nobody takes its change.
    """
    known_already = Need.DNS_CONTROL in _IMPAIRED.get(fault, ())
    if known_already or not fault.loses_region or not holds_dns_control(kit.home):
        return steps
    back = kit.figures["duration.impairment"]
    return tuple(
        evolve(
            step,
            duration=evolve(
                back,
                name=f"control plane back, then {step.duration.name}",
                provenance=Provenance.DERIVED,
                source=f"{kit.home.name} holds the control plane of Route 53 (AWS: Route 53 Developer Guide)",
                formula="for as long as the impairment lasts",
                inputs=(back, step.duration),
            ),
        )
        if Need.DNS_CONTROL in step.needs
        else step
        for step in steps
    )


def failback(deployment: Deployment, kit: Kit) -> Procedure:
    """Back to the first region, planned: nothing is lost, as writers are stopped for the moment of the switch."""
    ready = evolve(kit, system=deployment.system)
    _, link, _ = parts(deployment.strategy, ready)
    name = f"failback of {deployment.strategy.id}"
    prepared = (*_prepared_at_home(ready), *stores_back.prepared(deployment, ready))
    streams = link.failback_steps(deployment, tuple(step.id for step in prepared))
    blocked = next((step for step in streams if step.blocked), None)
    if blocked:
        return Procedure(name, Fault.REGION, (blocked,), dict.fromkeys((Subject.API, Subject.NATS), blocked.id))
    return _way_back(deployment, ready, streams, prepared)


def way_back_by_hand(deployment: Deployment, kit: Kit) -> Procedure:
    """What is left to a person where no link leads back: all that a failback does where one does."""
    ready = evolve(kit, system=deployment.system)
    prepared = (*_prepared_at_home(ready), *stores_back.prepared(deployment, ready))
    streams = mirrored_failback(ready, tuple(step.id for step in prepared))
    whole = _way_back(deployment, ready, streams, prepared)
    return evolve(whole, steps=tuple(evolve(step, by_person=True) for step in whole.steps))


def _way_back(deployment: Deployment, ready: Kit, streams: tuple[Step, ...], prepared: tuple[Step, ...]) -> Procedure:
    """Streams salvaged and moved, what else has to be at home, clients, and the other region mirrors again."""
    kit, (_, _, switch) = ready, parts(deployment.strategy, ready)
    *before, moved = streams
    prepared = tuple(evolve(step, after=step.after or (before[-1].id,)) if before else step for step in prepared)
    stores = stores_back.switched(deployment, ready, moved.id)
    done = (moved.id, *(step.id for step in stores))
    change = switch.change_steps(deployment, moved.id, done, kit.home)
    verify = make_step(
        ready,
        Verb.VERIFY_PATH,
        "one acknowledged write through the clients' path",
        "verify.path",
        check=f"the stream of {kit.home.name} has the message",
        after=(change[-1].id,),
    )
    mirrors = (mirror_again(ready, verify.id),) if _mirrors(deployment) else ()
    mirrors = (*mirrors, *stores_back.again(deployment, ready, verify.id))
    announce = make_step(
        ready,
        Verb.ANNOUNCE,
        "tell customers and stakeholders",
        "verify.path",
        check="status page",
        after=(verify.id, *(step.id for step in mirrors)),
    )
    return Procedure(
        f"failback of {deployment.strategy.id}",
        Fault.REGION,
        (*before, *prepared, moved, *stores, *change, verify, *mirrors, announce),
        {Subject.API: verify.id, Subject.NATS: moved.id},
    )


def _prepared_at_home(kit: Kit) -> Iterator[Step]:
    """What has to be ready in the first region before anybody's writers are stopped."""
    yield make_step(
        kit,
        Verb.START_SERVICES,
        f"start every service in {kit.home.name}, as many as before the loss",
        "start.services",
        check="every startup probe green",
        region=kit.home.name,
    )
    yield make_step(
        kit,
        Verb.VERIFY_SECRETS,
        "compare the fingerprints of every secret",
        "verify.secrets",
        check="every fingerprint equals the one of the region that serves",
        after=(str(Verb.START_SERVICES),),
        region=kit.home.name,
        targets=tuple(secret.name for secret in kit.system.secrets),
    )


def _mirrors(deployment: Deployment) -> bool:
    return any(stream.mirror for cluster in deployment.clusters for stream in cluster.streams)
