"""What the page of an evaluation shows, in words and figures, before any markup.

Everything a template needs is decided here: rows, order, which figure stands for what, numbered sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from attrs import Factory, define, frozen

from secondsite.evaluate.bill import CostItem
from secondsite.evaluate.evaluation import Assessment, ContractOutcome, Evaluation
from secondsite.evaluate.known import has_api, served_subject
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.procedure import Procedure, Step
from secondsite.model.store import Loss
from secondsite.model.strategy import Link, Pattern, Strategy, Switch
from secondsite.model.wording import dollars, number
from secondsite.publish.content.patience import ESCALATION, LIMITS, patience
from secondsite.publish.text.figure import Figure, figure, made_of, why_unbounded
from secondsite.publish.text.nonbreaking import duration, percent

_PATTERNS = {
    Pattern.SINGLE_REGION: "Stay in a single region",
    Pattern.SEVERAL_REGIONS: "Stay as it is, with NATS in several regions",
    Pattern.BACKUP_RESTORE: "Back up to another region and restore there",
    Pattern.PILOT_LIGHT: "Keep a pilot light in a second region",
    Pattern.WARM_STANDBY: "Run a warm standby",
    Pattern.ACTIVE_ACTIVE: "Serve from two regions at once",
}
_LINKS = {
    Link.NONE: "no link",
    Link.BACKUP: "stream backups",
    Link.ARCHIVE: "an continuous archive",
    Link.SUPERCLUSTER_MIRROR: "mirrors across a super-cluster",
    Link.SUPERCLUSTER_MIRROR_WITNESS: "mirrors across a super-cluster with a witness region",
    Link.MIRROR_AND_BACKUP: "mirrors of the streams that may lose little, backups of the others",
    Link.LEAFNODE_MIRROR: "mirrors over a leaf-node link between independent clusters",
    Link.STRETCH: "one cluster stretched over three regions",
    Link.SOURCED: "streams that source each other",
    Link.MANAGED: "managed NATS",
}
_SWITCHES = {
    Switch.DNS: "DNS failover",
    Switch.WEIGHTED: "weighted DNS records",
    Switch.FAILOVER_RECORD: "failover DNS records",
    Switch.MANUAL: "a manual switch",
}
CATEGORIES = {
    "compute": ("control plane", "nodes"),
    "storage": ("volumes", "node disks", "backup", "scheduled backup", "stream backup", "stream archive"),
    "traffic": ("transfer", "load balancer", "NAT", "DNS", "health checks", "public addresses"),
    "services": ("managed", "secrets", "drills"),
    "people": ("people",),
}
OTHER = "other"


@frozen
class ComparedContract:
    """A contract of a strategy. ``chance`` is None, ``verdict`` empty, where nothing is promised."""

    name: str
    rto: Figure
    rto_limit: str
    rpo: Figure
    rpo_limit: str
    messages: Figure
    chance: Figure | None
    confidence: str
    verdict: str


@frozen
class ComparedStrategy:
    """One strategy in the comparison. ``standing``: holds, breaches or excluded; ``rto`` is that of ``served``."""

    number: int
    assessment: Assessment
    recommended: bool
    front: bool
    standing: str
    served: Subject
    rto: Figure | None
    nats_rpo: Figure | None
    chance: Figure | None
    tightest: str
    verdict: str
    downtime: Figure
    monthly: Mapping[str, Figure]
    owning: Figure
    publish_p50: Figure
    publish_p99: Figure
    hours: Figure
    hazards: Mapping[Severity, int]

    @property
    def id(self) -> str:
        return self.assessment.strategy.id

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is excluded, and why it has no price."""
        excluded = self.assessment.excluded
        figures = {"cost": tuple(self.assessment.monthly_usd.values()), "downtime": (self.assessment.downtime_minutes,)}
        without = [
            f"{name} unbounded: {why_unbounded(estimate)}"
            for name, estimates in figures.items()
            for estimate in estimates
            if estimate.unbounded
        ]
        return tuple(dict.fromkeys([f"excluded: {excluded}", *without] if excluded else without))

    @property
    def hazard_order(self) -> int:
        """Worse severities outweigh any number of lesser ones, up to a thousand."""
        return sum(count * 1000 ** (3 - severity.rank) for severity, count in self.hazards.items())

    @property
    def judged(self) -> tuple[ComparedContract, ...]:
        return tuple(judged(outcome) for outcome in self.assessment.outcomes)


@frozen
class BillLine:
    """An item of a bill at each provider, with the numbers of its sources; None where a provider has no such item."""

    name: str
    category: str
    amounts: Mapping[str, tuple[Figure, int] | None]


@define
class NumberedSources:
    """Distinct sources, numbered in the order of their first use."""

    _numbers: dict[str, int] = Factory(dict)

    def number(self, source: str) -> int:
        return self._numbers.setdefault(source, len(self._numbers) + 1)

    def listed(self) -> list[tuple[int, str]]:
        return [(number, source) for source, number in self._numbers.items()]


def provider_of(evaluation: Evaluation) -> str:
    """At whose prices the recommendation is made: those of the region that serves, else the first."""
    known = tuple(evaluation.recommended.bills)
    home = evaluation.system.region.provider
    return home if home in known else known[0]


