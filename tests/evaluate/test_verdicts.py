"""From samples to a verdict, and from verdicts to one recommendation; fast, as mutants are run against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.figures import Figures
from secondsite.evaluate import recommend
from secondsite.evaluate.assess import Assessor, Auditor, Planned, plan
from secondsite.evaluate.bill import CostItem
from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.complexity import Complexity
from secondsite.evaluate.derive import product
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.evaluation import Assessment, ContractOutcome, Flip
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.holding import Judge
from secondsite.evaluate.latency import LatencyFigures
from secondsite.evaluate.pareto import pareto
from secondsite.evaluate.reasons import reasons
from secondsite.evaluate.saving import saving
from secondsite.evaluate.study import LOST_WRITE
from secondsite.evaluate.years import YEAR_S, YearlyDowntime
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.deployment import Deployment, Requirement, Site, SiteRole
from secondsite.model.economics import Economics
from secondsite.model.estimate import Estimate, Fixed, Provenance, Quantiles, fixed, unbounded
from secondsite.model.fault import Fault
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.place import Place
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.region import Region
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import Seconds

WARM = Strategy.parse("warm-standby/leafnode-mirror")
BASELINE = Strategy.parse("single-region/none/manual")
API = Contract(Subject.API, Fault.REGION, Seconds(300), Seconds(60), 0.9)


# --- whether a contract holds -----------------------------------------------------------------------------------


def _recovering(seconds: float) -> Mapping[Fault, Procedure]:
    step = Step("s", Verb.WAIT, "t", "c", fixed("s", seconds, "s", "test"), 1.0)
    milestones = dict.fromkeys(Subject, "s")
    return {Fault.REGION: Procedure("p", Fault.REGION, (step,), milestones)}


@pytest.fixture
def buffer(catalogue: Catalogue) -> Buffer:
    return Buffer(catalogue.figures.by_name)


@pytest.fixture
def judge(catalogue: Catalogue) -> Judge:
    return Judge(FaultModel(catalogue.figures, "aws"), Buffer(catalogue.figures.by_name))


@pytest.mark.parametrize(
    ("rto", "rpo", "takes", "expected"),
    [
        (300, None, 300.0, True),
        (300, None, 300.1, False),
        (0, None, 0.0, True),
        (0, None, 0.1, False),
        (None, 0, 9999.0, True),
        (300, 0, 299.0, True),
        (300, 0, 301.0, False),
    ],
)
def test_limits_are_kept_up_to_the_limit(
    rto: float | None,
    rpo: float | None,
    takes: float,
    expected: bool,
    judge: Judge,
    single_region: Callable[..., Deployment],
) -> None:
    """Observability has no RPO to lose: only the clock counts."""
    contract = Contract(
        Subject.OBSERVABILITY,
        Fault.REGION,
        None if rto is None else Seconds(rto),
        None if rpo is None else Seconds(rpo),
    )
    assert judge.probability(contract, single_region(), _recovering(takes), Draws(1, "x", 4)) == [expected]


def test_no_copy_no_rpo_even_where_the_clock_holds(judge: Judge, single_region: Callable[..., Deployment]) -> None:
    contract = Contract(Subject.NATS, Fault.REGION, Seconds(300), Seconds(1e9))
    assert judge.probability(contract, single_region(), _recovering(1.0), Draws(1, "x", 4)) == [0.0]


# --- an assessment ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def assessor(system: System, catalogue: Catalogue, auditor: Auditor) -> Assessor:
    return Assessor(system, catalogue, 1, auditor)


@pytest.fixture(scope="module")
def planned(system: System, catalogue: Catalogue) -> Planned:
    return plan(WARM, system, catalogue)


def _years(*yearly_s: float) -> YearlyDowntime:
    found = YearlyDowntime()
    found.add(np.array(yearly_s))
    return found


@pytest.fixture(scope="module")
def assessed(assessor: Assessor, planned: Planned) -> Assessment:
    return assessor.assess(planned, _years(*[600.0] * 90, *[3600.0] * 10))


def test_verdicts_are_never_met_by_an_estimate(assessed: Assessment) -> None:
    for outcome in assessed.outcomes:
        assert outcome.verdict is not Verdict.MET
        if outcome.probability_met is None:
            assert outcome.verdict is None
        else:
            holds = outcome.probability_met >= outcome.contract.confidence
            assert outcome.verdict is (Verdict.UNPROVEN if holds else Verdict.BREACHED)


def test_a_verdict_turns_where_the_probability_crosses_the_confidence(assessor: Assessor, planned: Planned) -> None:
    probability = assessor._outcome(planned, API).probability_met
    assert probability is not None
    assert 0 < probability < 1
    for confidence, verdict in ((probability, Verdict.UNPROVEN), (probability + 1e-9, Verdict.BREACHED)):
        assert assessor._outcome(planned, evolve(API, confidence=confidence)).verdict is verdict


def test_the_loss_of_the_region_is_shown_where_nothing_is_promised(
    system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    quiet = evolve(system, contracts=(Contract(Subject.NATS, Fault.REGION),))
    found = Assessor(quiet, catalogue, 1, auditor).assess(plan(WARM, quiet, catalogue), _years(1.0))
    assert [outcome.contract.name for outcome in found.outcomes] == ["nats/region", "api/region", "state/region"]
    assert not any(outcome.promised for outcome in found.outcomes)
    assert (found.excluded, found.breached) == ("", ())


def test_downtime_and_availability_are_two_sides(assessed: Assessment) -> None:
    mean = (90 * 600 + 10 * 3600) / 100
    assert assessed.downtime_minutes.mean == pytest.approx(mean / 60)
    assert assessed.downtime_minutes.quantile(0.5) == pytest.approx(10, rel=0.01)
    assert assessed.downtime_minutes.quantile(0.95) == pytest.approx(60, rel=0.01)
    assert assessed.availability.mean == pytest.approx(1 - mean / YEAR_S)
    assert assessed.availability.quantile(0.05) == pytest.approx(1 - 3600 / YEAR_S, rel=1e-6)
    assert assessed.availability.quantile(0.95) == pytest.approx(1 - 600 / YEAR_S, rel=1e-6)


def test_owning_adds_up(assessed: Assessment) -> None:
    """Twelve bills, a third of the work at the engineers' wage, and what is expected to be lost."""
    work = sum(need.hours.mean for need in assessed.deployment.requirements)
    expected = 12 * assessed.monthly_usd["aws"].mean + work * 100 / 3 + assessed.expected_loss_usd.mean
    assert assessed.owning_usd.mean == pytest.approx(expected)


