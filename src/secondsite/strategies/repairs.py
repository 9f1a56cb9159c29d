"""What happens without leaving the region: processes, nodes and zones, an operator's mistake, a cut between regions.

These are Procedures like failover is, so that they are evaluated and published in the same way; most of their
steps are Kubernetes' and Raft's own doing.
"""

from __future__ import annotations

import math

from attrs import evolve

from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import Estimate, Provenance, Uniform, fixed
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.service import Role, Service, Spreading
from secondsite.model.store import Loss
from secondsite.model.strategy import Link
from secondsite.strategies.design import Kit
from secondsite.strategies.links.archive import restore_archived
from secondsite.strategies.links.backup import restore_streams
from secondsite.strategies.placement import quorum_loss_probability, total_loss_probability
from secondsite.strategies.sizing import all_streams, maybe, stream_bytes, transfer_time, write_shares
from secondsite.strategies.steps import blocked_step, instant, make_step
from secondsite.strategies.switches.switching import people_detect
from secondsite.strategies.todays_backups import restored_after

STREAMS_BACK = "streams back, as clients see it"
"""The duration of a repair that nobody carries out, by its name."""


def process(kit: Kit) -> Procedure:
    """One process dies: its peers take over, Kubernetes restarts it."""
    lone = any(api.replicas < 2 for api in _apis(kit)) or not _apis(kit)
    serving = make_step(
        kit,
        Verb.RESTART,
        "the API pod restarts" if lone else "requests move to the other API pods",
        "restart.process" if lone else "endpoint.removal",
        check="the API acknowledges a probe",
        step_id="api",
    )
    steps = (serving, _streams_again(kit), _restart(kit, "state", "the store's pod restarts on its volume"))
    observed = _restart(kit, "observability", "monitoring's pod restarts")
    servers = sum(service.replicas for service in _nats(kit))
    pods = min((api.replicas for api in _apis(kit)), default=0)
    one_of_all = 1 / max(1, servers + pods)
    repair = _repair(kit, "a process dies", Fault.PROCESS, (*steps, observed), affected=one_of_all, stalled=one_of_all)
    return repair if lone else evolve(repair, answered=kit.figures["retry.other-pod"])


def node(deployment: Deployment, kit: Kit) -> Procedure:
    """One node dies: single replicas are moved after Kubernetes' timeouts, their volumes after six minutes more."""
    p_api = _apis_lost(kit, _nodes(kit), zone=False)
    return _repair(
        kit,
        "a node dies",
        Fault.NODE,
        (
            *_outage(kit, "api", "the API pods of the node start elsewhere", p_api, "reschedule.node"),
            *_streams_away(deployment, kit, _nodes(kit), "reschedule.node", "attach.volume"),
            *_outage(kit, "state", "the store moves with its volume", _stores(kit), "reschedule.node", "attach.volume"),
            *_outage(kit, "observability", "monitoring moves with its volume", 1.0, "reschedule.node", "attach.volume"),
        ),
        affected=_share(kit),
        stalled=_stalled(deployment, kit, _nodes(kit), zone=False),
    )


def zone(deployment: Deployment, kit: Kit) -> Procedure:
    """One zone is lost: what is only there, with volumes only there, waits for it."""
    zones = kit.home.zones
    p_api = _apis_lost(kit, zones, zone=True)
    several = len(deployment.sites) > 1
    return _repair(
        kit,
        "a zone is lost",
        Fault.ZONE,
        (
            *_outage(kit, "api", "the API pods of the zone start in another", p_api, "reschedule.node"),
            *_streams_away(deployment, kit, zones, "duration.zone"),
            *_outage(kit, "state", "a store whose volume is in the zone waits for it", 1 / zones, "duration.zone"),
            *_outage(kit, "observability", "monitoring in the zone waits for it", 1 / zones, "duration.zone"),
        ),
        affected=_share(kit),
        stalled=_stalled(deployment, kit, zones, zone=True),
        escalates_to=Fault.REGION if several else None,
    )


