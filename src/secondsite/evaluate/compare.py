"""Strategies side by side: the one entry point of the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.own import beside
from secondsite.evaluate import recommend
from secondsite.evaluate.assess import PROVIDERS, WRITE_OFF_YEARS, Assessor, Auditor, Planned, plan, shared
from secondsite.evaluate.axes import axes_of
from secondsite.evaluate.evaluation import Assessment, Evaluation, Recommendation
from secondsite.evaluate.known import require, unseen_streams
from secondsite.evaluate.memory import collected_rarely
from secondsite.evaluate.migration import migration
from secondsite.evaluate.parallel import ParallelMap, here
from secondsite.evaluate.pareto import pareto
from secondsite.evaluate.reasons import reasons
from secondsite.evaluate.saving import Saving, saving
from secondsite.evaluate.sensitivity import sensitivity
from secondsite.evaluate.slim import Slimmer
from secondsite.evaluate.store_choices import store_choices
from secondsite.evaluate.study import LOST_WRITE, Assumption, StudyCandidate, StudySetting
from secondsite.evaluate.tornado import tornado
from secondsite.evaluate.years import Exposure, downtime
from secondsite.model.contract import Contract
from secondsite.model.fault import Fault
from secondsite.model.procedure import Step
from secondsite.model.strategy import TODAY, Link, Pattern, Strategy, Switch
from secondsite.model.system import System
from secondsite.strategies.links.mirror_and_backup import differs
from secondsite.strategies.registry import BASELINE, IN_THREE_REGIONS, MIXED, STRATEGIES, today
from secondsite.strategies.sizing import retention_s

YEARS = 200_000


@collected_rarely()
def compare(
    system: System,
    catalogue: Catalogue,
    auditor: Auditor,
    *,
    seed: int = 1,
    years: int = YEARS,
    strategies: Sequence[Strategy] = (),
    parallel_map: ParallelMap = here,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Same inputs and seed, same figures. No ``strategies``: all that suit the system. ``progress`` is told how many
    years more are done."""
    catalogue = beside(catalogue, system.premises)
    require(system, catalogue)
    steps: dict[Step, Step] = {}
    plans = [
        shared(plan(strategy, system, catalogue), steps)
        for strategy in strategies or suiting(system, mixed=_mixed(system, catalogue))
    ]
    assessor = Assessor(system, catalogue, seed, auditor)
    slim = Slimmer()
    exposures = [Exposure(slim.procedures(p.procedures), len(p.deployment.serving)) for p in plans]
    outages = downtime(exposures, assessor.model, years, seed, progress, parallel_map)
    assessments = tuple(assessor.assess(p, d) for p, d in zip(plans, outages, strict=True))
    provider = system.region.provider if system.region.provider in PROVIDERS else PROVIDERS[0]
    return Evaluation(
        system=system,
        seed=seed,
        years=years,
        assessments=assessments,
        pareto=pareto(assessments, provider),
        recommendation=_recommendation(assessor, plans, assessments, provider, parallel_map),
    )


def suiting(system: System, *, mixed: bool = False) -> tuple[Strategy, ...]:
    """Links carry streams: without NATS, strategies that differ in their link only are one and the same. ``mixed``:
    those that have a link for each stream, too. A vote in a third region needs one."""
    bare = (Link.NONE, Link.BACKUP, Link.SOURCED)
    known = [today(system), *(strategy for strategy in STRATEGIES if strategy != BASELINE)]
    if mixed:
        after = known.index(Strategy(Pattern.WARM_STANDBY, Link.LEAFNODE_MIRROR, Switch.FAILOVER_RECORD)) + 1
        known[after:after] = MIXED
    placed = [strategy for strategy in known if system.third or strategy.link not in IN_THREE_REGIONS]
    return tuple(strategy for strategy in placed if system.nats or strategy.link in bare)


def _mixed(system: System, catalogue: Catalogue) -> bool:
    return differs(system, catalogue.figures["backup.streams.interval"].mean)


def evaluate_many(
    systems: Sequence[System],
    catalogue: Catalogue,
    auditor: Auditor,
    *,
    seed: int = 1,
    years: int = YEARS,
    strategies: Sequence[Strategy] = (),
    parallel_map: ParallelMap = here,
) -> tuple[Evaluation, ...]:
    """Each system compared on its own, wherever ``parallel_map`` takes it; the auditor has to be a plain function."""
    options = _Options(catalogue, auditor, seed, years, tuple(strategies))
    return tuple(parallel_map(_compared, options, systems))


