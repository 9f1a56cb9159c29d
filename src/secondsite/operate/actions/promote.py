"""Promotion of mirrors, in two updates, so that the sequence at which two histories part is known exactly.

First the mirror is removed while the stream listens on a subject that nobody uses: from then on its last sequence
stands still. That sequence goes into the stream's metadata together with the subjects of the writers, in one update.
Each state is told by the stream's own configuration, so whoever comes next knows where to go on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from attrs import define, field, frozen

from secondsite.model.errors import MachineError
from secondsite.model.nats import Retention
from secondsite.model.nats_release import Feature, Support, since, supports
from secondsite.model.procedure import Step, Verb
from secondsite.nats.jetstream import RefusedError
from secondsite.nats.streams import StreamState
from secondsite.operate.action import (
    ANSWER_S,
    POLL_S,
    Context,
    Facts,
    Guard,
    ManualContext,
    Prospect,
    Scope,
    failed,
    until,
)
from secondsite.operate.actions.consumers import carry_consumers, carrying
from secondsite.operate.actions.fence import fence_guard, is_answer_of, lease_change
from secondsite.operate.actions.opening import open_config, opening_edit
from secondsite.operate.actions.quiesce import draining, quiesce
from secondsite.operate.actions.sourcing import goes_on, going_on
from secondsite.operate.layout import (
    DIVERGED,
    Reach,
    StreamFamily,
    StreamPlacement,
    probe_subject,
    promoting_subject,
    writer_config,
)
from secondsite.operate.reconcilers import owned_guard, stream_owners
from secondsite.operate.shell import updated
from secondsite.operate.world import StreamsDoor
from secondsite.operate.writer_lease import grant_lease, granting
from secondsite.strategies.write_gate import leased

T = TypeVar("T")


@define
class Granting:
    """The right to write goes along with the first stream that is taken over: there is no way back from it, and the
    gates open while the other streams follow."""

    context: Context
    region: str
    _lock: asyncio.Lock = field(factory=asyncio.Lock)
    _done: bool = False

    async def once(self) -> None:
        async with self._lock:
            if not self._done:
                await grant_lease(self.context, self.region)
            self._done = True


def wanted_subjects(step: Step, family: StreamFamily) -> tuple[str, ...]:
    """What the step says, where it says so for this one stream; else the origin's."""
    return step.subjects if step.subjects and len(step.targets) == 1 else family.subjects