def rows(evaluation: Evaluation) -> tuple[ComparedStrategy, ...]:
    return tuple(_row(number, a, evaluation) for number, a in enumerate(evaluation.assessments, 1))


def _row(number: int, assessment: Assessment, evaluation: Evaluation) -> ComparedStrategy:
    subject = served_subject(evaluation.system)
    served, streams = map(assessment.outcome, (subject, Subject.NATS))
    tightest = min((o for o in assessment.outcomes if o.probability_met is not None), key=_chance, default=None)
    return ComparedStrategy(
        number=number,
        assessment=assessment,
        recommended=assessment.strategy == evaluation.recommendation.strategy
        and not evaluation.recommendation.withheld,
        front=assessment.strategy in evaluation.pareto,
        standing="excluded" if assessment.excluded else "breaches" if assessment.breached else "holds",
        served=subject,
        rto=figure(served.rto) if served else None,
        nats_rpo=figure(streams.rpo) if streams else None,
        chance=None if tightest is None else chance(tightest),
        tightest="" if tightest is None else tightest.contract.name,
        verdict=_verdict(assessment),
        downtime=figure(assessment.downtime_minutes, mean=True),
        monthly={provider: figure(cost) for provider, cost in assessment.provider_usd.items()},
        owning=figure(assessment.owning_usd),
        publish_p50=figure(assessment.latency.publish_p50_ms),
        publish_p99=figure(assessment.latency.publish_p99_ms),
        hours=figure(assessment.complexity.hours_per_month),
        hazards=open_hazards(assessment.hazards),
    )


def _chance(outcome: ContractOutcome) -> float:
    return outcome.probability_met or 0.0


def chance(outcome: ContractOutcome) -> Figure:
    """That the contract holds when its fault comes."""
    share = _chance(outcome)
    return made_of(percent(share), "the share of draws in which both limits hold", share, outcome.rto, outcome.rpo)


def _verdict(assessment: Assessment) -> str:
    """Of all contracts together: breached as soon as one is, met only when every one is."""
    verdicts = {outcome.verdict for outcome in assessment.outcomes if outcome.promised}
    order = (Verdict.BREACHED, Verdict.UNPROVEN, Verdict.MET)
    return next((str(verdict) for verdict in order if verdict in verdicts), "")


def open_hazards(hazards: Iterable[Hazard]) -> Mapping[Severity, int]:
    counts = Counter(hazard.severity for hazard in hazards if not hazard.waived)
    return {severity: counts[severity] for severity in Severity}


def judged(outcome: ContractOutcome) -> ComparedContract:
    contract = outcome.contract
    return ComparedContract(
        name=contract.name,
        rto=figure(outcome.rto),
        rto_limit=_limit(contract.rto_s),
        rpo=figure(outcome.rpo),
        rpo_limit=_limit(contract.rpo_s),
        messages=figure(outcome.messages_at_risk),
        chance=None if outcome.probability_met is None else chance(outcome),
        confidence=percent(contract.confidence) if outcome.promised else "",
        verdict=str(outcome.verdict or ""),
    )


def _limit(limit_s: float | None) -> str:
    return "" if limit_s is None else duration(limit_s)


def answer(evaluation: Evaluation, provider: str) -> str:
    """The recommendation in one sentence."""
    chosen = evaluation.recommended
    if evaluation.recommendation.withheld:
        return f"No strategy is recommended: {evaluation.recommendation.withheld}."
    return f"{described(chosen.strategy)}: {_when_lost(evaluation)}, for {_monthly(chosen, provider)} a month."


def answered(evaluation: Evaluation, provider: str) -> tuple[Estimate, ...]:
    """What the sentence rests on."""
    chosen, subjects = evaluation.recommended, (Subject.API, Subject.NATS)[not has_api(evaluation.system) :]
    outcomes = (outcome for subject in subjects if (outcome := chosen.outcome(subject)))
    return (
        chosen.provider_usd[provider],
        chosen.people_hours,
        *(one for outcome in outcomes for one in (outcome.rto, outcome.rpo)),
        *([stores] if (stores := _stores_lose_more(evaluation, chosen.outcome(Subject.NATS))) else []),
    )


def waiting(procedure: Procedure, step: Step, contracts: Sequence[Contract]) -> Figure | None:
    """The step's time limit, or when to escalate it; None where there is neither."""
    if step.blocked:
        return None
    wait = patience(procedure, step, contracts)
    if wait.limit_s is not None:
        return made_of(duration(wait.limit_s), LIMITS, wait.limit_s, step.duration)
    if wait.escalate_s is None:
        return None
    if wait.escalate_s <= 0:
        return made_of("escalate at once", ESCALATION, wait.escalate_s, step.duration)
    return made_of(f"escalate after {duration(wait.escalate_s)}", ESCALATION, wait.escalate_s, step.duration)


def described(strategy: Strategy) -> str:
    first = _PATTERNS[strategy.pattern]
    if strategy.link is Link.NONE:
        return first
    return f"{first}, with {_LINKS[strategy.link]} and {_SWITCHES[strategy.switch]}"


