"""The fence of an operation that cannot go on, taken off again: nobody is left without a writer by a step that fails.

Only before the first stream takes writes, or stopped to mirror, where the operation moves it; each copy is looked at
right before. What was written down of a stream that takes writes again is no longer so, and is done again on a resume.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from secondsite.model.errors import MachineError
from secondsite.model.procedure import Step, Verb
from secondsite.operate.abort import open_again, source_of, target_of_operation
from secondsite.operate.action import Context, Facts, insisting
from secondsite.operate.actions.fence import LEASE_RAN_OUT
from secondsite.operate.epoch import single_writer
from secondsite.operate.journal import FENCED, StepRecord, StepState
from secondsite.operate.layout import StreamFamily, StreamPlacement
from secondsite.operate.writer_lease import grant_lease


def stopped_at(context: Context, known: Mapping[str, StepRecord]) -> str:
    """The step that the promotion waits for in vain, after whoever served may have been stopped; empty for none.

    A step that failed may have stopped somebody: an answer that was lost says nothing of what was done.
    """
    procedure, source = context.procedure, source_of(context)
    promotion = next((step for step in procedure.steps if step.verb is Verb.PROMOTE_STREAMS), None)
    if promotion is None:
        return ""
    leading = [step for step in procedure.leading_to(promotion.id) if step.id in known]
    failed = [step for step in leading if known[step.id].state is StepState.FAILED]
    stopped = any(_stopped(one.facts, source) for one in known.values())
    perhaps = any(step is promotion or _fences(context, step, source) for step in failed)
    return failed[0].id if failed and (stopped or perhaps) else ""


def _fences(context: Context, step: Step, source: str) -> bool:
    return step.verb is Verb.FENCE and (step.region or context.home) == source


def _stopped(facts: Facts, source: str) -> bool:
    fenced = facts.get("state") == FENCED or facts.get("lease") == LEASE_RAN_OUT
    return fenced and facts.get("region") == source


def done_anew(context: Context) -> tuple[Step, ...]:
    """What a resume has to do again once the fence was taken off."""
    source = source_of(context)

    def anew(step: Step) -> bool:
        facts = context.facts.get(step.id)
        return facts is not None and (step.verb is Verb.RECORD_STATE or _stopped(facts, source))

    return tuple(step for step in context.procedure.steps if anew(step))


async def may_undo(context: Context, known: Mapping[str, StepRecord]) -> bool:
    """Whether every copy still mirrors where the operation moves the streams. Of a region that is silent that is known
    as long as the promotion was not begun; what cannot be seen otherwise may not be undone."""
    try:
        return await insisting(context, partial(_all_mirror, context, known))
    except (MachineError, TimeoutError):
        return False


async def _all_mirror(context: Context, known: Mapping[str, StepRecord]) -> bool:
    target = target_of_operation(context)
    begun = any(step.verb is Verb.PROMOTE_STREAMS and step.id in known for step in context.procedure.steps)
    async with context.reached(target) as door:
        if door is None:
            return not begun
        for family in single_writer(context):
            copy = family.at(target)
            state = None if copy is None else await door.stream(copy.name)
            if state is not None and not state.is_mirror:
                return False
    return True


async def undo_fence(context: Context) -> tuple[str, ...]:
    """The streams that take writes again. What cannot be opened stays fenced, and is told by the look that follows."""
    target, source = target_of_operation(context), source_of(context)
    opened = []
    for family in single_writer(context):
        placement = family.at(source)
        try:
            if placement is not None and await insisting(context, partial(_opened, context, family, placement, target)):
                opened.append(placement.name)
        except (MachineError, TimeoutError):
            continue
    try:
        await insisting(context, partial(grant_lease, context, source))
    except (MachineError, TimeoutError):
        return tuple(opened)
    return tuple(opened)


async def _opened(context: Context, family: StreamFamily, placement: StreamPlacement, target: str) -> bool:
    """Raises MachineError where the region is silent just now: it is asked again."""
    async with context.world.streams(placement.region):
        return await open_again(context, family, placement, target)
