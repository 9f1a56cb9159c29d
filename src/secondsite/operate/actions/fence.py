"""Fencing: the old writer's streams lose their subjects, so that a publish there is refused and not stored.

Its messages stay, can be read and are still mirrored. A region that cannot be reached is *unfenced* until it was
reached and its streams were seen not to take writes; nothing else counts as a fence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Step, Verb
from secondsite.model.service import Role, Service
from secondsite.nats.streams import PublishAnswer
from secondsite.operate.action import (
    Context,
    Facts,
    Guard,
    ManualContext,
    Prospect,
    Scope,
    WaitingError,
    failed,
    through,
)
from secondsite.operate.journal import FENCED, SERVES_AGAIN, UNFENCED
from secondsite.operate.layout import (
    Reach,
    StreamFamily,
    StreamPlacement,
    fenced_subject,
    is_writable,
    one_meta_group,
    probe_subject,
    writer_config,
)
from secondsite.operate.reconcilers import owned_guard, pausing, stream_owners
from secondsite.operate.shell import kubectl, scaled, updated, word
from secondsite.operate.world import Sites, StreamsDoor
from secondsite.operate.writer_lease import end_lease, ending, run_out
from secondsite.strategies.write_gate import leased

NOT_NEEDED = "not-needed"
LEASE_RAN_OUT = "ran out"
_WHY_NOT = {
    Reach.SOURCED: "each region writes streams of its own",
    Reach.STRETCHED: "a stream over several regions has one leader, by its quorum",
}


def to_fence(context: Scope, region: str) -> tuple[tuple[StreamFamily, StreamPlacement], ...]:
    """The streams of the region of which there may be only one writable copy."""
    pairs = ((family, family.at(region)) for family in context.families if family.reach not in _WHY_NOT)
    return tuple((family, placement) for family, placement in pairs if placement is not None)


def _unheard() -> None:
    """Nobody wants to know."""


async def fence_stream(
    door: StreamsDoor,
    family: StreamFamily,
    placement: StreamPlacement,
    *,
    leaseless: bool = False,
    begins: Callable[[], None] = _unheard,
) -> bool:
    """Whether it had to be fenced; ``begins`` is called right before, as an answer may be lost.

    Raises MachineError where it takes writes afterwards, as by a controller that owns it: unless its writers hold no
    lease any more (``leaseless``), and are refused by the servers themselves.
    """
    state = await door.stream(placement.name)
    if state is None or not is_writable(state.config, family):
        return False
    begins()
    await door.update(writer_config(state.config, (fenced_subject(placement),)))
    if not leaseless and await takes_writes(door, family, placement):
        remedy = "stop its writers, then resume; do not promote while it still accepts writes"
        raise failed(f"{placement.name} in {placement.region} still takes writes after it was fenced", remedy)
    return True


async def takes_writes(door: StreamsDoor, family: StreamFamily, placement: StreamPlacement) -> bool:
    """Asked on every subject, as a writer would."""
    for subject in family.subjects:
        answer = await door.probe(probe_subject(subject))
        if answer is not None and is_answer_of(placement, answer):
            return True
    return False


def is_answer_of(placement: StreamPlacement, answer: PublishAnswer) -> bool:
    """A copy in another domain has the same name, and may answer through the link. Older servers tell no domain."""
    known = answer.domain and placement.cluster.domain
    return answer.stream == placement.name and (not known or answer.domain == placement.cluster.domain)


@frozen
class Fence:
    async def look(self, context: Context, step: Step) -> Prospect:
        region = step.region or context.home
        pairs = to_fence(context, region)
        if not pairs:
            return Prospect(now=(_not_needed(context),))
        ended = lease_change(context, region) if _has_lease(context, step) else ()
        async with context.reached(region) as door:
            if door is None:
                marked = (*ended, f"mark {region} unfenced, as it cannot be reached")
                guards = await _silent(context, step, region)
                return Prospect(changes=marked, guards=guards)
            states = [(family, placement, await door.stream(placement.name)) for family, placement in pairs]
        live = [
            (family, placement) for family, placement, state in states if state and is_writable(state.config, family)
        ]
        changes = [
            f"{placement.name} in {region}: subjects {_join(family)} -> {fenced_subject(placement)}"
            for family, placement in live
        ]
        return Prospect(
            guards=_reconciled(context, step, region, live),
            changes=(*ended, *changes),
            now=(f"{len(live)} of {len(pairs)} streams take writes in {region}",),
        )

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.home
        pairs = to_fence(context, region)
        if not pairs:
            return {"region": region, "state": NOT_NEEDED, "why": _not_needed(context)}
        isolated = await self._isolate(context, step, region)
        state_facts = await self._fence(context, step, region, pairs)
        return state_facts if state_facts["state"] == UNFENCED else {**state_facts, "isolated": isolated}

    async def _fence(
        self, context: Context, step: Step, region: str, pairs: tuple[tuple[StreamFamily, StreamPlacement], ...]
    ) -> Facts:
        """The lease is ended first: it runs out while the streams are fenced, and whatever gives them their subjects
        back (a controller that owns them) gives nobody a lease."""
        async with context.reached(region) as door:
            if door is None and starts_isolated(context, step):
                what = f"{region} does not answer, and its messages have to be salvaged, so it must be fenced first"
                raise MachineError.at(region, what, "start its servers isolated from the others, then resume")
            if door is None:
                for guard in await _silent(context, step, region):
                    if guard.id not in context.allowed:
                        raise WaitingError.at("", guard.what, guard.remedy)
                lease = await _without_lease(context, step, region)
                why = f"no answer within {context.world.reach_s:g} s"
                return {"region": region, "state": UNFENCED, "why": why, **lease}
            await context.stopping(region)
            ended = await end_lease(context, region) if _has_lease(context, step) else None
            for family, placement in pairs:
                await fence_stream(door, family, placement, leaseless=ended is not None)
                context.progressed()
        lease = {} if ended is None else await _ran_out(context, ended)
        return {"region": region, "state": FENCED, "streams": [placement.name for _, placement in pairs], **lease}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        region = context.region_of(step)
        if starts_isolated(context, step):
            joined = one_meta_group(context.deployment)
            conf = (
                "as rendered; isolated from the others it changes no stream"
                if joined
                else "without leafnodes and gateway"
            )
            yield f"# nats.conf {conf}; API and gateway stay at 0 replicas"
            yield from without_clients(context, region)
            for service in _with_role(context, Role.NATS):
                yield scaled(region, service, service.replicas)
        if _has_lease(context, step):
            yield from ending(context, region)
        yield from pausing(stream_owners(context, region, (held.name for _, held in to_fence(context, region))))
        yield from fencing(context, region)
        if not starts_isolated(context, step):
            yield "# no answer? record it as unfenced, and reject its leaf or gateway connection from this side:"
            yield "# revoke its credentials, then reload"
            yield from _reloads(context, context.away)

    async def _isolate(self, context: Context, step: Step, region: str) -> bool:
        """In a failback the old primary is started apart, and must answer. Where it votes with the others it is joined,
        as its streams are fenced by their meta group; its write gate stays shut."""
        if not starts_isolated(context, step):
            return False
        joined = one_meta_group(context.deployment)

        async def apart(sites: Sites) -> bool:
            await context.stopping(region)
            await (sites.join(region) if joined else sites.isolate(region))
            return not joined

        return await through(context.world.sites, apart, _left_to_a_person)


async def _left_to_a_person() -> bool:
    """Whoever starts the servers starts them apart, as `commands` say."""
    return False


def _reconciled(
    context: Scope, step: Step, region: str, live: list[tuple[StreamFamily, StreamPlacement]]
) -> tuple[Guard, ...]:
    """Where writers hang on a lease, whoever gives a stream its subjects back gives nobody the right to write."""
    if _has_lease(context, step):
        return ()
    owners = stream_owners(context, region, (placement.name for _, placement in live))
    return owned_guard(owners, f"the subjects of {region}'s streams") if live else ()


def _has_lease(context: Scope, step: Step) -> bool:
    """Whether the writers that the step stops hang on one."""
    region = step.region or context.home
    return leased(context.deployment) is not None and region == context.home and not starts_isolated(context, step)


def lease_change(context: Scope, region: str) -> tuple[str, ...]:
    """What it means for the plan that the region's lease is ended."""
    terms = leased(context.deployment)
    if terms is None:
        return ()
    return (f"end the write lease of {region}, and wait until it expires: {terms.handover_s:g} s",)


