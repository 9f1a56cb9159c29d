"""Streams come back from a backup or an archive: in another region where they have no living copy, or in their own
place where what they held was destroyed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from attrs import frozen

from secondsite.model.fault import Fault
from secondsite.model.procedure import Step
from secondsite.model.strategy import Link
from secondsite.nats.streams import StreamState
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, failed
from secondsite.operate.layout import Reach, StreamFamily, StreamPlacement, is_writable
from secondsite.operate.shell import word
from secondsite.operate.world import OriginRestorer, Restorer

RESTORED = "restored"


@frozen
class RestoreStreams:
    async def look(self, context: Context, step: Step, restorer: Restorer) -> Prospect:
        names = ", ".join(step.targets)
        return Prospect(changes=(f"restore {names} in {step.region or context.away}",))

    async def run(self, context: Context, step: Step, restorer: Restorer) -> Facts:
        outcomes = await restorer.restore(step.region or context.away, step.targets)
        return {"restored": _all_restored(outcomes)}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        yield f'secondsite restore --context {word(context.region_of(step))} --from "$BACKUP_URL"'


@frozen
class RestoreOrigins:
    """Those that somebody chose, which may be there and are saved first; without a choice, those that are gone."""

    async def look(self, context: Context, step: Step, restorer: OriginRestorer) -> Prospect:
        targets = await _targets(context, step, restorer)
        changes = tuple(_change(context, restorer, name, state) for name, state in sorted(targets.items()))
        guards = await _elsewhere(context, targets) if targets else [_nothing(context, step)]
        return Prospect(changes=changes, guards=tuple(guards))

    async def run(self, context: Context, step: Step, restorer: OriginRestorer) -> Facts:
        """What an attempt before brought back is not brought back again: clients write to it."""
        before = {name for one in context.noted if RESTORED in one for name in one[RESTORED]["streams"]}
        targets = {
            name: state for name, state in (await _targets(context, step, restorer)).items() if name not in before
        }
        if not targets and not before:
            raise failed(_nothing(context, step).what, _nothing(context, step).remedy)
        for guard in await _elsewhere(context, targets):
            if guard.absolute or guard.id not in context.allowed:
                raise failed(guard.what, guard.remedy)
        outcomes = await restorer.put_back(context.home, tuple(targets)) if targets else {}
        done = [name for name, why in outcomes.items() if not why]
        if done:
            context.note(RESTORED, {"streams": done})
        _all_restored(outcomes)
        replaced = {"replaced": restorer.replaced} if restorer.chosen else {}
        return {"restored": sorted({*done, *before}), "as of": restorer.moment, **replaced}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        if context.fault is Fault.BAD_WRITE and context.deployment.strategy.link is Link.ARCHIVE:
            yield from _undone(context, step)
            return
        yield "# BEFORE: just before the mistake, such as 2026-11-23T09:40:00Z; newer backups contain the mistake"
        yield f'secondsite restore --context {word(context.region_of(step))} --from "$BACKUP_URL" --at "$BEFORE"'


def _all_restored(outcomes: Mapping[str, str]) -> list[str]:
    """Raises FinalError where one was not."""
    bad = {name: why for name, why in outcomes.items() if why}
    if bad:
        failures = "; ".join(f"{name}: {why}" for name, why in sorted(bad.items()))
        raise failed(f"not restored: {failures}", "see `secondsite backup list`; fix the cause, then resume")
    return sorted(outcomes)


async def _targets(context: Context, step: Step, restorer: OriginRestorer) -> Mapping[str, StreamState | None]:
    """What is to come back, as it is now."""
    for name in restorer.chosen:
        context.family(name)
    written = (family.name for family in context.families)
    names = restorer.chosen or tuple(name for name in written if name in step.targets or not step.targets)
    async with context.world.streams(context.home) as door:
        states = {name: await door.stream(name) for name in names}
    return states if restorer.chosen else {name: state for name, state in states.items() if state is None}


async def _elsewhere(context: Context, names: Collection[str]) -> list[Guard]:
    """A stream that another region serves is not brought back here: it would be a second writer, beside a copy that
    holds what clients were promised since."""
    guards = []
    for family in (context.family(name) for name in names):
        if family.reach not in (Reach.SOURCED, Reach.STRETCHED):
            guards += [guard for one in family.others(context.home) for guard in await _serves(context, family, one)]
    return guards


async def _serves(context: Context, family: StreamFamily, other: StreamPlacement) -> list[Guard]:
    async with context.reached(other.region) as door:
        if door is None:
            what = f"{other.region} does not answer: whether it takes the writes of {family.name} is unknown"
            return [Guard("cannot-look", what, "make it answer, or make sure that its streams are copies")]
        state = await door.stream(other.name)
    if state is None or not is_writable(state.config, family):
        return []
    what = f"{other.region} takes the writes of {family.name}, which would be restored in {context.home}"
    remedy = f"fail back first, or restore it where it is served: secondsite restore in {other.region}"
    return [Guard("serves-elsewhere", what, remedy, absolute=True)]


def _change(context: Context, restorer: OriginRestorer, name: str, state: StreamState | None) -> str:
    there = "it is missing" if state is None else f"what is there, made {state.created}, is saved and replaced"
    return f"{name} in {context.home}: restored as of {restorer.moment}; {there}"


def _nothing(context: Context, step: Step) -> Guard:
    listed = ", ".join(step.targets)
    what = f"{context.home} has every stream ({listed}), and no stream to replace was given"
    return Guard("nothing-chosen", what, "name each damaged stream with --restore STREAM", absolute=True)


def _undone(context: ManualContext, step: Step) -> Iterable[str]:
    """What was overwritten is saved first, beside the archive."""
    store = '--from "$BACKUP_URL"'
    yield "# for each STREAM with bad messages; LAST_GOOD is its last message before them, such as 1042, and"
    yield "# WRONG a pattern of the IDs of the bad messages (or of their subjects: --wrong-subject)"
    yield f'secondsite archive after "$STREAM=$LAST_GOOD" {store} --wrong-id "$WRONG" > good.txt'
    chosen = '--at-sequence "$STREAM=$LAST_GOOD" --stream "$STREAM" --overwrite "$STREAM"'
    yield f"secondsite restore --context {word(context.region_of(step))} {store} {chosen}"
    yield "# good.txt lists the messages that do not depend on the bad ones: have their writers send them again"