def test_expected_loss_prices_hours_and_writes(assessed: Assessment, assessor: Assessor, planned: Planned) -> None:
    hours = (90 * 600 + 10 * 3600) / 100 / 3600
    economics = assessor.system.economics
    writes = assessor.lost_writes(planned)
    assert writes > 0
    expected = hours * economics.outage_usd_per_hour + writes * economics.lost_message_usd
    assert assessed.expected_loss_usd.mean == pytest.approx(expected)


def test_lost_writes_are_rates_times_losses(assessor: Assessor, catalogue: Catalogue, system: System) -> None:
    """With no backup at all every destroying fault takes everything kept; others take nothing but the buffer. What the
    API took and the databases hold is one business event, and lost once."""
    naked = evolve(system, backups=(), services=tuple(evolve(s, ack_buffer=None) for s in system.services))
    found = Assessor(naked, catalogue, 1, assessor.auditor).lost_writes(plan(BASELINE, naked, catalogue))
    rows, kept = catalogue.figures, 168 * 3600.0
    assert naked.region.name == "us-east-1"
    lost, gray = rows["fault.region.rate-us-east-1"].mean, rows["fault.gray.rate"].mean
    regional = lost + rows["fault.geography.rate"].mean + gray
    mistakes = rows["fault.deletion.rate"].mean + rows["fault.bad-write.rate"].mean
    seconds = kept * (regional * rows["share.destroyed"].mean + mistakes)
    assert found == pytest.approx(seconds * naked.load.mean_per_s)


def test_two_serving_sites_share_what_is_lost(assessor: Assessor, catalogue: Catalogue, system: System) -> None:
    """Each loses half of the writes: twice the region losses at half, once the operators' mistakes at half."""
    naked = evolve(system, services=tuple(evolve(s, ack_buffer=None) for s in system.services))
    both = plan(Strategy.parse(ACTIVE), naked, catalogue)
    uncopied = evolve(both, deployment=evolve(both.deployment, copies=()))
    found = Assessor(naked, catalogue, 1, assessor.auditor).lost_writes(uncopied)
    rows, kept = catalogue.figures, 168 * 3600.0
    lost = (rows["fault.region.rate-us-east-1"].mean + rows["fault.region.rate"].mean) / 2
    regional = 2 * (lost + rows["fault.geography.rate"].mean + rows["fault.gray.rate"].mean)
    mistakes = rows["fault.deletion.rate"].mean + rows["fault.bad-write.rate"].mean
    seconds = kept * (regional * rows["share.destroyed"].mean + mistakes) / 2
    assert found == pytest.approx(seconds * naked.load.mean_per_s)


