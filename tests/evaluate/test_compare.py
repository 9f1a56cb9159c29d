"""From a system to one recommendation: what it says of the small system, of odd ones, and that it is repeatable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.round_trips import RoundTrip, RoundTrips
from secondsite.evaluate.assess import Auditor
from secondsite.evaluate.compare import compare, evaluate_many
from secondsite.evaluate.evaluation import Assessment, Evaluation
from secondsite.evaluate.explain import find, lines, parse_strategy, value
from secondsite.evaluate.migration import migration
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.economics import Economics
from secondsite.model.errors import InputError
from secondsite.model.estimate import Estimate, Provenance, Uniform, fixed, unbounded
from secondsite.model.fault import Fault
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.region import Region
from secondsite.model.service import Role, Service, Volume
from secondsite.model.strategy import Link, Pattern, Strategy, Switch
from secondsite.model.system import System
from secondsite.model.units import Bytes, Cores, Seconds
from secondsite.strategies.registry import STRATEGIES

pytestmark = pytest.mark.slow

BASELINE, BACKUP, LEAF, SUPER = map(
    Strategy.parse,
    (
        "single-region/none/manual",
        "backup-restore/backup",
        "warm-standby/leafnode-mirror",
        "warm-standby/supercluster-mirror",
    ),
)
FEW = (BASELINE, BACKUP, LEAF)
EXPLAINED = "warm-standby/leafnode-mirror:api/region/rto"


def _compare(
    system: System, catalogue: Catalogue, auditor: Auditor, strategies: Sequence[Strategy] = FEW
) -> Evaluation:
    return compare(system, catalogue, auditor, years=300, strategies=strategies)


def _by_id(evaluation: Evaluation) -> dict[str, Assessment]:
    return {assessment.strategy.id: assessment for assessment in evaluation.assessments}


# --- the small system -------------------------------------------------------------------------------------------


def test_the_recommendation_holds_every_contract_and_is_no_two_region_supercluster(evaluation: Evaluation) -> None:
    chosen = evaluation.recommended
    assert not chosen.excluded
    assert not chosen.breached
    assert chosen.strategy.link is not Link.SUPERCLUSTER_MIRROR
    assert chosen.strategy.pattern is not Pattern.SINGLE_REGION
    assert chosen.strategy.switch is not Switch.DNS, "us-east-1 takes its control plane along"
    assert all(flip.to.link is not Link.SUPERCLUSTER_MIRROR for flip in evaluation.recommendation.flips)
    assert Link.SUPERCLUSTER_MIRROR not in {s.link for s in evaluation.recommendation.by_provider.values()}


def test_today_is_excluded_and_a_rescue_is_too_slow(evaluation: Evaluation) -> None:
    found = _by_id(evaluation)
    assert "RTO unbounded" in found[BASELINE.id].excluded
    rescue = found[SUPER.id].outcome("api")
    assert rescue
    assert rescue.verdict is Verdict.BREACHED
    assert "400/10055" in found[LEAF.id].unprepared
    assert "503/10008" in found[SUPER.id].unprepared


def test_nearer_copies_and_quicker_switches_show(evaluation: Evaluation) -> None:
    found = _by_id(evaluation)
    down = {name: assessment.downtime_minutes.mean for name, assessment in found.items()}
    assert down["active-active/sourced/weighted"] < down[LEAF.id] < down["pilot-light/leafnode-mirror"]
    assert down["pilot-light/leafnode-mirror"] < down[BACKUP.id] < down[BASELINE.id]
    assert down[LEAF.id] < down["warm-standby/leafnode-mirror/manual"]
    lost = {name: assessment.outcome("nats") for name, assessment in found.items()}
    leaf, stretch, hourly = lost[LEAF.id], lost["warm-standby/stretch"], lost[BACKUP.id]
    assert leaf
    assert stretch
    assert hourly
    assert stretch.rpo.mean == 0
    assert 0 < leaf.rpo.mean < hourly.rpo.mean < 3700


def test_shares_are_shares_and_every_figure_is_one(evaluation: Evaluation) -> None:
    recommendation = evaluation.recommendation
    assert 0 <= recommendation.stability <= recommendation.pattern_stability <= 1
    assert set(recommendation.by_provider) == {"aws", "gcp", "azure"}
    assert recommendation.influences
    assert [i.index for i in recommendation.influences] == sorted(i.index for i in recommendation.influences)[::-1]
    assert all(influence.settle for influence in recommendation.influences)
    for assessment in evaluation.assessments:
        for name, figure in assessment.figures():
            assert figure.source, name
            low, middle, high = (figure.quantile(p) for p in (0.05, 0.5, 0.95))
            assert 0 <= low <= middle <= high, name


def test_nothing_on_the_front_is_beaten(evaluation: Evaluation) -> None:
    assert evaluation.pareto
    assert BASELINE in evaluation.pareto, "nothing is cheaper a month"


def test_the_way_there_begins_today_and_reaches_the_recommendation(evaluation: Evaluation) -> None:
    steps = evaluation.recommendation.migration
    reached = [step.strategy for step in steps if not step.beyond]
    assert reached[-1] == evaluation.recommendation.strategy
    assert sum(step.added_usd.mean for step in steps[: len(reached)]) == pytest.approx(
        evaluation.recommended.monthly_usd["aws"].mean - _by_id(evaluation)[BASELINE.id].monthly_usd["aws"].mean
    )
    names = [need for step in steps for need in step.requirements]
    assert len(set(names)) == len(names), "nothing is done twice"
    assert "api/region" in {gain for step in steps for gain in step.gains}
    assert [step.beyond for step in steps] == sorted(step.beyond for step in steps)


def test_a_pilot_light_is_reached_without_a_standby(evaluation: Evaluation) -> None:
    pilot = _by_id(evaluation)["pilot-light/leafnode-mirror"]
    steps = migration(evaluation.assessments, pilot, "aws")
    patterns = [step.strategy.pattern for step in steps if not step.beyond]
    assert patterns == [Pattern.BACKUP_RESTORE, Pattern.BACKUP_RESTORE, Pattern.PILOT_LIGHT]
    assert [step.strategy.pattern for step in steps if step.beyond] == [Pattern.ACTIVE_ACTIVE]


def test_the_same_seed_gives_the_same_evaluation(system: System, catalogue: Catalogue, auditor: Auditor) -> None:
    first, second = (_compare(system, catalogue, auditor) for _ in range(2))
    assert first == second
    other = compare(system, catalogue, auditor, seed=2, years=300, strategies=FEW)
    assert other.assessments[0].downtime_minutes.mean != first.assessments[0].downtime_minutes.mean


def test_many_systems_are_compared_one_by_one(system: System, catalogue: Catalogue, auditor: Auditor) -> None:
    quiet = evolve(system, name="quiet", contracts=())
    found = evaluate_many([system, quiet], catalogue, auditor, years=300, strategies=(BACKUP, LEAF))
    assert [one.system.name for one in found] == ["small", "quiet"]
    assert found[0] == _compare(system, catalogue, auditor, (BACKUP, LEAF))


# --- odd systems ------------------------------------------------------------------------------------------------


def test_without_contracts_there_are_figures_and_no_verdicts(
    system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    found = _compare(evolve(system, contracts=()), catalogue, auditor)
    assert all(outcome.verdict is None for one in found.assessments for outcome in one.outcomes)
    assert all(one.excluded == "" for one in found.assessments)
    assert any("no contract is written" in line for line in found.recommendation.blockers)
    assert found.recommendation.reasons[0].startswith("no contract is written")


_ODD: dict[str, Callable[[System], System]] = {
    "streams": lambda system: evolve(system, nats=tuple(evolve(cluster, streams=()) for cluster in system.nats)),
    "nats": lambda system: evolve(system, nats=()),
    "stores": lambda system: evolve(system, stores=()),
    "secrets": lambda system: evolve(system, secrets=()),
    "services": lambda system: evolve(system, services=()),
    "backups": lambda system: evolve(system, backups=()),
}


@pytest.mark.parametrize("without", _ODD)
def test_what_is_not_there_is_not_needed(without: str, system: System, catalogue: Catalogue, auditor: Auditor) -> None:
    found = _compare(_ODD[without](system), catalogue, auditor, (BACKUP, LEAF))
    assert all(math.isfinite(one.owning_usd.mean) for one in found.assessments)
    nats = found.assessments[0].outcome("nats")
    assert nats
    assert (nats.rpo.mean == 0) == (without in ("streams", "nats"))


def test_without_nats_links_are_not_compared(system: System, catalogue: Catalogue, auditor: Auditor) -> None:
    """They carry streams: where there are none, only what differs in its pattern or switch is worth a line."""
    bare = evolve(system, nats=(), services=tuple(s for s in system.services if s.role is not Role.NATS), contracts=())
    found = compare(bare, catalogue, auditor, years=200)
    assert {a.strategy.link for a in found.assessments} == {Link.NONE, Link.BACKUP, Link.SOURCED}
    assert {a.strategy.pattern for a in found.assessments} == set(Pattern) - {Pattern.SEVERAL_REGIONS}
    needs = {need.id for a in found.assessments for need in a.deployment.requirements}
    assert not needs & {"stream-backup", "sourced-streams"}
    assert len(compare(system, catalogue, auditor, years=20).assessments) == len(STRATEGIES)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_each_strategy_can_be_looked_at_alone(
    strategy: Strategy, system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    found = compare(system, catalogue, auditor, years=20, strategies=(strategy,))
    assert found.recommendation.strategy == strategy
    assert found.recommendation.stability == 1
    assert found.recommendation.flips == ()


def test_no_second_region_is_an_error_that_names_the_key(
    system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    with pytest.raises(InputError, match=r"no second region is configured.*add `second: \{provider: aws"):
        _compare(evolve(system, second=None, third=None), catalogue, auditor)


def test_two_places_are_enough_to_compare_what_needs_no_third(
    system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    """As in most data centres of one's own: a vote in a third place is left out, and that is said."""
    evaluation = compare(evolve(system, third=None), catalogue, auditor, years=20)
    links = {assessment.strategy.link for assessment in evaluation.assessments}
    assert Link.LEAFNODE_MIRROR in links
    assert not links & {Link.STRETCH, Link.SUPERCLUSTER_MIRROR_WITNESS}
    left_out = [one for one in evaluation.recommendation.blockers if "need a third region" in one]
    assert left_out[0].startswith("stretch and supercluster-mirror-witness were not compared")
    assert not [one for one in _compare(system, catalogue, auditor).recommendation.blockers if "third region" in one]


