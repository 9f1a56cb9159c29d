"""The way from today to the recommendation as steps that can be planned, decided and undone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import quote

from attrs import frozen

from secondsite.evaluate.cost import machines_usd, people_usd
from secondsite.evaluate.derive import total
from secondsite.evaluate.evaluation import Assessment, MigrationStep
from secondsite.model.deployment import Requirement
from secondsite.model.estimate import Estimate, Fixed, Provenance, unbounded
from secondsite.model.strategy import Pattern, Switch
from secondsite.model.wording import counted, dollars, number
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.proof import command
from secondsite.publish.text.figure import looking

NEEDS: Mapping[str, tuple[str, ...]] = {
    "leaf-link": ("nats-upgrade", "standby-cluster"),
    "gateways": ("nats-upgrade", "standby-cluster"),
    "witness": ("gateways",),
    "stretch-cluster": ("standby-cluster", "third-region"),
    "sourced-streams": ("standby-cluster",),
    "active-active": ("sourced-streams", "stretch-cluster", "standby-cluster"),
    "standby-cluster": ("replicated-secrets",),
    "dns-failover": (),
    "weighted-records": ("dns-failover",),
}
"""What a piece of work has to wait for, by the id of its requirement, where both are to be done."""

_PREREQUISITES = {
    Pattern.BACKUP_RESTORE: (
        "a bucket in the second region, in an account from which the first region cannot delete",
        "quota in the second region for the nodes of the restore",
    ),
    Pattern.PILOT_LIGHT: ("network between the regions", "quota in the second region for the whole service"),
    Pattern.WARM_STANDBY: (
        "network between the regions, no overlapping addresses",
        "quota in the second region for the whole service, not only for the standby",
        "manifests without hard-coded regions",
    ),
    Pattern.ACTIVE_ACTIVE: (
        "idempotent consumers in every service",
        "one known writer per database",
    ),
}
_ROLLBACK = {
    Pattern.BACKUP_RESTORE: "stop the backup jobs; nothing that runs today was changed",
    Pattern.PILOT_LIGHT: "delete the mirrors and the second cluster; the first region never depended on them",
    Pattern.WARM_STANDBY: "remove the link, then the second cluster; the first region never depended on them",
    Pattern.ACTIVE_ACTIVE: "weight of the second region to 0, drain its streams, mirrors back to one direction",
}
_DNS_PREREQUISITE = "credentials that may change this one record, kept outside the region"
_DNS_ROLLBACK = "turn the health check off and make the record plain again; a TTL of 60 s may stay"


@frozen
class RoadmapStep:
    """``hours`` is a range; ``won`` are the contracts that are breached before and expected to hold then.

    ``machines_usd`` is what the provider is paid a month then, ``added_new_usd`` how much of it is new with this step;
    people's hours are apart, and ``added_usd`` is both. ``criteria`` say when to take the step, in figures.
    ``saves_usd`` a year, of expected loss, over the step before.
    """

    number: int
    slug: str
    name: str
    assessment: Assessment
    deliverables: tuple[Requirement, ...]
    hours: Estimate
    low_hours: float
    high_hours: float
    machines_usd: Estimate
    people_usd: Estimate
    added_usd: Estimate
    added_new_usd: Estimate
    added_people_usd: Estimate
    cumulative_usd: Estimate
    prerequisites: tuple[str, ...]
    exit_tests: tuple[str, ...]
    won: tuple[str, ...]
    breached: tuple[str, ...]
    rollback: str
    criteria: tuple[str, ...]
    saves_usd: Estimate
    beyond: bool
    stop: bool


def roadmap(inputs: Inputs, provider: str) -> tuple[RoadmapStep, ...]:
    """The last step that is not beyond the recommendation is the recommended stop."""
    migration = inputs.evaluation.recommendation.migration
    last = max((index for index, step in enumerate(migration) if not step.beyond), default=-1)
    before = inputs.evaluation.assessments[0]
    today = machines_usd(before.bills[provider])
    steps: list[RoadmapStep] = []
    for index, step in enumerate(migration):
        after = inputs.evaluation.of(step.strategy)
        steps.append(_step(index + 1, step, before, after, today, provider, stop=index == last))
        before = after
    return tuple(steps)


def _step(
    number_: int,
    step: MigrationStep,
    before: Assessment,
    after: Assessment,
    today: Estimate,
    provider: str,
    *,
    stop: bool,
) -> RoadmapStep:
    machines = machines_usd(after.bills[provider])
    needed = tuple(need for need in after.deployment.requirements if need.what in step.requirements)
    saves = _less("expected loss avoided", before.expected_loss_usd, after.expected_loss_usd)
    breached = tuple(outcome.contract.name for outcome in after.breached)
    dns = _only_dns(before, after)
    return RoadmapStep(
        number=number_,
        slug=slug(step.name),
        name=step.name,
        assessment=after,
        deliverables=needed,
        hours=total(f"work of step {number_}", "h", [need.hours for need in needed]),
        low_hours=sum(need.hours.quantile(0.05) for need in needed),
        high_hours=sum(need.hours.quantile(0.95) for need in needed),
        machines_usd=machines,
        people_usd=people_usd(after.bills[provider]),
        added_usd=step.added_usd,
        added_new_usd=step.added_new_usd,
        added_people_usd=step.added_people_usd,
        cumulative_usd=_less("the provider's bill above today's", machines, today),
        prerequisites=(_DNS_PREREQUISITE,) if dns else _PREREQUISITES.get(step.strategy.pattern, ()),
        exit_tests=_exit_tests(after, needed, step.gains),
        won=step.gains,
        breached=breached,
        rollback=_DNS_ROLLBACK if dns else _ROLLBACK.get(step.strategy.pattern, "undo what was added"),
        criteria=_criteria(before, step, saves),
        saves_usd=saves,
        beyond=step.beyond,
        stop=stop,
    )


def _less(name: str, more: Estimate, less: Estimate) -> Estimate:
    if more.unbounded or less.unbounded:
        return unbounded(name, more.unit, "one of the two has no bound", (more, less))
    difference = f"{more.name} − {less.name}"
    return Estimate(
        name,
        more.unit,
        Fixed(more.mean - less.mean),
        Provenance.DERIVED,
        difference,
        formula=difference,
        inputs=(more, less),
    )


def _only_dns(before: Assessment, after: Assessment) -> bool:
    same = before.strategy.pattern is after.strategy.pattern
    return same and before.strategy.switch is Switch.MANUAL and after.strategy.switch is not Switch.MANUAL


def _exit_tests(after: Assessment, needed: Sequence[Requirement], won: Sequence[str]) -> tuple[str, ...]:
    """Each ends with 0: the backup is good, the drill completes, and the contracts that the step wins are met."""
    backup = ('secondsite backup verify --from "$BACKUP_URL"',) if any(n.id == "stream-backup" for n in needed) else ()
    drill = f"{command('region-loss', after.strategy)} --json | jq -e 'all(.runs[]; .rto_s.total)'"
    if not won:
        return (*backup, drill)
    names = ", ".join(f'"{name}"' for name in won)
    met = f'[.contracts[] | select([.subject + "/" + .fault] | inside([{names}])) | .verdict == "met"] | any and all'
    return (*backup, drill, f"secondsite verify --strategy {quote(after.strategy.id)} --json | jq -e {quote(met)}")


def _criteria(before: Assessment, step: MigrationStep, saves: Estimate) -> tuple[str, ...]:
    """In figures, for the people who decide."""
    criteria = []
    if step.gains:
        criteria.append(f"take this step while these are promised: {', '.join(step.gains)}")
    elif before.breached:
        criteria.append("it meets no contract by itself, but the next step needs it")
    off = looking(saves, dollars(saves.mean))
    criteria.append(
        f"it {_costs(step.added_new_usd, step.added_people_usd)}, and reduces the expected loss by {off} a year"
    )
    if step.beyond:
        criteria.append("stop before this step unless a contract requires more than the previous step can deliver")
    return tuple(criteria)


def _costs(new: Estimate, people: Estimate) -> str:
    """Two kinds of money, never one sum."""
    return f"costs {_more(new)} a year at the provider and {_more(people)} of people's time"


def _more(added: Estimate) -> str:
    usd = 12 * added.mean
    return f"{looking(added, dollars(abs(usd)))} {'more' if usd >= 0 else 'less'}"


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def why_stop(steps: Sequence[RoadmapStep]) -> str:
    """Of the step at which the way ends: contracts first, then money."""
    stop = next((step for step in steps if step.stop), None)
    if stop is None:
        return "no step improves on today"
    left = (
        f"{counted(len(stop.breached), 'contracts')} still breached"
        if stop.breached
        else "every contract is expected to hold"
    )
    after = next((step for step in steps if step.number == stop.number + 1), None)
    if after is None:
        return left
    saved = looking(after.saves_usd, dollars(after.saves_usd.mean))
    balance = f"{_costs(after.added_new_usd, after.added_people_usd)}, avoids {saved} of expected loss"
    hours = looking(after.hours, f"{number(after.low_hours)} to {number(after.high_hours)} hours")
    return f"{left}; the next step {balance} and costs {hours}"