def test_a_buffer_loses_writes_with_every_process(assessor: Assessor, catalogue: Catalogue, system: System) -> None:
    def lost(rate: float) -> float:
        rows = catalogue.figures
        row = evolve(rows["fault.process.rate"], distribution=Fixed(rate))
        table = evolve(catalogue, figures=Figures({**rows.by_name, row.name: row}))
        return Assessor(system, table, 1, assessor.auditor).lost_writes(plan(BASELINE, system, table))

    each = catalogue.figures["buffer.share"].mean * catalogue.figures["onset.duration"].mean
    (pods,) = [service.replicas for service in system.services if service.ack_buffer]
    assert pods == 2
    # One pod dies, and its share of the writes: the other pod keeps what it holds.
    assert lost(12.0) - lost(0.0) == pytest.approx(12 * each * system.load.mean_per_s / pods, rel=0.1)


def test_one_pod_of_many_loses_its_own_buffer_only(buffer: Buffer, system: System, catalogue: Catalogue) -> None:
    deployment = plan(BASELINE, system, catalogue).deployment
    assert buffer.share(Fault.PROCESS, deployment) == buffer.share(Fault.NODE, deployment) == 0.5
    assert buffer.share(Fault.REGION, deployment) == buffer.share(Fault.ZONE, deployment) == 1
    bare = tuple(evolve(service, ack_buffer=None) for service in system.services)
    assert buffer.share(Fault.PROCESS, evolve(deployment, system=evolve(system, services=bare))) == 1
    process = Contract(Subject.API, Fault.PROCESS, Seconds(60), Seconds(60))
    promised = evolve(system, contracts=(process,))
    found = Assessor(promised, catalogue, 1, lambda *_: ()).assess(plan(BASELINE, promised, catalogue), _years(1.0))
    outcome = found.outcome("api", Fault.PROCESS)
    assert outcome
    assert outcome.messages_at_risk.mean == pytest.approx(outcome.rpo.mean * system.load.mean_per_s / 2)


def test_hazards_are_looked_for_in_the_way_back_too(assessor: Assessor, catalogue: Catalogue) -> None:
    seen: list[tuple[Procedure, ...]] = []

    def listening(_: System, __: Deployment, procedures: tuple[Procedure, ...]) -> tuple[Hazard, ...]:
        seen.append(procedures)
        return ()

    auditing = Assessor(assessor.system, catalogue, 1, listening)
    for strategy in (WARM, BASELINE):
        auditing.assess(plan(strategy, assessor.system, catalogue), _years(1.0))
    assert [any(p.name.startswith("failback") for p in procedures) for procedures in seen] == [True, False]
    assert [len(procedures) for procedures in seen] == [len(Fault) + 1, len(Fault)]


def test_messages_at_risk_are_rpo_times_rate_and_at_most_all(assessed: Assessment, assessor: Assessor) -> None:
    outcome = assessed.outcome("nats")
    assert outcome
    rate = assessor.system.load.mean_per_s
    assert outcome.messages_at_risk.mean == pytest.approx(outcome.rpo.mean * rate)
    assert outcome.messages_at_risk.quantile(0.95) == pytest.approx(outcome.rpo.quantile(0.95) * rate)
    everything = 168 * 3600 * rate
    endlessly = assessor._messages(unbounded("RPO of nats", "s", "none"))
    assert (endlessly.name, endlessly.mean) == ("messages at risk of nats", everything)
    assert endlessly.source == "everything kept: 7 d at 40/s"
    endless = Estimate("RPO", "s", Quantiles(1, 2, 1e9, 1e9), Provenance.DERIVED, "test")
    assert assessor._messages(endless).quantile(0.95) == everything
    assert assessor._messages(endless).mean == everything


def test_skipped_requirements_are_told(assessed: Assessment, assessor: Assessor, catalogue: Catalogue) -> None:
    assert "400/10055" in assessed.unprepared
    baseline = assessor.assess(plan(BASELINE, assessor.system, catalogue), _years(1.0))
    assert baseline.unprepared == ""
    assert baseline.failback is None
    assert assessed.failback is not None