def _when_lost(evaluation: Evaluation) -> str:
    api, streams = map(evaluation.recommended.outcome, (Subject.API, Subject.NATS))
    what, first = ("the API", api) if has_api(evaluation.system) else ("writing", streams)
    if first is None or first.rto.unbounded:
        back = f"no step restores {what}"
    else:
        late = duration(first.rto.quantile(0.95))
        back = f"{what} is expected back in {duration(first.rto.quantile(0.5))} (19 times in 20 within  {late})"
    return f"if {evaluation.system.region.name} is lost, {back} and {_lost(evaluation, streams)}"


def _lost(evaluation: Evaluation, streams: ContractOutcome | None) -> str:
    """Of the streams, and of the stores where they lose more: who reads this sentence alone takes it for all data."""
    stores = _stores_lose_more(evaluation, streams)
    what = "message" if stores else "write"
    if streams is None:
        lost = "the loss of the streams is not judged"
    elif streams.rpo.unbounded:
        lost = "no copy of the streams survives"
    elif streams.rpo.quantile(0.95) == 0:
        lost = f"no acknowledged {what} is lost"
    else:
        lost = f"the last {duration(streams.rpo.quantile(0.5))} of acknowledged {what}s are lost"
    if stores is None:
        return lost
    names = " and ".join(store.name for store in evaluation.system.stores if store.loss is Loss.DATA)
    if stores.unbounded:
        return f"{lost}, and no copy of {names} survives"
    return f"{lost}, and up to {duration(stores.quantile(0.5))} of writes to {names}"


def _stores_lose_more(evaluation: Evaluation, streams: ContractOutcome | None) -> Estimate | None:
    """What stores with data lose, unless the streams lose as much."""
    state = evaluation.recommended.outcome(Subject.STATE)
    if state is None or not any(store.loss is Loss.DATA for store in evaluation.system.stores):
        return None
    if state.rpo.unbounded:
        return state.rpo
    if streams is None or streams.rpo.unbounded:
        return None
    return state.rpo if state.rpo.quantile(0.5) > streams.rpo.quantile(0.5) else None


def _monthly(assessment: Assessment, provider: str) -> str:
    hours = number(assessment.people_hours.mean)
    return f"{dollars(assessment.provider_usd[provider].mean)} to {provider} and {hours} hours of people's time"


def regional(assessment: Assessment) -> tuple[ComparedContract, ...]:
    """The contracts for the loss of the region, promised or not."""
    return tuple(judged(o) for o in assessment.outcomes if o.contract.fault is Fault.REGION)


def other_blockers(evaluation: Evaluation) -> tuple[str, ...]:
    """Those that are not already told with what the strategy needs first."""
    needs = evaluation.recommended.deployment.requirements
    return tuple(
        text for text in evaluation.recommendation.blockers if not any(text.startswith(f"{n.what}:") for n in needs)
    )


def bill_lines(assessment: Assessment, sources: NumberedSources) -> tuple[BillLine, ...]:
    """Items of all providers side by side, with numbered sources."""
    return tuple(
        BillLine(
            name=name,
            category=category(name),
            amounts={
                provider: (figure(by[provider].monthly_usd), sources.number(by[provider].source))
                if provider in by
                else None
                for provider in assessment.bills
            },
        )
        for name, by in side_by_side(assessment)
    )


def side_by_side(assessment: Assessment) -> list[tuple[str, Mapping[str, CostItem]]]:
    """Items by provider. Regions differ by provider, so items meet by their position within a name."""
    by_line: dict[tuple[str, int], dict[str, CostItem]] = {}
    for provider, items in assessment.bills.items():
        counts: Counter[str] = Counter()
        for item in items:
            by_line.setdefault((item.name, counts[item.name]), {})[provider] = item
            counts[item.name] += 1
    return [(name, by) for (name, _), by in by_line.items()]


def category(item: str) -> str:
    """A category, or `OTHER` for an item whose name none of them knows."""
    return next((name for name, heads in CATEGORIES.items() if item.startswith(heads)), OTHER)


def by_category(items: Sequence[CostItem]) -> Mapping[str, float]:
    """USD a month; every category, in a fixed order."""
    spent = dict.fromkeys((*CATEGORIES, OTHER), 0.0)
    for item in items:
        spent[category(item.name)] += item.monthly_usd.mean
    return spent


def spent_on(compared: Sequence[ComparedStrategy], provider: str) -> tuple[str, ...]:
    """The categories that any strategy spends on."""
    spent = [by_category(row.assessment.bills[provider]) for row in compared]
    return tuple(name for name in (*CATEGORIES, OTHER) if any(parts[name] for parts in spent))


def best(compared: tuple[ComparedStrategy, ...]) -> ComparedStrategy:
    """As the recommendation is made: what excludes, then breached contracts, then the cost of owning."""
    return min(compared, key=lambda row: (*_fit(row.assessment), not row.recommended, row.assessment.owning_usd.mean))


def _fit(assessment: Assessment) -> tuple[bool, int]:
    return bool(assessment.excluded), len(assessment.breached)