async def _without_lease(context: Context, step: Step, region: str) -> Facts:
    if not _has_lease(context, step):
        return {}
    ended = await end_lease(context, region)
    return {} if ended is None else await _ran_out(context, ended)


async def _ran_out(context: Context, ended: float) -> Facts:
    await run_out(context, ended)
    return {"lease": LEASE_RAN_OUT}


def leaseless(context: Context, region: str) -> bool:
    """Whether this operation ended the lease of the region's writers, and waited for it."""
    return any(f.get("region") == region and f.get("lease") == LEASE_RAN_OUT for f in context.facts.values())


def starts_isolated(context: Scope, step: Step) -> bool:
    """A fence that nothing was detected for: the first step of a failback."""
    return not step.after and step is context.procedure.steps[0]


async def fence_returned(context: Context, region: str) -> str:
    """Fence a region that was unfenced, where it is there again: what it is now, "" where that is not known yet.

    A stream that nobody else took over is left to its writers: a home that serves again, or one whose standby was not
    promoted yet, which the promotion fences itself.
    """
    async with context.reached(region) as door:
        if door is None:
            return ""
        for family, placement in to_fence(context, region):
            taken = await _taken_over(context, family, region)
            if taken is None:
                return ""
            if not taken:
                return "" if _under_way(context) else SERVES_AGAIN
            await fence_stream(door, family, placement)
    return FENCED