def test_an_unbounded_promise_excludes_and_says_which(assessor: Assessor, catalogue: Catalogue) -> None:
    found = assessor.assess(plan(BASELINE, assessor.system, catalogue), _years(1.0))
    assert found.excluded.startswith("api/region: RTO unbounded, no second region")
    only_rpo = evolve(assessor.system, contracts=(Contract(Subject.NATS, Fault.REGION, None, Seconds(60)),))
    other = Assessor(only_rpo, catalogue, 1, assessor.auditor)
    excluded = other.assess(plan(BASELINE, only_rpo, catalogue), _years(1.0)).excluded
    assert excluded.startswith("nats/region: RPO unbounded, no copy of streams survives")


def test_what_is_not_promised_does_not_hide_what_is(assessor: Assessor, catalogue: Catalogue) -> None:
    """A contract without limits stands first, and is looked past."""
    contracts = (Contract(Subject.API, Fault.ZONE), Contract(Subject.NATS, Fault.REGION, None, Seconds(60)))
    system = evolve(assessor.system, contracts=contracts)
    found = Assessor(system, catalogue, 1, assessor.auditor).assess(plan(BASELINE, system, catalogue), _years(1.0))
    assert found.excluded.startswith("nats/region: RPO unbounded")


def test_a_year_is_owned_at_the_home_provider_s_prices(assessor: Assessor, catalogue: Catalogue) -> None:
    region = Region("gcp", "us-east1")
    system = evolve(assessor.system, region=region, second=None, third=None)
    found = Assessor(system, catalogue, 1, assessor.auditor).assess(plan(BASELINE, system, catalogue), _years(1.0))
    assert found.monthly_usd["gcp"].mean != found.monthly_usd["aws"].mean
    expected = 12 * found.monthly_usd["gcp"].mean + found.expected_loss_usd.mean
    assert found.owning_usd.mean == pytest.approx(expected)


def test_a_contract_asks_for_nine_in_ten_where_it_says_nothing() -> None:
    assert Contract(Subject.API, Fault.REGION).confidence == 0.9


def _hazard(severity: Severity = Severity.FATAL, contract: str = "api/region", waived: str = "") -> Hazard:
    return Hazard("rule-x", severity, Place("f"), "s", "the meta group dies", contract, "src", "fix", waived)


@pytest.mark.parametrize(
    ("hazard", "excluded"),
    [
        (_hazard(), "api/region: the meta group dies (rule-x)"),
        (_hazard(Severity.HIGH), ""),
        (_hazard(contract=""), ""),
        (_hazard(waived="accepted"), ""),
    ],
)
def test_only_a_fatal_hazard_of_a_contract_excludes(
    hazard: Hazard, excluded: str, assessor: Assessor, planned: Planned
) -> None:
    auditing = Assessor(assessor.system, assessor.catalogue, 1, lambda *_: (hazard,))
    assert auditing.assess(planned, _years(1.0)).excluded == excluded


# --- the choice -------------------------------------------------------------------------------------------------


def _outcome(
    probability: float | None = 0.95, contract: Contract = API, rto: Estimate | None = None, rpo: Estimate | None = None
) -> ContractOutcome:
    verdict = None if probability is None else Verdict.UNPROVEN if probability >= 0.9 else Verdict.BREACHED
    return ContractOutcome(
        contract,
        rto or fixed("RTO of api, region", 100.0, "s", "test"),
        rpo or fixed("RPO of api, region", 1.0, "s", "test"),
        fixed("messages", 40.0, "messages", "test"),
        probability,
        verdict,
    )


def _complexity(irreversible: int = 0, hazards: int = 0, components: int = 10) -> Complexity:
    return Complexity(5, components, 1, 1, irreversible, hazards, fixed("hours", 5.0, "h", "test"))


def _zero() -> Estimate:
    return fixed("zero", 0.0, "ms", "test")


MACHINES = CostItem("nodes", fixed("nodes", 80.0, "USD/month", "test"))
HOURS, WAGE = fixed("hours", 0.2, "h/month", "test"), fixed("wage", 100.0, "USD/h", "test")
PEOPLE = CostItem("people, operations", product("people", "USD/month", HOURS, WAGE))
LATENCY = LatencyFigures(*[_zero()] * 5)


