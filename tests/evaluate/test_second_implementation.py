"""RTO, RPO, held and downtime once more, another way: a small simulation written from docs/evaluate.md and ADR 6.

It shares with the evaluation what a strategy is (its steps and copies, with their figures) and nothing else: no common
random numbers, no vectors shared between strategies, no timeline. Five systems that have little in common must agree.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from statistics import fmean, quantiles

import pytest

from secondsite.catalogue.bundle import Catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.evaluate.assess import Assessor, Auditor, plan
from secondsite.evaluate.evaluation import Assessment
from secondsite.evaluate.years import Exposure, downtime
from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy
from secondsite.model.estimate import Estimate, Fixed, Lognormal, Maybe, Uniform
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.strategy import Strategy

pytestmark = pytest.mark.slow

CASES = Path(__file__).parent / "cases"
DRAWS = 5000
SYSTEMS = [
    ("aggr", "warm-standby/leafnode-mirror/failover-record"),
    ("r1node", "single-region/none/manual"),
    ("pgonly", "backup-restore/backup"),
    ("km", "warm-standby/leafnode-mirror/failover-record"),
    ("kv", "active-active/stretch/weighted"),
]
KINDS = {Fault.CONTROL_PLANE: "control-plane", Fault.CAPACITY: "capacity", Fault.OBSERVABILITY: "observability"}


def draw(estimate: Estimate, chance: random.Random, luck: dict[str, bool]) -> float:
    match estimate.distribution:
        case None:
            return math.inf
        case Fixed(value):
            return value
        case Uniform(low, high):
            return chance.uniform(low, high)
        case Lognormal(mu, sigma):
            return chance.lognormvariate(mu, sigma)
        case Maybe(probability, then):
            share = estimate.inputs[0].name
            if share not in luck:
                luck[share] = chance.random() < probability
            return draw(_plain(estimate, then), chance, luck) if luck[share] else 0.0
        case other:
            raise TypeError(str(other))


def _plain(estimate: Estimate, then: Fixed | Uniform | Lognormal) -> Estimate:
    return Estimate(estimate.name, estimate.unit, then, estimate.provenance, estimate.source)


def ends(procedure: Procedure, chance: random.Random) -> Mapping[str, float]:
    """When each step of one event has ended: after the last of those it waits for."""
    done: dict[str, float] = {}
    luck: dict[str, bool] = {}
    for step in procedure.steps:
        begin = max((done[name] for name in step.after), default=0.0)
        done[step.id] = math.inf if step.blocked else begin + draw(step.duration, chance, luck)
    return done


def back(procedures: Mapping[Fault, Procedure], fault: Fault, subject: Subject, chance: random.Random) -> float:
    procedure = procedures[fault]
    own = fault is Fault.PROCESS and subject is Subject.API
    if own and procedure.answered:  # another pod takes the next write
        return draw(procedure.answered, chance, {})
    milestone = procedure.degraded if own and procedure.degraded else procedure.milestones.get(subject)
    if milestone is None:
        return 0.0
    done = ends(procedure, chance)
    mine = done[milestone]
    if subject is Subject.NATS and fault.leaves_region:  # nobody looks at streams over there before it is decided
        mine = max([mine, *(done[step.id] for step in procedure.steps if step.verb in (Verb.DETECT, Verb.DECIDE))])
    if subject is Subject.OBSERVABILITY and Subject.API in procedure.milestones:  # it counts what the API acknowledges
        mine = max(mine, done[procedure.milestones[Subject.API]])
    other = procedure.escalates_to
    return mine if other is None else min(mine, back(procedures, other, subject, chance))


def kind_of(fault: Fault, catalogue: Catalogue, chance: random.Random) -> Fault:
    left = chance.random()
    for kind, name in KINDS.items() if fault is Fault.REGION else ():
        left -= catalogue.figures[f"share.{name}"].mean
        if left < 0:
            return kind
    return fault


@pytest.fixture(scope="module")
def assessed(catalogue: Catalogue, auditor: Auditor) -> Callable[[str, str], Assessment]:
    @cache
    def one(name: str, strategy: str) -> Assessment:
        system = load_system(CASES / f"{name}.yaml")
        assessor = Assessor(system, catalogue, 1, auditor)
        planned = plan(Strategy.parse(strategy), system, catalogue)
        exposure = Exposure(planned.procedures, len(planned.deployment.serving))
        return assessor.assess(planned, downtime([exposure], assessor.model, 30_000, 1)[0])

    return one


@pytest.mark.parametrize(("name", "strategy"), SYSTEMS)
def test_rto_and_how_often_a_clock_is_kept(
    name: str, strategy: str, assessed: Callable[[str, str], Assessment], catalogue: Catalogue
) -> None:
    found, chance = assessed(name, strategy), random.Random(7)
    for outcome in found.outcomes:
        contract = outcome.contract
        again = [
            back(found.procedures, kind_of(contract.fault, catalogue, chance), contract.subject, chance)
            for _ in range(DRAWS)
        ]
        if outcome.rto.unbounded:
            assert math.inf in again, contract.name
            continue
        assert quantiles(again, n=2)[0] == pytest.approx(outcome.rto.quantile(0.5), rel=0.06), contract.name
        if contract.rto_s is not None and contract.rpo_s is None and outcome.probability_met is not None:
            kept = fmean(seconds <= contract.rto_s for seconds in again)
            assert kept == pytest.approx(outcome.probability_met, abs=0.02), contract.name


@pytest.mark.parametrize(("name", "strategy"), SYSTEMS)
def test_rpo_of_streams_is_the_freshest_copy_that_survives(
    name: str, strategy: str, assessed: Callable[[str, str], Assessment]
) -> None:
    found, chance = assessed(name, strategy), random.Random(8)
    (outcome,) = (o for o in found.outcomes if o.contract.name == "nats/region")
    copies = [c for c in found.deployment.copies if c.subject is Subject.NATS and Fault.REGION in c.survives]
    if not any(cluster.streams for cluster in found.deployment.system.nats):
        assert outcome.rpo.mean == 0
        return
    if not copies:
        assert outcome.rpo.unbounded
        return
    again = []
    for _ in range(DRAWS):
        luck: dict[str, bool] = {}
        again.append(
            min(
                draw(c.hold, chance, luck)
                + draw(c.propagate, chance, luck)
                + chance.random() * draw(c.interval, chance, luck)
                for c in copies
            )
        )
    assert fmean(again) == pytest.approx(outcome.rpo.mean, rel=0.15, abs=0.001)


@pytest.mark.parametrize(("name", "strategy"), SYSTEMS)
def test_rpo_of_stores_is_that_of_the_worst_of_them(
    name: str, strategy: str, assessed: Callable[[str, str], Assessment]
) -> None:
    found, chance = assessed(name, strategy), random.Random(10)
    (outcome,) = (o for o in found.outcomes if o.contract.name == "state/region")
    stores = [store.name for store in found.deployment.system.stores if str(store.loss) == "data"]
    copies = [c for c in found.deployment.copies if c.subject is Subject.STATE and Fault.REGION in c.survives]
    by_store = {store: [c for c in copies if not c.covers or store in c.covers] for store in stores}
    if not all(by_store.values()):
        assert outcome.rpo.unbounded
        return
    again = []
    for _ in range(DRAWS):
        luck: dict[str, bool] = {}
        ages = {id(c): draw(c.hold, chance, luck) + draw(c.propagate, chance, luck) for c in copies}
        ages = {key: age + chance.random() * _interval(copies, key, chance, luck) for key, age in ages.items()}
        again.append(max((min(ages[id(c)] for c in own) for own in by_store.values()), default=0.0))
    assert quantiles(again, n=2)[0] == pytest.approx(outcome.rpo.quantile(0.5), rel=0.08, abs=0.001)


def _interval(copies: list[Copy], key: int, chance: random.Random, luck: dict[str, bool]) -> float:
    return next(draw(copy.interval, chance, luck) for copy in copies if id(copy) == key)


@pytest.mark.parametrize(("name", "strategy"), SYSTEMS)
def test_downtime_is_the_rates_times_the_outages(
    name: str, strategy: str, assessed: Callable[[str, str], Assessment], catalogue: Catalogue
) -> None:
    """Expected minutes, fault by fault; the simulated years count overlaps once, which is a matter of seconds."""
    found, chance = assessed(name, strategy), random.Random(9)
    model = Assessor(found.deployment.system, catalogue, 1, lambda *_: ()).model
    serving, minutes = len(found.deployment.serving), 0.0
    for fault, procedure in found.procedures.items():
        if Subject.API not in procedure.milestones:
            continue
        natural, total = model.natural(fault), 0.0
        for _ in range(DRAWS):
            total += _failing_s(found.procedures, procedure, natural, catalogue, chance)
        sites = range(1 if fault.per_system else serving)
        minutes += math.fsum(model.rate(fault, site).mean for site in sites) * total / DRAWS / 60
    assert minutes == pytest.approx(found.downtime_minutes.mean, rel=0.12)


def _failing_s(
    procedures: Mapping[Fault, Procedure],
    procedure: Procedure,
    natural: Estimate | None,
    catalogue: Catalogue,
    chance: random.Random,
) -> float:
    done = ends(procedure, chance)
    limit = math.inf if natural is None else draw(natural, chance, {})
    if procedure.escalates_to is not None:
        other = procedures[procedure.escalates_to]
        limit = min(limit, ends(other, chance)[other.milestones[Subject.API]] + _stragglers(other, catalogue))
    whole = min(limit, done[procedure.milestones[Subject.API]] + _stragglers(procedure, catalogue))
    if not procedure.degraded:
        return whole * procedure.affected
    stalled = min(whole, done[procedure.milestones[Subject.NATS]])
    return stalled * procedure.stalled + max(0.0, min(whole, done[procedure.degraded]) - stalled) * procedure.affected


def _stragglers(procedure: Procedure, catalogue: Catalogue) -> float:
    path = procedure.leading_to(procedure.milestones[Subject.API])
    return catalogue.figures["converge.stragglers"].mean if any(str(s.verb) == "converge" for s in path) else 0.0
