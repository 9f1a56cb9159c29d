"""What an evaluation found: every strategy with its figures, the Pareto front, and one recommendation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from attrs import field, frozen

from secondsite.evaluate.bill import CostItem
from secondsite.evaluate.complexity import Complexity
from secondsite.evaluate.cost import machines_usd
from secondsite.evaluate.derive import total
from secondsite.evaluate.latency import LatencyFigures
from secondsite.evaluate.store_choices import StoreChoice
from secondsite.model.contract import Contract, Verdict
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.hazard import Hazard
from secondsite.model.operate import Writers
from secondsite.model.procedure import Procedure
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.wording import number, quantity


@frozen
class ContractOutcome:
    """``probability_met`` is that both limits hold when the fault comes; None where nothing is promised, and where
    nobody can know: ``unknown`` says why.
    """

    contract: Contract
    rto: Estimate
    rpo: Estimate
    messages_at_risk: Estimate
    probability_met: float | None
    verdict: Verdict | None
    unknown: str = ""

    @property
    def promised(self) -> bool:
        return self.verdict is not None


@frozen
class PolicyFigures:
    """What the other policy of writers would mean: how long NATS takes no writes where the region is lost, and where
    the regions are cut off from each other; how long both took writes as one was promoted over a cut, in a drill."""

    policy: Writers
    in_force: bool
    lost: Estimate
    cut_off: Estimate
    both_sides: Estimate


@frozen
class Assessment:
    """One strategy, assessed. ``excluded`` says which contract cannot hold, and why; empty where all can.

    ``owning_usd`` a year: infrastructure and people, requirements spread over three years, expected loss.
    ``unprepared`` says what fails where the strategy's requirements are skipped. ``away_usd``: what the home
    provider is paid a month while the first region is away; ``away_hours`` a year.
    """

    deployment: Deployment
    procedures: Mapping[Fault, Procedure]
    failback: Procedure | None
    outcomes: tuple[ContractOutcome, ...]
    availability: Estimate
    downtime_minutes: Estimate
    bills: Mapping[str, tuple[CostItem, ...]]
    monthly_usd: Mapping[str, Estimate]
    expected_loss_usd: Estimate
    owning_usd: Estimate
    latency: LatencyFigures
    complexity: Complexity
    hazards: tuple[Hazard, ...]
    excluded: str
    unprepared: str
    policies: tuple[PolicyFigures, ...] = ()
    away_usd: Mapping[str, Estimate] = field(factory=dict)
    away_hours: Estimate | None = None

    @property
    def strategy(self) -> Strategy:
        return self.deployment.strategy

    @cached_property
    def provider_usd(self) -> Mapping[str, Estimate]:
        """What each provider is paid a month; people's hours are no part of it."""
        return {provider: machines_usd(items) for provider, items in self.bills.items()}

    @cached_property
    def people_hours(self) -> Estimate:
        """Hours a month that people spend on it."""
        items = next(iter(self.bills.values()), ())
        return total("people's time", "h/month", [item.hours for item in items if item.for_people])

    @property
    def breached(self) -> tuple[ContractOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.verdict is Verdict.BREACHED)

    def outcome(self, subject: str, fault: Fault = Fault.REGION) -> ContractOutcome | None:
        return next((o for o in self.outcomes if o.contract.about == subject and o.contract.fault is fault), None)

    def figures(self) -> Iterator[tuple[str, Estimate]]:
        """Every figure by its name in ``--explain``, without the strategy."""
        for outcome in self.outcomes:
            yield f"{outcome.contract.name}/rto", outcome.rto
            yield f"{outcome.contract.name}/rpo", outcome.rpo
            yield f"{outcome.contract.name}/messages", outcome.messages_at_risk
        for each in self.policies:
            yield f"writers/{each.policy}/region", each.lost
            yield f"writers/{each.policy}/wan-partition", each.cut_off
            yield f"writers/{each.policy}/both-sides", each.both_sides
        yield "availability", self.availability
        yield "downtime", self.downtime_minutes
        yield "loss", self.expected_loss_usd
        yield "owning", self.owning_usd
        yield "hours", self.complexity.hours_per_month
        for name in ("user_p50_ms", "user_p99_ms", "user_after_p50_ms", "publish_p50_ms", "publish_p99_ms"):
            yield f"latency/{name.removesuffix('_ms').replace('_', '-')}", getattr(self.latency, name)
        for name in ("commit_p50_ms", "commit_p99_ms"):
            if (commit := getattr(self.latency, name)) is not None:
                yield f"latency/{name.removesuffix('_ms').replace('_', '-')}", commit
        for provider, items in self.bills.items():
            yield f"cost/{provider}", self.monthly_usd[provider]
            if provider in self.away_usd:
                yield f"cost/{provider}/failed-over", self.away_usd[provider]
            for item in items:
                yield f"cost/{provider}/{item.name}", item.monthly_usd