def _assessment(
    name: str,
    owning: float,
    *,
    outcomes: Sequence[ContractOutcome] = (),
    monthly: Mapping[str, float] | None = None,
    sites: int = 2,
    complexity: Complexity | None = None,
    excluded: str = "",
    hazards: tuple[Hazard, ...] = (),
    downtime: float = 10.0,
    requirements: tuple[Requirement, ...] = (),
    provider: str = "aws",
) -> Assessment:
    home = Region(provider, "us-east-1")
    places = tuple(Site(Region(provider, f"r{i}"), SiteRole.STANDBY) for i in range(sites - 1))
    deployment = Deployment(
        System("s", home),
        Strategy.parse(name),
        (Site(home, SiteRole.PRIMARY), *places),
        (),
        (),
        (),
        System("s", home).traffic,
        requirements,
    )
    usd = {"aws": 100.0, "gcp": 100.0, "azure": 100.0, **(monthly or {})}
    return Assessment(
        deployment=deployment,
        procedures={},
        failback=None,
        outcomes=tuple(outcomes),
        availability=fixed("a", 0.999, "share", "test"),
        downtime_minutes=fixed("d", downtime, "min", "test"),
        bills=dict.fromkeys(usd, (MACHINES, PEOPLE)),
        monthly_usd={key: fixed("m", value, "USD/month", "test") for key, value in usd.items()},
        expected_loss_usd=fixed("l", 500.0, "USD/year", "test"),
        owning_usd=fixed("o", owning, "USD/year", "test"),
        latency=LATENCY,
        complexity=complexity or _complexity(),
        hazards=hazards,
        excluded=excluded,
        unprepared="",
    )


LEAF, BACKUP, MANAGED = "warm-standby/leafnode-mirror", "warm-standby/backup", "warm-standby/managed"
STRETCH, ACTIVE = "warm-standby/stretch", "active-active/sourced/weighted"


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([_assessment(LEAF, 1000), _assessment(BACKUP, 900)], BACKUP),
        ([_assessment(LEAF, 1000), _assessment(BACKUP, 100, outcomes=[_outcome(0.5)])], LEAF),
        ([_assessment(LEAF, 1000, outcomes=[_outcome(0.5)]), _assessment(BACKUP, 100, excluded="x")], LEAF),
        ([_assessment(LEAF, 1000, sites=2), _assessment(STRETCH, 990, sites=3)], LEAF),
        ([_assessment(LEAF, 1000), _assessment(MANAGED, 960)], LEAF),
        ([_assessment(LEAF, 1050), _assessment(MANAGED, 1000)], LEAF),
        ([_assessment(LEAF, 1051), _assessment(MANAGED, 1000)], MANAGED),
        ([_assessment(LEAF, 1000, complexity=_complexity(irreversible=2)), _assessment(BACKUP, 1010)], BACKUP),
        ([_assessment(LEAF, 1000, complexity=_complexity(hazards=2)), _assessment(BACKUP, 1010)], BACKUP),
        ([_assessment(LEAF, 1000, complexity=_complexity(components=20)), _assessment(BACKUP, 1010)], BACKUP),
        ([_assessment(LEAF, 1010), _assessment(BACKUP, 1000)], BACKUP),
    ],
)
def test_contracts_then_money_then_the_simpler(candidates: list[Assessment], chosen: str) -> None:
    assert recommend.choose(candidates, "aws").strategy.id == chosen
    assert recommend.choose(candidates[::-1], "aws").strategy.id == chosen


def test_the_choice_on_another_provider_s_prices() -> None:
    """Owning moves by twelve months of the difference in the bill, from the provider it was worked out for."""
    leaf = _assessment(LEAF, 5000, monthly={"gcp": 300.0})
    backup = _assessment(BACKUP, 6000, monthly={"azure": 1000.0})
    found = recommend.by_provider([leaf, backup])
    assert {provider: strategy.id for provider, strategy in found.items()} == {
        "aws": LEAF,
        "gcp": BACKUP,
        "azure": LEAF,
    }
    close = [_assessment(LEAF, 5000, monthly={"gcp": 200.0}), _assessment(BACKUP, 6201 / 1.05)]
    assert recommend.by_provider(close)["gcp"].id == LEAF  # 5,000 + 12 × 100 is within the tie
    assert recommend.by_provider([close[0], _assessment(BACKUP, 6199 / 1.05)])["gcp"].id == BACKUP
    elsewhere = [_assessment(LEAF, 5000, provider="rack"), _assessment(BACKUP, 6000, provider="rack")]
    assert recommend.by_provider(elsewhere)["gcp"].id == LEAF


def test_one_contract_is_named_as_one() -> None:
    best = _assessment(LEAF, 1000, outcomes=[_outcome(0.93)])
    (contract, *_) = reasons(best, [best], "aws")
    assert contract.startswith("the contract api/region is expected to hold, with 93 %;")