@frozen
class _Options:
    catalogue: Catalogue
    auditor: Auditor
    seed: int
    years: int
    strategies: tuple[Strategy, ...]


def _compared(options: _Options, system: System) -> Evaluation:
    return compare(
        system,
        options.catalogue,
        options.auditor,
        seed=options.seed,
        years=options.years,
        strategies=options.strategies,
    )


def _recommendation(
    assessor: Assessor,
    plans: Sequence[Planned],
    assessments: Sequence[Assessment],
    provider: str,
    parallel_map: ParallelMap,
) -> Recommendation:
    chosen = recommend.choose(assessments, provider)
    setting = study_setting(assessor, assessments, provider)
    axes = axes_of(plans, assessor.catalogue, assessor.system, chosen.bills[provider])
    doubt = sensitivity(setting, axes, assessments.index(chosen), parallel_map)
    return Recommendation(
        strategy=chosen.strategy,
        reasons=reasons(chosen, assessments, provider, _saving(assessor, plans, assessments, chosen, axes)),
        stability=doubt.stability,
        stability_low=doubt.low,
        stability_high=doubt.high,
        pattern_stability=doubt.pattern_stability,
        runners_up=doubt.runners_up,
        breached=doubt.breached,
        regret_usd=doubt.regret_usd,
        by_provider=recommend.by_provider(assessments),
        influences=doubt.influences,
        flips=doubt.flips,
        tornado=tornado(setting, axes, assessments.index(chosen), parallel_map),
        follow_ups=recommend.follow_ups(chosen, assessments, assessor.system, provider),
        blockers=recommend.blockers(chosen, assessor.system),
        migration=migration(assessments, chosen, provider),
        stores=store_choices(chosen.deployment, assessor.catalogue, assessor.draws(Fault.REGION), provider),
        withheld=unseen_streams(assessor.system),
    )


def _saving(
    assessor: Assessor,
    plans: Sequence[Planned],
    assessments: Sequence[Assessment],
    chosen: Assessment,
    axes: Sequence[Assumption],
) -> Saving | None:
    """Against today, where that is among what was compared."""
    now = assessments[0]
    if chosen is now or now.strategy.pattern not in TODAY:
        return None
    price = assessor.system.economics.lost_message_usd
    before, after = (assessor.lost_writes_by_fault(plans[assessments.index(one)]) for one in (now, chosen))
    return saving(
        now.expected_loss_usd.mean - chosen.expected_loss_usd.mean,
        {fault: (before[fault] * price, after.get(fault, 0.0) * price) for fault in before},
        {axis.name: (axis.low, axis.high) for axis in axes},
        LOST_WRITE,
    )


def study_setting(assessor: Assessor, assessments: Sequence[Assessment], provider: str) -> StudySetting:
    """The study's view of what was assessed."""
    ranks = recommend.preference(assessments)
    contracts = tuple(c for c in assessor.system.contracts if c.rto_s is not None or c.rpo_s is not None)
    slim = Slimmer({contract.part for contract in contracts if contract.part})
    return StudySetting(
        candidates=tuple(_candidate(assessor, contracts, a, provider, ranks[a.strategy], slim) for a in assessments),
        model=assessor.model,
        buffer=assessor.buffer,
        contracts=contracts,
        economics=assessor.system.economics,
        rate_per_s=assessor.system.load.mean_per_s,
        kept_s=retention_s(assessor.system, assessor.catalogue.figures),
        write_off_years=WRITE_OFF_YEARS,
        seed=assessor.seed,
    )


def _candidate(
    assessor: Assessor,
    contracts: Sequence[Contract],
    assessment: Assessment,
    provider: str,
    preference: int,
    slim: Slimmer,
) -> StudyCandidate:
    bill = assessment.bills[provider]
    planned = Planned(assessment.deployment, assessment.procedures)
    return StudyCandidate(
        by_part={c.name: slim.procedures(assessor.own_procedures(planned, c)) for c in contracts if c.part},
        deployment=slim.deployment(assessment.deployment),
        procedures=slim.procedures(assessment.procedures),
        infrastructure_usd=sum(item.monthly_usd.mean for item in bill if not item.for_people),
        upkeep_hours=sum(item.hours.mean for item in bill if item.for_people),
        work_hours=sum(need.hours.mean for need in assessment.deployment.requirements),
        excluded=bool(assessment.excluded),
        preference=preference,
    )