@frozen
class Influence:
    """How much of the doubt about the decision comes from one assumption: its Sobol total effect as a share of all."""

    name: str
    index: float
    source: str
    settle: str


@frozen
class RunnerUp:
    """What is recommended instead in a share of the draws."""

    strategy: Strategy
    share: float


@frozen
class Flip:
    """Where an assumption, moved alone, changes the recommendation."""

    name: str
    unit: str
    today: float
    threshold: float
    to: Strategy

    def __str__(self) -> str:
        side = "above" if self.threshold > self.today else "below"
        if self.unit.startswith("×"):
            return f"with {self.name} {side} {number(self.threshold)} times its assumed value: {self.to}"
        threshold, today = quantity(self.threshold, self.unit), quantity(self.today, self.unit)
        if threshold == today and self.unit.startswith("USD"):
            threshold, today = f"${self.threshold:.3g}", f"${self.today:.3g}"
        return f"if {self.name} is {side} {threshold} (assumed: {today}): {self.to}"


@frozen
class Swing:
    """An assumption moved alone from ``low`` to ``high``: what owning the recommendation then costs, USD a year.

    ``low_to`` and ``high_to`` are what would be recommended there.
    """

    name: str
    unit: str
    today: float
    low: float
    high: float
    low_usd: float
    high_usd: float
    low_to: Strategy
    high_to: Strategy
    source: str
    settle: str

    @property
    def width_usd(self) -> float:
        return abs(self.high_usd - self.low_usd) if self.high_usd != self.low_usd else 0.0


@frozen
class Tornado:
    """``owning_usd`` with every assumption as taken; swings from the widest to the narrowest."""

    owning_usd: float
    swings: tuple[Swing, ...]


@frozen
class FollowUp:
    """A track that opens where its condition holds."""

    track: str
    condition: str
    holds: bool
    what: str


@frozen
class MigrationStep:
    """One step of the way from today's system to the recommendation (or beyond it).

    ``machines_usd`` is what the provider is paid a month then, ``added_new_usd`` how much more that is,
    ``added_people_usd`` what people's hours come to; ``added_usd`` is both.
    """

    name: str
    strategy: Strategy
    monthly_usd: Estimate
    machines_usd: Estimate
    added_usd: Estimate
    added_new_usd: Estimate
    added_people_usd: Estimate
    hours: Estimate
    requirements: tuple[str, ...]
    gains: tuple[str, ...]
    beyond: bool


@frozen
class Recommendation:
    """``stability``: the share of draws of all assumptions from their ranges that lead to the same strategy;
    ``pattern_stability`` that lead to the same pattern, over whichever link; ``stability_low`` and ``stability_high``
    its 95 % interval. ``breached``: the share of draws in which it breaches a contract. ``regret_usd`` a year: what
    it costs more than the choice of each draw, on the average. ``withheld``: why nothing is recommended; ``strategy``
    then is what the figures of what is known would lead to.
    """

    strategy: Strategy
    reasons: tuple[str, ...]
    stability: float
    stability_low: float
    stability_high: float
    pattern_stability: float
    runners_up: tuple[RunnerUp, ...]
    breached: float
    regret_usd: float
    by_provider: Mapping[str, Strategy]
    influences: tuple[Influence, ...]
    flips: tuple[Flip, ...]
    tornado: Tornado
    follow_ups: tuple[FollowUp, ...]
    blockers: tuple[str, ...]
    migration: tuple[MigrationStep, ...]
    stores: tuple[StoreChoice, ...] = ()
    withheld: str = ""


@frozen
class Evaluation:
    system: System
    seed: int
    years: int
    assessments: tuple[Assessment, ...]
    pareto: tuple[Strategy, ...]
    recommendation: Recommendation

    def of(self, strategy: Strategy) -> Assessment:
        return next(a for a in self.assessments if a.strategy == strategy)

    @property
    def recommended(self) -> Assessment:
        return self.of(self.recommendation.strategy)

    @property
    def announced(self) -> str:
        """What the choice is called: where all are excluded it is the nearest there is, and recommended to nobody."""
        return "Nearest, but excluded" if self.recommended.excluded else "Recommended"
