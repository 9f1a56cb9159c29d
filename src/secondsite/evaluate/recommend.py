"""One strategy: contracts first, then the budget, then the least yearly cost of owning it. With tracks and blockers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from secondsite.evaluate.assess import PROVIDERS
from secondsite.evaluate.cost import total_cost
from secondsite.evaluate.derive import weakest
from secondsite.evaluate.evaluation import Assessment, ContractOutcome, FollowUp
from secondsite.evaluate.study import TIE
from secondsite.model.contract import Subject
from secondsite.model.estimate import Estimate, Provenance
from secondsite.model.hazard import Severity
from secondsite.model.strategy import Link, Pattern, Strategy
from secondsite.model.system import System
from secondsite.model.wording import dollars, duration, percent
from secondsite.strategies.registry import IN_THREE_REGIONS
from secondsite.strategies.stores import REPLICATED, backed_up_only


def choose(assessments: Sequence[Assessment], provider: str) -> Assessment:
    """What excludes comes first, then breached contracts, then whether the machines fit the budget, then money at that
    provider's prices; ties by preference."""
    fewest = min(_rank(a, provider) for a in assessments)
    fitting = [a for a in assessments if _rank(a, provider) == fewest]
    least = min(owning_usd(a, provider) for a in fitting)
    ranks = preference(assessments)
    return min((a for a in fitting if owning_usd(a, provider) <= least * (1 + TIE)), key=lambda a: ranks[a.strategy])


def _rank(assessment: Assessment, provider: str) -> tuple[bool, bool, int, bool]:
    """Of what is excluded, what nobody can price comes last: it is no way to begin."""
    excluded = bool(assessment.excluded)
    priceless = excluded and assessment.owning_usd.unbounded
    return excluded, priceless, len(assessment.breached), over_budget_usd(assessment, provider) > 0


def machines_usd(assessment: Assessment, provider: str) -> float:
    """What the provider is paid a month, people's hours left out."""
    return sum(item.monthly_usd.mean for item in assessment.bills[provider] if not item.for_people)


def over_budget_usd(assessment: Assessment, provider: str) -> float:
    """How much a month its machines cost more than the budget; zero where they fit, or no budget is written."""
    budget = assessment.deployment.system.economics.budget_usd_per_month
    return 0.0 if budget is None else max(0.0, machines_usd(assessment, provider) - budget)


def preference(assessments: Sequence[Assessment]) -> dict[Strategy, int]:
    """Among equals: what can be rehearsed, in fewer regions, with fewer steps that cannot be undone, fewer hazards."""
    ordered = sorted(
        assessments,
        key=lambda a: (
            a.strategy.link is Link.MANAGED,
            len(a.deployment.sites),
            a.complexity.irreversible_steps,
            a.complexity.open_hazards,
            a.complexity.component_regions,
            a.owning_usd.mean,
        ),
    )
    return {assessment.strategy: rank for rank, assessment in enumerate(ordered)}


def by_provider(assessments: Sequence[Assessment]) -> dict[str, Strategy]:
    """Whether the choice holds whichever provider is chosen later."""
    return {provider: choose(assessments, provider).strategy for provider in PROVIDERS}


def owning_usd(assessment: Assessment, provider: str) -> float:
    """The cost of owning at another provider's prices; without end where nobody has a price."""
    if assessment.owning_usd.unbounded:
        return math.inf
    home = assessment.deployment.system.region.provider
    known = assessment.monthly_usd[home if home in PROVIDERS else "aws"].mean
    return assessment.owning_usd.mean + 12 * (assessment.monthly_usd[provider].mean - known)


def follow_ups(
    chosen: Assessment, assessments: Sequence[Assessment], system: System, provider: str
) -> tuple[FollowUp, ...]:
    """Tracks of work, each with the condition that opens it."""
    budget = system.economics.budget_usd_per_month
    machines = total_cost([item for item in chosen.bills[provider] if not item.for_people])
    over = budget is not None and machines.mean > budget
    supercluster = chosen.strategy.link in (Link.SUPERCLUSTER_MIRROR, Link.SUPERCLUSTER_MIRROR_WITNESS)
    return (
        FollowUp(
            "active-active",
            "active-active is chosen",
            chosen.strategy.pattern is Pattern.ACTIVE_ACTIVE,
            "idempotent consumers, subjects by region, conflict rules for KV",
        ),
        FollowUp(
            "super-cluster too complex",
            "a super-cluster breaches a contract or costs more in ownership than independent clusters",
            not supercluster,
            "independent clusters with a leaf link; no shared meta group to lose",
        ),
        FollowUp(
            "cost prohibitive",
            f"{_usd(machines)} a month without people's hours is above the budget"
            + (f" of {dollars(budget)}" if budget is not None else " (none is written)"),
            over,
            "disaster recovery only: backups in another region and a rehearsed restore, "
            "with contracts relaxed accordingly",
        ),
        *_managed(chosen, assessments),
    )


