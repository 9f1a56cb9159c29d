"""Streams that have no living copy come back from the newest backup."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from secondsite.model.fault import Fault
from secondsite.model.procedure import Step
from secondsite.model.strategy import Link
from secondsite.operate.action import Context, Facts, ManualContext, Prospect, failed
from secondsite.operate.shell import word
from secondsite.operate.world import Restorer


@frozen
class RestoreStreams:
    async def look(self, context: Context, step: Step, restorer: Restorer) -> Prospect:
        names = ", ".join(step.targets)
        return Prospect(changes=(f"restore {names} in {step.region or context.away}",))

    async def run(self, context: Context, step: Step, restorer: Restorer) -> Facts:
        outcomes = await restorer.restore(step.region or context.away, step.targets)
        bad = {name: why for name, why in outcomes.items() if why}
        if bad:
            failures = "; ".join(f"{name}: {why}" for name, why in sorted(bad.items()))
            raise failed(f"not restored: {failures}", "see `secondsite backup list`; fix the cause, then resume")
        return {"restored": sorted(outcomes)}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        when = ""
        if context.fault is Fault.BAD_WRITE and context.deployment.strategy.link is Link.ARCHIVE:
            yield from _undone(context, step)
            return
        if context.data_destroyed:
            yield "# BEFORE: just before the mistake, such as 2026-11-23T09:40:00Z; newer backups hold it too"
            when = ' --at "$BEFORE"'
        yield f'secondsite restore --context {word(context.region_of(step))} --from "$BACKUP_URL"{when}'


def _undone(context: ManualContext, step: Step) -> Iterable[str]:
    """What was overwritten is saved first, beside the archive."""
    store = '--from "$BACKUP_URL"'
    yield "# for each STREAM that holds wrong messages; LAST_GOOD is its last message before them, such as 1042, and"
    yield "# WRONG a pattern of the ids of the wrong ones (or of their subjects: --wrong-subject)"
    yield f'secondsite archive after "$STREAM=$LAST_GOOD" {store} --wrong-id "$WRONG" > good.txt'
    chosen = '--at-sequence "$STREAM=$LAST_GOOD" --stream "$STREAM" --overwrite "$STREAM"'
    yield f"secondsite restore --context {word(context.region_of(step))} {store} {chosen}"
    yield "# good.txt lists what does not depend on the wrong messages: let its writers send it again"