def test_reasons_name_the_tightest_contract_and_the_next_best() -> None:
    loose = evolve(API, subject=Subject.NATS)
    best = _assessment(LEAF, 1000, outcomes=[_outcome(0.999, loose), _outcome(0.93)])
    rest = [_assessment(STRETCH, 1500, outcomes=[_outcome(0.99)]), _assessment(BACKUP, 900, outcomes=[_outcome(0.1)])]
    rest += [_assessment(MANAGED, 800, excluded="x"), _assessment(ACTIVE, 800, excluded="x")]
    contracts, money, rival = reasons(best, [best, *rest], "aws")
    assert "all 2 contracts are expected to hold (the tightest, api/region, with 93 %)" in contracts
    assert "3 of 5 strategies breach one" in contracts
    told = money.replace("\u202f", " ")
    assert "$1,000 a year: $960 at aws; 2.4 hours of people's time ($240); $500 expected loss" in told
    assert rival.startswith(f"the next cheapest is {STRETCH} at $1,500; downtime 10 against 10")


def test_reasons_without_a_strategy_that_holds_or_a_contract_at_all() -> None:
    breaching = _assessment(LEAF, 1000, outcomes=[_outcome(0.1)])
    first, *rest = reasons(breaching, [breaching], "aws")
    assert first == "no strategy is expected to meet every contract; this one breaches api/region"
    assert len(rest) == 1
    quiet = _assessment(LEAF, 1000, outcomes=[_outcome(None)])
    assert reasons(quiet, [quiet], "aws")[0].startswith("no contract is written")


def test_where_all_are_excluded_none_is_recommended_and_what_nobody_prices_comes_last() -> None:
    """The least bad is named as what it is, with the reason; a cost without end was an internal error."""
    offered = evolve(
        _assessment(MANAGED, 0, excluded="no bucket"),
        owning_usd=unbounded("o", "USD/year", "no public price"),
        monthly_usd=dict.fromkeys(("aws", "gcp", "azure"), unbounded("m", "USD/month", "no public price")),
    )
    assert recommend.choose([offered], "aws") is offered
    link = _assessment(LEAF, 1000, outcomes=[_outcome(0.1)], excluded="it falls behind")
    assert recommend.choose([offered, link], "aws") is link
    assert "each is excluded, this one for: it falls behind" in reasons(link, [offered, link], "aws")[0]


def _tracks(chosen: Assessment, others: Sequence[Assessment] = (), budget: float | None = None) -> dict[str, bool]:
    system = System("s", Region("aws", "x"), economics=Economics(budget_usd_per_month=budget))
    found = recommend.follow_ups(chosen, [chosen, *others], system, "aws")
    return {track.track: track.holds for track in found}


def test_follow_ups_open_where_their_condition_holds() -> None:
    leaf, active = _assessment(LEAF, 1000), _assessment(ACTIVE, 1000)
    assert _tracks(leaf)["active-active"] is False
    assert _tracks(active)["active-active"] is True
    assert _tracks(leaf)["super-cluster too complex"] is True
    for link in ("supercluster-mirror", "supercluster-mirror-witness"):
        assert _tracks(_assessment(f"warm-standby/{link}", 1000))["super-cluster too complex"] is False


@pytest.mark.parametrize(
    ("managed", "holds"),
    [
        (_assessment(MANAGED, 1100), True),
        (_assessment(MANAGED, 1101), False),
        (_assessment(MANAGED, 500, excluded="x"), False),
        (_assessment(MANAGED, 1000, outcomes=[_outcome(0.95)]), True),
        (_assessment(MANAGED, 500, outcomes=[_outcome(0.1)]), False),
    ],
)
def test_the_managed_track(managed: Assessment, holds: bool) -> None:
    assert _tracks(_assessment(LEAF, 1000), [managed])["managed service"] is holds


@pytest.mark.parametrize(("budget", "holds"), [(None, False), (79.0, True), (80.0, False), (81.0, False)])
def test_a_budget_is_for_machines(budget: float | None, holds: bool) -> None:
    assert _tracks(_assessment(LEAF, 1000), budget=budget)["cost prohibitive"] is holds


def test_no_managed_track_without_a_managed_strategy() -> None:
    assert "managed service" not in _tracks(_assessment(LEAF, 1000), [_assessment(STRETCH, 1000)])