def _usd(estimate: Estimate) -> str:
    """With ``~`` where it rests on an assumption."""
    return f"{'~' if weakest(estimate) is Provenance.ASSUMED else ''}{dollars(estimate.mean)}"


def _managed(chosen: Assessment, assessments: Sequence[Assessment]) -> tuple[FollowUp, ...]:
    """Nothing where no managed strategy was looked at."""
    offered = [a for a in assessments if a.strategy.link is Link.MANAGED]
    if not offered:
        return ()
    best = min(offered, key=lambda a: (bool(a.excluded), len(a.breached), a.owning_usd.mean))
    price = "no public price" if best.owning_usd.unbounded else f"{_usd(best.owning_usd)} a year"
    as_good = not best.excluded and len(best.breached) <= len(chosen.breached)
    return (
        FollowUp(
            "managed service",
            f"{best.strategy} costs at most a tenth more in ownership ({price})",
            as_good and best.owning_usd.mean <= 1.1 * chosen.owning_usd.mean,
            "a trial account, one stream mirrored there, the promotion drilled through the provider's API",
        ),
    )


def blockers(chosen: Assessment, system: System) -> tuple[str, ...]:
    """What has to be done or known before the strategy is worth anything."""
    reasons = [f"{need.what}: without it, {need.without}" for need in chosen.deployment.requirements if need.without]
    reasons += [
        f"{o.contract.name} is breached: "
        + (_why(o.rto, o.contract.rto_s) or _why(o.rpo, o.contract.rpo_s) or _often(o))
        for o in chosen.breached
    ]
    only = backed_up_only(system) if chosen.deployment.standby else ()
    if only:
        reasons.append(
            f"no replica of {', '.join(only)} is laid out (only of {', '.join(sorted(REPLICATED))}): what was written "
            "since the last backup is lost with the region; set up the engine's own replication where that is too much"
        )
    if chosen.excluded:
        reasons.append(f"excluded: {chosen.excluded}")
    reasons += [
        f"{hazard.rule}: {hazard.message}"
        for hazard in chosen.hazards
        if hazard.severity is Severity.FATAL and not hazard.waived
    ]
    reasons += [
        f"{contract.name}: no {unknown} is known, so all of {contract.subject} is judged: declare it, or read it with "
        f"`secondsite init --nats URL` (known: {', '.join(system.parts(contract.subject)) or 'none'})"
        for contract in system.contracts
        if (unknown := system.unknown_part(contract))
    ]
    if system.nats and system.second and not system.third:
        reasons.append(
            f"{' and '.join(sorted(IN_THREE_REGIONS))} were not compared, as they need a third region: add "
            f"`third: {{provider: {system.region.provider}, name: …}}` if there is one"
        )
    if not system.contracts:
        reasons.append("no contract is written in secondsite.yaml: nothing can be met or breached")
    elif system.nats and not any(c.subject is Subject.NATS for c in system.contracts):
        reasons.append("no contract for the streams: their loss is not judged")
    if system.nats and not any(cluster.streams for cluster in system.nats):
        reasons.append(
            "no stream is known, so none is judged: read them with `secondsite init "
            "--nats URL`, or add them to the file"
        )
    return tuple(dict.fromkeys(reasons))


def _often(outcome: ContractOutcome) -> str:
    return f"probability {percent(outcome.probability_met or 0.0)}, required {percent(outcome.contract.confidence)}"


def _why(estimate: Estimate, limit_s: float | None) -> str:
    if limit_s is None:
        return ""
    if estimate.unbounded:
        return f"{estimate.name} unbounded, {estimate.source}"
    p95 = estimate.quantile(0.95)
    return (
        f"{estimate.name} reaches {duration(p95)} at the 95th percentile, promised {duration(limit_s)}"
        if p95 > limit_s
        else ""
    )