@frozen
class Promote:
    async def look(self, context: Context, step: Step) -> Prospect:
        region = step.region or context.away
        guards = list(fence_guard(context, step))
        ended = lease_change(context, context.away) if region == context.home else ()
        async with context.reached(region) as door:
            if door is None:
                what = f"{region} cannot be reached"
                return Prospect(
                    guards=(Guard("no-standby", what, "check its servers and the network path", absolute=True),)
                )
            guards += _version_guard(door, region)
            pairs = _mirrors_at(context, step, region)
            guards += _reconciled(context, pairs, region)
            states = [(family, placement, await door.stream(placement.name)) for family, placement in pairs]
        changes = [
            f"{placement.name} in {region}: mirror removed, subjects {', '.join(wanted_subjects(step, family))}"
            for family, placement, state in states
            if state and not promoted(state, wanted_subjects(step, family))
        ]
        guards += [
            guard
            for family, placement, state in states
            if state
            for guard in _retention_guard(family, placement, state)
        ]
        return Prospect(
            changes=(*ended, *changes), now=(f"{len(changes)} of {len(states)} to promote",), guards=tuple(guards)
        )

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.away
        pairs = _mirrors_at(context, step, region)
        await _can_follow(context, pairs, region)
        drained = await quiesce(context, pairs, region)
        async with context.world.streams(region) as door:
            granting_once = Granting(context, region)
            promoted_all = (self._promote(context, step, door, *pair, granting_once) for pair in pairs)
            ends = await asyncio.gather(*promoted_all)
        diverged = {family.name: {"diverged": end} for (family, _), end in zip(pairs, ends, strict=True)}
        carried = await self._carry_consumers(context, pairs, drained, region)
        return {"region": region, "streams": diverged, "drained": drained, "consumers": carried}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """Both updates are needed: the first stands the mirror still, the second writes down where it stood."""
        region = context.region_of(step)
        pairs = _mirrors_at(context, step, region)
        if context.fault is None:
            yield from draining(context, pairs)
        for family, placement in pairs:
            mirror = (
                f".config | del(.mirror, .mirror_direct) | .subjects = {json.dumps([promoting_subject(placement)])}"
            )
            yield updated(region, placement.name, mirror)
            yield from going_on(family, placement, _names(context, step, region))
            flags = '-ce --argjson sources "$sources"' if family.origin.stream.sources else "-ce"
            opening = opening_edit(wanted_subjects(step, family), family, placement)
            yield updated(region, placement.name, opening, flags=flags)
        if context.fault is None:
            for family, placement in pairs:
                yield from carrying(family, placement, from_=context.away)
        yield from granting(context, region)

    async def _carry_consumers(
        self, context: Context, pairs: list[tuple[StreamFamily, StreamPlacement]], drained: list[str], region: str
    ) -> dict[str, int]:
        """Where the procedure has no step for them: from the side that is still there, at their floors."""
        if any(step.verb is Verb.RESTORE_CONSUMERS for step in context.procedure.steps):
            return {}
        made: dict[str, int] = {}
        for other in drained:
            async with context.world.streams(other) as source, context.world.streams(region) as door:
                for family, placement in pairs:
                    if (there := family.at(other)) is not None:
                        made |= await carry_consumers(source, door, family, there, placement)
        return made

    async def _promote(
        self,
        context: Context,
        step: Step,
        door: StreamsDoor,
        family: StreamFamily,
        placement: StreamPlacement,
        granting_once: Granting,
    ) -> int:
        subjects = wanted_subjects(step, family)
        while True:
            answer = await _answered(context, lambda: door.stream(placement.name))
            if answer is None:
                continue
            state = answer[0]
            if state is None:
                raise failed(
                    f"{placement.region} has no stream {placement.name}",
                    "create the mirror, or restore it from a backup",
                )
            if promoted(state, subjects):
                await granting_once.once()
                if not state.config.get("no_ack"):  # one that acknowledges nothing answers no probe either
                    await _acknowledges(context, door, placement, subjects)
                context.progressed()
                return int(state.metadata.get(DIVERGED, state.last_seq))
            unused = state.subjects != (promoting_subject(placement),)
            wanted = (
                writer_config(state.config, (promoting_subject(placement),))
                if unused
                else await self._opened(context, step, door, state, (family, placement))
            )
            await _answered(context, partial(door.update, wanted))
            await context.world.clock.sleep(0)

    async def _opened(
        self,
        context: Context,
        step: Step,
        door: StreamsDoor,
        state: StreamState,
        pair: tuple[StreamFamily, StreamPlacement],
    ) -> dict[str, Any]:
        opened = open_config(state, wanted_subjects(step, pair[0]), *pair)
        if sources := opened.get("sources"):
            names = _names(context, step, pair[1].region)
            opened["sources"] = await goes_on(door, state, sources, names, partial(_at_last, context))
        return opened


def _names(context: Scope, step: Step, region: str) -> set[str]:
    """Of what is promoted there with one another."""
    return {placement.name for _, placement in _mirrors_at(context, step, region)}


async def _at_last(context: Context, ask: Callable[[], Awaitable[T | None]]) -> T:
    """Asked until something is known; the step's limit ends it."""
    while True:
        answer = await _answered(context, ask)
        if answer is not None and answer[0] is not None:
            return answer[0]
        await context.world.clock.sleep(POLL_S)