def test_a_managed_strategy_that_breaches_less_than_the_choice() -> None:
    breaching = _assessment(LEAF, 1000, outcomes=[_outcome(0.1)])
    assert _tracks(breaching, [_assessment(MANAGED, 900)])["managed service"] is True


def test_the_better_of_two_managed_strategies_is_shown() -> None:
    leaf = _assessment(LEAF, 1000)
    bad = _assessment("active-active/managed/weighted", 200, excluded="x")
    assert _tracks(leaf, [bad, _assessment(MANAGED, 1050)])["managed service"] is True


ONE_STREAM = (NatsCluster("n", streams=(Stream("A"),)),)


def _blockers(chosen: Assessment, *contracts: Contract, nats: tuple[NatsCluster, ...] = ONE_STREAM) -> tuple[str, ...]:
    return recommend.blockers(chosen, System("s", Region("aws", "x"), nats=nats, contracts=contracts))


NATS = Contract(Subject.NATS, Fault.REGION, Seconds(300))


def test_blockers() -> None:
    need = Requirement("up", "upgrade NATS", "why", fixed("h", 1.0, "h", "t"), "src", "the mirror is not promoted")
    plain = evolve(need, id="b", without="")
    fatal = _hazard(contract="")
    waived, high = evolve(_hazard(waived="ok"), message="waived"), evolve(_hazard(Severity.HIGH), message="high")
    chosen = _assessment(
        LEAF, 1.0, requirements=(need, plain), hazards=(fatal, fatal, waived, high), excluded="why not"
    )
    assert _blockers(chosen, NATS) == (
        "upgrade NATS: without it, the mirror is not promoted",
        "excluded: why not",
        "rule-x: the meta group dies",
    )
    assert _blockers(_assessment(LEAF, 1.0), NATS) == ()
    assert "no contract is written" in _blockers(_assessment(LEAF, 1.0))[0]
    for subject in (Subject.API, Subject.STATE):
        assert "no contract for the streams" in _blockers(_assessment(LEAF, 1.0), evolve(API, subject=subject))[0]
    assert _blockers(_assessment(LEAF, 1.0), API, nats=()) == ()
    (unread,) = _blockers(_assessment(LEAF, 1.0), NATS, nats=(NatsCluster("n"),))
    assert unread.startswith("no stream is known, so none is judged")


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (_outcome(0.1, rto=unbounded("RTO", "s", "nobody can")), "RTO unbounded, nobody can"),
        (
            _outcome(0.1, rto=Estimate("RTO", "s", Quantiles(1, 2, 400, 3), Provenance.DERIVED, "t")),
            "RTO reaches 6 min 40 s at the 95th percentile, promised 5 min",
        ),
        (_outcome(0.1, rpo=fixed("RPO", 90.0, "s", "t")), "RPO reaches 90 s at the 95th percentile, promised 60 s"),
        (_outcome(0.1, rto=fixed("RTO", 300.0, "s", "t")), "probability 10 %"),
        (_outcome(0.1, evolve(API, rto_s=None), rto=fixed("RTO", 4e9, "s", "t")), "probability 10 %"),
        (_outcome(0.1), "probability 10 %, required 90 %"),
    ],
)
def test_a_breach_says_why(outcome: ContractOutcome, why: str) -> None:
    assert any(why in line.replace(" ", " ") for line in _blockers(_assessment(LEAF, 1.0, outcomes=[outcome]), NATS))


def test_the_front_is_what_nothing_beats() -> None:
    cheap = _assessment(BACKUP, 1.0, monthly={"aws": 50.0}, downtime=30)
    good = _assessment(LEAF, 1.0, monthly={"aws": 90.0}, downtime=10)
    worse = _assessment(STRETCH, 1.0, monthly={"aws": 95.0}, downtime=10)
    twin = _assessment(MANAGED, 1.0, monthly={"aws": 90.0}, downtime=10)
    assert [s.id for s in pareto([cheap, good, worse, twin], "aws")] == [BACKUP, LEAF, MANAGED]


@pytest.mark.parametrize(
    ("flip", "says"),
    [
        (Flip("economics.outage", "USD/h", 5000.0, 84_412.0, WARM), "above $84,412/h (assumed: $5,000/h)"),
        (Flip("economics.lost", "USD", 0.05, 0.5554, WARM), "above $0.56 (assumed: $0.05)"),
        (Flip("fault.rate", "/year", 2.0, 0.012345, WARM), "below 0.0123 /year (assumed: 2 /year)"),
        (Flip("fault.rate", "/year", 2.0, 0.0, WARM), "below 0 /year (assumed: 2 /year)"),
        (Flip("upkeep hours", "× hours", 1.0, 0.403, WARM), "with upkeep hours below 0.403 times its assumed value"),
    ],
)
def test_what_would_flip_it_is_told_in_plain_numbers(flip: Flip, says: str) -> None:
    assert says in str(flip).replace(" ", " ")
    assert str(flip).endswith(f": {WARM}")


