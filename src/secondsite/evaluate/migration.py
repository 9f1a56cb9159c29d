"""The way from today to the recommendation, step by step: what each costs, needs and buys."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from secondsite.evaluate.assess import mean_of
from secondsite.evaluate.cost import machines_usd, people_usd
from secondsite.evaluate.derive import total
from secondsite.evaluate.evaluation import Assessment, MigrationStep
from secondsite.model.contract import Verdict
from secondsite.model.estimate import Estimate, Fixed, Provenance
from secondsite.model.strategy import Link, Pattern, Switch

_NAMES = {
    Pattern.SINGLE_REGION: "today",
    Pattern.SEVERAL_REGIONS: "today",
    Pattern.BACKUP_RESTORE: "backups in another region",
    Pattern.PILOT_LIGHT: "data alive in a second region",
    Pattern.WARM_STANDBY: "standby cluster",
    Pattern.ACTIVE_ACTIVE: "active-active, if needed",
}


def migration(assessments: Sequence[Assessment], target: Assessment, provider: str) -> tuple[MigrationStep, ...]:
    """From pattern to pattern, as cheaply as each can be had on the way; the step beyond the target is marked."""
    way = [a for a in (_milestone(assessments, target, step) for step in _ladder(assessments[0], target)) if a]
    steps: list[MigrationStep] = []
    for before, after in pairwise(way):
        done = {need.id for need in before.deployment.requirements}
        new = [need for need in after.deployment.requirements if need.id not in done]
        hours = total("hours", "h", [mean_of(need.hours) for need in new])
        steps.append(
            MigrationStep(
                name=_name(after),
                strategy=after.strategy,
                monthly_usd=after.monthly_usd[provider],
                machines_usd=machines_usd(after.bills[provider]),
                added_usd=_added(before.monthly_usd[provider], after.monthly_usd[provider]),
                added_new_usd=_added(machines_usd(before.bills[provider]), machines_usd(after.bills[provider])),
                added_people_usd=_added(people_usd(before.bills[provider]), people_usd(after.bills[provider])),
                hours=hours,
                requirements=tuple(need.what for need in new),
                gains=_gains(before, after),
                beyond=_rank(after) > _rank(target),
            )
        )
    return tuple(steps)


def _ladder(today: Assessment, target: Assessment) -> list[tuple[Pattern, Switch]]:
    """Backups first by hand, then with DNS failover, then the standby, then both regions at once."""
    steps = [
        (today.strategy.pattern, today.strategy.switch),
        (Pattern.BACKUP_RESTORE, Switch.MANUAL),
        (Pattern.BACKUP_RESTORE, Switch.DNS),
    ]
    if target.strategy.pattern in (Pattern.PILOT_LIGHT, Pattern.WARM_STANDBY):
        steps.append((target.strategy.pattern, target.strategy.switch))
    else:
        steps.append((Pattern.WARM_STANDBY, Switch.DNS))
    return [*steps, (Pattern.ACTIVE_ACTIVE, Switch.WEIGHTED)]


def _milestone(
    assessments: Sequence[Assessment], target: Assessment, step: tuple[Pattern, Switch]
) -> Assessment | None:
    pattern, switch = step
    if target.strategy.pattern is pattern and target.strategy.switch is switch:
        return target
    fitting = [a for a in assessments if a.strategy.pattern is pattern and a.strategy.switch is switch]
    wanted = _link_on_the_way(pattern, target.strategy.link)
    same = [a for a in fitting if a.strategy.link is wanted]
    return min(same or fitting, key=lambda a: (len(a.breached), a.owning_usd.mean), default=None)


def _link_on_the_way(pattern: Pattern, wanted: Link) -> Link:
    """What the target asks for; where that pattern has no such link, the one that asks for nothing new."""
    if pattern is Pattern.ACTIVE_ACTIVE:
        return Link.SOURCED
    return Link.BACKUP if pattern is Pattern.BACKUP_RESTORE and wanted is not Link.ARCHIVE else wanted


def _name(assessment: Assessment) -> str:
    if assessment.strategy.pattern is Pattern.BACKUP_RESTORE and assessment.strategy.switch is Switch.DNS:
        return "DNS failover"
    return _NAMES[assessment.strategy.pattern]


def _rank(assessment: Assessment) -> int:
    return list(Pattern).index(assessment.strategy.pattern)


def _gains(before: Assessment, after: Assessment) -> tuple[str, ...]:
    """Contracts that were breached and are not any more (unproven until drilled)."""
    was = {o.contract.name for o in before.outcomes if o.verdict is Verdict.BREACHED}
    return tuple(
        o.contract.name for o in after.outcomes if o.contract.name in was and o.verdict is not Verdict.BREACHED
    )


def _added(before: Estimate, after: Estimate) -> Estimate:
    return Estimate(
        "monthly cost added",
        "USD/month",
        Fixed(after.mean - before.mean),
        Provenance.DERIVED,
        "difference of two bills",
        formula="after − before",
        inputs=(after, before),
    )
