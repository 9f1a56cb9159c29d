"""Streams that have no living copy come back from the newest backup."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.procedure import Step
from secondsite.operate.action import Context, Facts, Guard, Prospect, failed


@frozen
class RestoreStreams:
    async def look(self, context: Context, step: Step) -> Prospect:
        names = ", ".join(step.targets)
        if context.world.restorer is None:
            guard = Guard("no-backup", "nobody told where the backups are", "give --from URL", absolute=True)
            return Prospect(guards=(guard,))
        return Prospect(changes=(f"restore {names} in {step.region or context.away}",))

    async def run(self, context: Context, step: Step) -> Facts:
        restorer = context.world.restorer
        if restorer is None:
            raise failed("nobody told where the backups are", "give --from URL, then resume")
        outcomes = await restorer.restore(step.region or context.away, step.targets)
        bad = {name: why for name, why in outcomes.items() if why}
        if bad:
            told = "; ".join(f"{name}: {why}" for name, why in sorted(bad.items()))
            raise failed(f"not restored: {told}", "see `secondsite backup list`; mend it, then resume")
        return {"restored": sorted(outcomes)}