async def _taken_over(context: Context, family: StreamFamily, region: str) -> bool | None:
    """Whether another region's copy takes writes of it, or is about to; None where that cannot be told."""
    unknown = False
    for placement in family.others(region):
        async with context.reached(placement.region) as door:
            state = None if door is None else await door.stream(placement.name)
            unknown |= door is None
        if state is not None and not state.is_mirror and state.subjects != (fenced_subject(placement),):
            return True
    return None if unknown else False


def _under_way(context: Context) -> bool:
    """Whether a step of this procedure is still to take the streams over."""
    takes = (Verb.PROMOTE_STREAMS, Verb.RESTORE_STREAMS)
    return any(step.verb in takes and step.id not in context.facts for step in context.procedure.steps)


async def _silent(context: Context, step: Step, region: str) -> tuple[Guard, ...]:
    """A silent region may be alive; to promote without a fence is an exception that somebody names. One whose writers
    hang on a lease is stopped by its end."""
    if _has_lease(context, step):
        return await _still_heard(context, region)
    what = (
        f"{region} does not answer, so it stays unfenced: if it is alive, two regions "
        "accept writes until it can be reached"
    )
    unfenced = Guard("unfenced", what, "find out whether it is lost; if it is, give --allow unfenced")
    return (unfenced, *await _still_heard(context, region))


async def _still_heard(context: Context, region: str) -> tuple[Guard, ...]:
    heard = await _heard_by(context, region)
    if not heard:
        return ()
    what = f"{region} does not answer here, but servers of {heard} reach it over their link, so it is not lost"
    remedy = "check its address, port and route; to continue anyway, give --allow still-heard"
    return (Guard("still-heard", what, remedy),)


async def _heard_by(context: Context, region: str) -> str:
    """Another region whose servers get an answer of this one's JetStream domain; "" where none does.

    Where a quorum of observers found it silent for their whole window, the same way among others, one look is enough.
    """
    made_sure = context.world.decision.detected_at and context.procedure.fault is Fault.REGION
    domain = next(
        (placement.cluster.domain for _, placement in to_fence(context, region) if placement.cluster.domain), ""
    )
    others = {placement.region for family, _ in to_fence(context, region) for placement in family.others(region)}
    for other in sorted(others) if domain else ():
        async with context.reached(other) as door:
            if door is not None and await door.reaches(domain, insist=not made_sure):
                return other
    return ""


def fence_guard(context: Context, step: Step) -> tuple[Guard, ...]:
    """Promotion needs a fence, or the record of why there is none, before it."""
    before = context.procedure.leading_to(step.id)
    if any(one.verb is Verb.FENCE for one in before):
        return ()
    return (Guard("no-fence", "no earlier step fences the old primary", "put a fence step before it", absolute=True),)


def fencing(context: Scope, region: str) -> Iterable[str]:
    """Every stream of the region loses its writers' subjects; what it holds stays. A mirror refuses to be given any."""
    for _, placement in to_fence(context, region):
        edit = f".config | .subjects = {json.dumps([fenced_subject(placement)])}"
        yield updated(region, placement.name, edit)


def without_clients(context: Scope, region: str) -> Iterable[str]:
    for service in _with_role(context, Role.GATEWAY, Role.API):
        yield scaled(region, service, 0)


def _reloads(context: Scope, region: str) -> Iterable[str]:
    for service in _with_role(context, Role.NATS):
        for number in range(service.replicas):
            pod = word(f"{service.object_name}-{number}")
            yield f"{kubectl(region, service.namespace)} exec {pod} -- nats-server --signal reload"


def _with_role(context: Scope, *roles: Role) -> tuple[Service, ...]:
    return tuple(service for service in context.deployment.system.services if service.role in roles)


def _not_needed(context: Scope) -> str:
    reach = context.families[0].reach if context.families else Reach.ALONE
    return _WHY_NOT.get(reach, "no stream has to be fenced")


def _join(family: StreamFamily) -> str:
    return ", ".join(family.subjects)