def test_reasons_tell_a_tie_from_the_least() -> None:
    holds = [_outcome(0.95)]
    cheap, simple = _assessment(STRETCH, 1000, outcomes=holds, sites=3), _assessment(LEAF, 1040, outcomes=holds)
    _, money, rival = reasons(simple, [simple, cheap], "aws")
    assert money.replace(" ", " ").startswith("within 5 % of the lowest cost of ownership, and the simplest of those")
    assert rival.startswith(f"the cheapest is {STRETCH} at $1,000")
    _, money, rival = reasons(cheap, [simple, cheap], "aws")
    assert money.startswith("lowest cost of ownership among those: $1,000")
    assert rival.startswith(f"the next cheapest is {LEAF} at $1,040")


# --- money: the budget, its three kinds, and what a saving rests on -----------------------------------------------


def _priced(name: str, owning: float, machines: float, budget: float = 100.0) -> Assessment:
    """One that holds every contract, with its machines and the budget a month."""
    found = _assessment(name, owning, outcomes=[_outcome(0.95)])
    system = evolve(found.deployment.system, economics=Economics(budget_usd_per_month=budget))
    nodes = CostItem("nodes", fixed("nodes", machines, "USD/month", "test"))
    return evolve(found, deployment=evolve(found.deployment, system=system), bills={"aws": (nodes, PEOPLE)})


def test_what_fits_the_budget_comes_before_what_is_cheaper_to_own() -> None:
    fits, cheaper = _priced(LEAF, 2000, 99.0), _priced(STRETCH, 1000, 101.0)
    assert recommend.choose([fits, cheaper], "aws") is fits
    assert "$99 a month at aws: within the budget of $100" in reasons(fits, [fits, cheaper], "aws")
    breaching = evolve(fits, outcomes=(_outcome(0.5),))
    assert recommend.choose([breaching, cheaper], "aws") is cheaper, "a contract comes before the budget"
    dear = _priced(BACKUP, 900, 300.0)
    assert recommend.choose([cheaper, dear], "aws") is dear, "where nothing fits, the least to own"
    (told,) = [line for line in reasons(dear, [cheaper, dear], "aws") if "budget" in line]
    assert told.endswith(f"this one costs $300 at aws, $200 over; {STRETCH} comes nearest, $1.00 over")


def test_money_to_the_provider_people_s_time_and_once_are_three_sums() -> None:
    today, found = _priced(BASELINE.id, 500, 60.0), _priced(LEAF, 1900, 80.0)
    (told,) = [line for line in reasons(found, [today, found], "aws") if "of ownership" in line]
    assert "$960 at aws, $240 of it new; 2.4 hours of people's time ($240); $500 expected loss; 0 hours" in told


def test_a_saving_that_is_one_product_says_so_and_how_far_it_may_be_off() -> None:
    writes = {Fault.DELETION: (50_000.0, 100.0), Fault.BAD_WRITE: (48_100.0, 0.0), Fault.REGION: (2_000.0, 0.0)}
    ranges = {LOST_WRITE: (0.02, 50.0), "fault.deletion.rate": (0.2, 5.0), "fault.bad-write.rate": (0.2, 5.0)}
    found = saving(100_000.0, writes, ranges, LOST_WRITE)
    assert found.share == pytest.approx(0.98)
    assert found.low_usd == pytest.approx(2_000 + 98_000 * 0.02 * 0.2)
    assert found.high_usd == pytest.approx(2_000 + 98_000 * 50 * 5)
    assert "98 % of that is the product of two assumptions, fault.deletion.rate and fault.bad-write.rate × " in (
        found.words.replace("\u202f", " ")
    )
    spread = saving(100_000.0, {Fault.REGION: (2_000.0, 0.0)}, ranges, LOST_WRITE)
    assert "product" not in spread.words


def test_a_flip_near_what_is_taken_shows_on_which_side_it_lies() -> None:
    told = str(Flip("economics.lost_message_usd", "USD", 0.05, 0.0483, WARM))
    assert "is below $0.0483 (assumed: $0.05)" in told