def destroyed(deployment: Deployment, kit: Kit, fault: Fault) -> Procedure:
    """Data is deleted or overwritten: replication helps against some of it, only backups against all of it."""
    detect = people_detect(kit)
    decide = make_step(
        kit,
        Verb.DECIDE,
        "somebody approves what is restored, and from which point in time",
        "approve.people",
        check="a named person approved the plan's hash",
        after=(detect.id,),
        by_person=True,
        approval=True,
    )
    covered = {copy.subject for copy in deployment.copies if fault in copy.survives}
    streams = (
        _streams_before(deployment, kit, decide.id)
        if Subject.NATS in covered
        else blocked_step(Verb.RESTORE_STREAMS, "no copy of the streams is older than the mistake", decide.id)
    )
    stores = (
        make_step(
            kit,
            Verb.RESTORE_STORES,
            "restore databases and vector stores to before the mistake",
            restored_after(kit, deployment.copies, fault),
            check="counts match the backup's manifest",
            after=(decide.id,),
            targets=tuple(store.name for store in kit.system.stores),
        )
        if Subject.STATE in covered
        else blocked_step(Verb.RESTORE_STORES, "no copy of the stores is older than the mistake", decide.id)
    )
    copies = (_copies_anew(kit, streams.id),) if _copied(deployment) and not streams.blocked else ()
    return Procedure(
        f"data is destroyed ({fault})",
        fault,
        (detect, decide, streams, *copies, stores),
        {Subject.NATS: streams.id, Subject.STATE: stores.id},
        affected=0.0,
    )


def _streams_before(deployment: Deployment, kit: Kit, after: str) -> Step:
    """Where they were, not where they would be after the loss of a region."""
    if deployment.strategy.link is Link.ARCHIVE:
        step = restore_archived(kit, after, "the moment before the mistake")
    else:
        step = restore_streams(kit, after)
    return evolve(step, verb=Verb.RESTORE_ORIGINS, region="")


def _copied(deployment: Deployment) -> bool:
    return any(stream.mirror or stream.sources for cluster in deployment.clusters for stream in cluster.streams)


def _copies_anew(kit: Kit, after: str) -> Step:
    """A restored stream is another one for the server: its mirrors stand still without a lag, and what sources it takes
    everything again.
    """
    size = transfer_time("copies rebuilt", stream_bytes(kit.system, kit.figures), kit.figures["restore.rate"])
    return make_step(
        kit,
        Verb.REMAKE_COPIES,
        "rebuild every copy of the restored streams: mirrors, and streams that source them",
        size,
        check="each copy holds exactly what its origin holds",
        after=(after,),
        step_id="copies-anew",
        reversible=False,
        approval=True,
    )


def _repair(
    kit: Kit,
    name: str,
    fault: Fault,
    steps: tuple[Step, ...],
    *,
    affected: float,
    stalled: float,
    escalates_to: Fault | None = None,
) -> Procedure:
    """Milestones are the steps named after their subjects; the API is back when NATS acknowledges again too."""
    serving = instant(kit, Verb.VERIFY_PATH, "the API acknowledges writes again", "a probe write", ("api", "nats"))
    milestones = {subject: serving.id if subject is Subject.API else str(subject) for subject in Subject}
    return Procedure(name, fault, (*steps, serving), milestones, affected, "api", stalled, escalates_to)


def _outage(kit: Kit, step_id: str, title: str, probability: float, *figures: str) -> tuple[Step, ...]:
    """The step (or chain of steps) that is waited for with a probability; the last one bears the id."""
    share = fixed(f"share of losses that take {step_id}", probability, "probability", "placement of replicas")
    steps: list[Step] = []
    for figure in figures:
        last = figure == figures[-1]
        steps.append(
            make_step(
                kit,
                Verb.WAIT,
                title,
                kit.figures[figure] if probability >= 1 else _sometimes(kit, figure, share),
                check=f"{step_id} answers",
                after=(steps[-1].id,) if steps else (),
                step_id=step_id if last else f"{step_id}-{figure}",
            )
        )
    return tuple(steps)


def _sometimes(kit: Kit, figure: str, share: Estimate) -> Estimate:
    return maybe(f"{figure}, where it is waited for", share, kit.figures[figure])


def _streams_away(deployment: Deployment, kit: Kit, domains: int, *waits: str) -> tuple[Step, ...]:
    """A quorum that lay in one domain waits for its servers; one that lies in several regions, or is somebody
    else's matter, elects."""
    if deployment.strategy.link in (Link.STRETCH, Link.MANAGED):
        check = "every stream acknowledges a probe"
        return (
            make_step(
                kit, Verb.ELECT, "streams elect a leader elsewhere", "elect.stretch", check=check, step_id="nats"
            ),
        )
    if not kit.system.nats:
        return (_nothing_stored(kit),)
    if _lone(kit):
        return _outage(kit, "nats", "streams with one replica wait for their server and its volume", 1.0, *waits)
    lost = _quorums_lost(kit, domains, zone="duration.zone" in waits)
    elect = make_step(
        kit,
        Verb.ELECT,
        "streams led from there elect a new leader",
        "elect.raft",
        check="every stream acknowledges a probe",
        step_id="nats-elect",
    )
    wait = _outage(kit, "nats", "a quorum that lay together waits for its servers", lost, *waits)
    return elect, evolve(wait[0], after=(elect.id,)), *wait[1:]