def test_an_unknown_region_is_an_error_that_names_file_and_command(
    system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    lost = evolve(system, second=Region("aws", "moon-base-1"))
    with pytest.raises(InputError, match=r"round_trips\.csv.*moon-base-1.*secondsite catalogue add-rtt"):
        _compare(lost, catalogue, auditor)


@pytest.mark.parametrize(
    ("provider", "home", "second", "third"),
    [("azure", "eastus", "westus2", "eastus2"), ("gcp", "us-east1", "us-west1", "us-central1")],
)
def test_other_providers(
    provider: str, home: str, second: str, third: str, system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    """Nobody publishes round trips for all of them: a measured one is a row of one's own."""
    own = RoundTrip(provider, home, second, 65.0, "p50", Provenance.MEASURED, "ping")
    table = evolve(catalogue, round_trips=RoundTrips({**catalogue.round_trips.rows, own.key: own}))
    moved = evolve(
        system, region=Region(provider, home), second=Region(provider, second), third=Region(provider, third)
    )
    found = _compare(moved, table, auditor)
    assert found.recommended.monthly_usd[provider].mean > 0
    assert math.isfinite(found.recommended.owning_usd.mean)


def test_unpaid_engineers_and_free_outages(system: System, catalogue: Catalogue, auditor: Auditor) -> None:
    free = evolve(system, economics=Economics(0.0, 0.0, 0.0), contracts=())
    found = _compare(free, catalogue, auditor)
    assert found.recommendation.strategy == BASELINE, "what costs nothing to lose is not worth a second region"
    assert found.recommended.expected_loss_usd.mean == 0


def test_a_promise_of_no_loss_is_kept_by_a_majority_only(
    system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    strict = evolve(system, contracts=(Contract(Subject.NATS, Fault.REGION, Seconds(300), Seconds(0)),))
    stretch = Strategy(Pattern.WARM_STANDBY, Link.STRETCH)
    found = _by_id(_compare(strict, catalogue, auditor, (LEAF, stretch)))
    assert [found[s.id].outcomes[0].verdict for s in (LEAF, stretch)] == [Verdict.BREACHED, Verdict.UNPROVEN]


def test_two_hundred_services_and_five_hundred_streams(system: System, catalogue: Catalogue, auditor: Auditor) -> None:
    services = tuple(
        Service(
            f"s{i}",
            role=Role.API if i % 3 == 0 else Role.DATABASE,
            replicas=1 + i % 3,
            cpu_request_cores=Cores(0.2),
            memory_request_bytes=Bytes(2**28),
            volumes=(Volume("v", Bytes(2**33)),) if i % 3 else (),
        )
        for i in range(200)
    )
    streams = tuple(Stream(f"S{i}", subjects=(f"s{i}.>",), replicas=3) for i in range(500))
    large = evolve(
        system,
        services=(*services, *system.with_role(Role.NATS)),
        nats=(NatsCluster("nats", "nats", version="2.10", streams=streams),),
    )
    found = compare(large, catalogue, auditor)
    assert not found.recommended.excluded


# --- explanations -----------------------------------------------------------------------------------------------


def test_a_figure_is_walked_to_its_sources(evaluation: Evaluation) -> None:
    text = "\n".join(lines(find(evaluation, EXPLAINED)))
    assert text.startswith("RTO of api, region: ")
    assert "longest path through" in text
    assert "decide.automatic" in text
    assert "settle: secondsite's own trigger" in text
    assert "range × 0.5 to × 3" in text


def test_every_figure_can_be_found(evaluation: Evaluation) -> None:
    for name, figure in evaluation.recommended.figures():
        assert find(evaluation, f"{evaluation.recommended.strategy.id}:{name}") is figure


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("warm-standby/leafnode:api/region/rto", "unknown strategy.*write one like.*warm-standby/leafnode-mirror"),
        ("warm-standby/leafnode-mirror:api/region/rtoo", "no figure 'api/region/rtoo'.*api/region/rto"),
        ("warm-standby/leafnode-mirror", "no figure ''"),
        ("xyzzy:q", "unknown strategy 'xyzzy'.*write one like"),
    ],
)
def test_a_figure_that_is_none_gets_near_names(name: str, message: str, evaluation: Evaluation) -> None:
    with pytest.raises(InputError, match=message):
        find(evaluation, name)


def test_strategies_are_parsed_or_refused() -> None:
    assert parse_strategy("warm-standby/stretch") == Strategy(Pattern.WARM_STANDBY, Link.STRETCH)
    with pytest.raises(InputError, match=r"write one like .*warm-standby/stretch"):
        parse_strategy("hot-standby/stretch")


def test_values_as_text() -> None:
    assert value(unbounded("x", "s", "never")) == "unbounded"
    assert value(fixed("x", 1234.0, "USD", "s")) == "1,234 USD"
    spread = Estimate("x", "s", Uniform(0, 100), Provenance.ASSUMED, "s")
    assert value(spread) == "50 s (5 to 95)"
