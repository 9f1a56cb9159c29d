"""An operation given up: back to a state in which somebody writes, and what was left as it is now is said.

Possible until the first stream takes writes where the operation moves them; from then on clients' writes may be there
already, and the way on is forward. A fence is taken off only where no other copy takes writes, looked at right before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.procedure import Procedure, Verb
from secondsite.operate.action import Context, Facts
from secondsite.operate.actions.fence import takes_writes
from secondsite.operate.epoch import Epoch, Side, epoch_of, read_sides, single_writer, verb_of
from secondsite.operate.journal import ABORTED, EntryKind, Journal, StepState, records
from secondsite.operate.layout import StreamFamily, StreamPlacement, fenced_subject, is_writable, promoting_subject
from secondsite.operate.world import World
from secondsite.operate.writer_lease import grant_lease

_STAYS = (
    *(Verb.CREATE_CLUSTER, Verb.START_SERVICES, Verb.SCALE_SERVICES, Verb.RESTORE_STORES, Verb.PROMOTE_STORES),
    *(Verb.RESTORE_STREAMS, Verb.RESTORE_ORIGINS, Verb.REMAKE_COPIES, Verb.SALVAGE, Verb.RESYNCHRONISE),
    *(Verb.FOLLOW_STORES, Verb.CHANGE_TRAFFIC),
)


@frozen
class Aborted:
    """``serving``: who takes writes now, by stream. ``opened`` lost their fence; ``left`` is for a person."""

    serving: Mapping[str, tuple[str, ...]]
    opened: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    without_writer: tuple[str, ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        serving = {name: list(regions) for name, regions in self.serving.items()}
        return {
            "serving": serving,
            "opened": list(self.opened),
            "left": list(self.left),
            "nobody": list(self.without_writer),
        }


async def abort(procedure: Procedure, deployment: Deployment, world: World, journal: Journal) -> Aborted:
    """Raises InputError past the point of no return, MachineError where a fence cannot be taken off."""
    known = records(journal.entries)
    facts: dict[str, Facts] = {step: one.facts for step, one in known.items() if one.state is StepState.DONE}
    context = Context(deployment, procedure, world, facts, lambda _kind, _facts: None)
    target, source = target_of_operation(context), source_of(context)
    sides = await read_sides(context)
    _check_return(context, epoch_of(context, sides), target)
    opened, left = [], []
    for family in single_writer(context):
        placement = family.at(source)
        if placement is None:
            continue
        if await open_again(context, family, placement, target):
            opened.append(f"{placement.name} in {source}")
        left += _left(family, sides, source, target)
    await grant_lease(context, source)
    after = epoch_of(context, await read_sides(context))
    left += [
        f"{step.id} stays done: {step.title}" for step in procedure.steps if step.id in facts and step.verb in _STAYS
    ]
    without_writer = tuple(family.name for family in single_writer(context) if family.name not in after.serving)
    aborted = Aborted(after.serving, tuple(opened), tuple(left), without_writer)
    journal.append(EntryKind.NOTE, "", {ABORTED: aborted.plain()})
    return aborted


def target_of_operation(context: Context) -> str:
    steps = (step.region for step in context.procedure.steps if step.verb is Verb.PROMOTE_STREAMS)
    return next((region for region in steps if region), context.away)


def source_of(context: Context) -> str:
    """Who served when the operation began."""
    return context.away if target_of_operation(context) == context.home else context.home


def _check_return(context: Context, now: Epoch, target: str) -> None:
    past = [name for name, regions in now.serving.items() if regions == (target,)]
    if past:
        verb = verb_of(context.procedure)
        what = f"{target} takes writes of {', '.join(past)} already: there may be writes that are only there"
        remedy = f"continue with `secondsite {verb} resume`; to move back afterwards, use `secondsite failback`"
        raise InputError.at(f"{verb} abort", what, remedy)


async def open_again(context: Context, family: StreamFamily, placement: StreamPlacement, target: str) -> bool:
    """Take the fence off; whether there was one. Nobody else takes writes of it: looked at again, right before."""
    async with context.reached(placement.region) as door:
        state = None if door is None else await door.stream(placement.name)
        if door is None or state is None or state.subjects != (fenced_subject(placement),):
            return False
        other = family.at(target)
        async with context.reached(target) as there:
            copy = None if there is None or other is None else await there.stream(other.name)
        if copy is not None and is_writable(copy.config, family):
            raise MachineError.at(placement.region, f"{target} takes writes of {family.name} now", "resume instead")
        await door.update({**state.config, "subjects": list(family.subjects)})
        if not await takes_writes(door, family, placement):
            raise MachineError.at(
                placement.region, f"{placement.name} takes no writes yet", "check its leader, then abort again"
            )
    return True


def _left(family: StreamFamily, sides: Mapping[str, Side], source: str, target: str) -> list[str]:
    streams = []
    other = family.at(target)
    state = sides[target].states.get(family.name) if target in sides else None
    if source in sides and sides[source].silent:
        streams.append(f"{source} does not answer, so it is unknown whether it takes writes of {family.name}")
    if other is None or state is None:
        return streams
    if state.subjects == (promoting_subject(other),):
        streams.append(f"{other.name} in {target} is no longer a mirror: make it a mirror again")
    elif state.subjects == (fenced_subject(other),):
        streams.append(f"{other.name} in {target} stays fenced with its messages")
    return streams