def _lone(kit: Kit) -> tuple[str, ...]:
    """Streams without a second replica that could take over."""
    return tuple(stream.name for stream in all_streams(kit.system) if stream.replicas < 3)


def _stalled(deployment: Deployment, kit: Kit, domains: int, *, zone: bool) -> float:
    """The share of writes that fail until streams are back, over faults that strike anywhere in the site.

    The contract's fault is one that strikes where the stream is; here a domain is struck that may hold none of it.
    """
    lone = _lone(kit)
    if deployment.strategy.link in (Link.STRETCH, Link.MANAGED) or not lone:
        return 1.0
    shares = write_shares(kit.system)
    struck = math.fsum(shares[name] for name in lone) / domains
    lost = _quorums_lost(kit, domains, zone=zone)
    return lost + (1 - lost) * struck


def _quorums_lost(kit: Kit, domains: int, *, zone: bool) -> float:
    return max((_quorum_lost(kit, service, domains, zone=zone) for service in _nats(kit)), default=1.0)


def _streams_again(kit: Kit) -> Step:
    """R3 elects a new leader; a stream with one replica waits for its pod."""
    if not kit.system.nats:
        return _nothing_stored(kit)
    lone = _lone(kit)
    return make_step(
        kit,
        Verb.RESTART if lone else Verb.ELECT,
        "streams with one replica wait for their server" if lone else "streams elect a new leader",
        _through_the_breaker(kit, kit.figures["restart.process" if lone else "elect.raft"]),
        check="every stream acknowledges a probe",
        step_id="nats",
    )


def _through_the_breaker(kit: Kit, again: Estimate) -> Estimate:
    """Clients write through the API, whose breaker opens while streams elect and stays open for its own time."""
    waits = [s.ack_buffer.half_open_after_s for s in kit.system.services if s.ack_buffer]
    opening = kit.figures["breaker.opening"]
    if not waits or max(waits) < again.quantile(0.95):
        return again
    longest = float(max(waits))
    return Estimate(
        STREAMS_BACK,
        "s",
        Uniform(longest + opening.quantile(0.0), longest + opening.quantile(1.0)),
        Provenance.DERIVED,
        f"the API's breaker lets a write through again after {longest:g} s (ack_buffer.half_open_after)",
        formula="breaker.opening + half_open_after, longer than the election",
        inputs=(opening, again),
    )


def _nothing_stored(kit: Kit) -> Step:
    """Without NATS nobody waits for it."""
    return evolve(instant(kit, Verb.VERIFY_PATH, "there are no streams", "none is written", ()), id="nats")


def _restart(kit: Kit, step_id: str, title: str) -> Step:
    return make_step(kit, Verb.RESTART, title, "restart.process", check=f"{step_id} answers", step_id=step_id)


def _stores(kit: Kit) -> float:
    """P(a store loses its last replica with a node that holds one): certain for a single one; the worst store."""
    services = {service.name: service for service in kit.system.services}
    held = [services.get(store.service) for store in kit.system.stores if store.loss is Loss.DATA]
    return max((_lost_with(kit, one, _nodes(kit), zone=False) if one else 1.0 for one in held), default=0.0)


def _nodes(kit: Kit) -> int:
    return round(kit.figures["site.nodes"].mean)


def _apis(kit: Kit) -> tuple[Service, ...]:
    return kit.system.with_role(Role.API)


def _apis_lost(kit: Kit, domains: int, *, zone: bool) -> float:
    """P(some API loses its last replica), the worst of them: their order says nothing."""
    return max((_lost_with(kit, api, domains, zone=zone) for api in _apis(kit)), default=0.0)


def _nats(kit: Kit) -> tuple[Service, ...]:
    return kit.system.with_role(Role.NATS)


def _share(kit: Kit) -> float:
    """One of n pods answers nothing meanwhile; of several APIs the one with the fewest."""
    return 1 / max(1, min((api.replicas for api in _apis(kit)), default=1))


def _spreading(service: Service, zone_wide: bool) -> Spreading:
    return service.spread_zones if zone_wide else service.spread_nodes


def _lost_with(kit: Kit, service: Service | None, domains: int, *, zone: bool) -> float:
    if service is None:
        return 0.0  # nobody waits for what does not exist
    ignored = kit.figures["placement.ignored"].mean
    return total_loss_probability(service.replicas, domains, _spreading(service, zone), ignored)


def _quorum_lost(kit: Kit, service: Service, domains: int, *, zone: bool) -> float:
    ignored = kit.figures["placement.ignored"].mean
    return quorum_loss_probability(service.replicas, domains, _spreading(service, zone), ignored)