async def _answered(context: Context, ask: Callable[[], Awaitable[T]]) -> tuple[T] | None:
    """What came back; None where nothing did, as while the group elects a leader: the next look tells then.

    A refusal is final.
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            return (await ask(),)
    except RefusedError:
        raise
    except (MachineError, TimeoutError) as error:
        context.note("retried", {"why": f"no answer ({type(error).__name__})"})
        await context.world.clock.sleep(POLL_S)
        return None


def promoted(state: StreamState, subjects: tuple[str, ...]) -> bool:
    return not state.is_mirror and set(state.subjects) == set(subjects)


async def _acknowledges(
    context: Context, door: StreamsDoor, placement: StreamPlacement, subjects: tuple[str, ...]
) -> None:
    """The stream answers a probe on each of its subjects."""

    async def answers(subject: str) -> bool:
        answer = await door.probe(probe_subject(subject))
        if answer is not None and not is_answer_of(placement, answer):
            of = f" of {answer.domain}" if answer.domain else ""
            what = f"{subject} is answered by {answer.stream}{of}, not by {placement.name} of {placement.region}"
            raise failed(what, "remove the subject from that stream, then resume")
        return answer is not None

    for subject in subjects:
        await until(context, lambda subject=subject: answers(subject))  # type: ignore[misc]


def _mirrors_at(context: Scope, step: Step, region: str) -> list[tuple[StreamFamily, StreamPlacement]]:
    pairs = ((family, family.at(region)) for family in context.chosen(step) if family.reach is Reach.MIRRORED)
    return [(family, placement) for family, placement in pairs if placement is not None]


async def _can_follow(context: Context, pairs: list[tuple[StreamFamily, StreamPlacement]], region: str) -> None:
    """Before anybody's writers are stopped: what is to take over answers, is there, and can be promoted."""
    async with context.world.streams(region) as door:
        _refuse_old(door, region)
        for _, placement in pairs:
            answer = await _answered(context, partial(door.stream, placement.name))
            if answer is not None and answer[0] is None:
                raise failed(
                    f"{region} has no stream {placement.name}", "create the mirror, or restore it from a backup"
                )


def _reconciled(context: Scope, pairs: list[tuple[StreamFamily, StreamPlacement]], region: str) -> tuple[Guard, ...]:
    """On the way back the promotion itself fences the other region. Where writers hang on a lease, whoever gives a
    stream its subjects back gives nobody the right to write."""
    if region != context.home or leased(context.deployment):
        return ()
    others = [placement for family, _ in pairs for placement in family.others(region)]
    owners = [one for r in {p.region for p in others} for one in stream_owners(context, r, (p.name for p in others))]
    return owned_guard(tuple(owners), f"the subjects of {context.away}'s streams")


def _refuse_old(door: StreamsDoor, region: str) -> None:
    for guard in _version_guard(door, region):
        raise failed(guard.what, guard.remedy)


def _version_guard(door: StreamsDoor, region: str) -> list[Guard]:
    support = supports(door.version, Feature.PROMOTION)
    if support is Support.YES:
        return []
    what = f"nats-server {door.version} in {region} refuses to promote a mirror (400/10055)"
    if support is Support.UNKNOWN:
        what = (
            f"the server in {region} reports an unknown version ({door.version!r}); "
            "older versions cannot promote a mirror"
        )
    what += f"; {since(Feature.PROMOTION)} does it"
    return [Guard("server-too-old", what, "upgrade first, or restore the streams from a backup", absolute=True)]


def _retention_guard(family: StreamFamily, placement: StreamPlacement, state: StreamState) -> list[Guard]:
    """Somebody made it so: the mirrors of `render` have limits retention until their consumers are there."""
    if state.config.get("retention") != str(Retention.INTEREST) or not state.is_mirror:
        return []
    what = f"{placement.name} has interest retention: a mirror that has no consumers holds none of the messages"
    return [Guard("interest-without-consumers", what, "recreate it with limits retention, or override with --allow")]
