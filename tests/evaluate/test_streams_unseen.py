"""JetStream is on and nobody knows a stream: nothing is recommended from that, and no contract on streams is judged."""

from __future__ import annotations

from io import StringIO

from attrs import evolve
from rich.console import Console

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.assess import Auditor
from secondsite.evaluate.compare import compare
from secondsite.evaluate.evaluation import Evaluation
from secondsite.evaluate.known import unseen_streams
from secondsite.model.contract import Subject, Verdict
from secondsite.model.nats import NatsCluster
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.publish.content.comparison import answer, rows
from secondsite.publish.machine.evaluation import evaluation_json
from secondsite.publish.terminal.evaluation import render_text

FEW = tuple(map(Strategy.parse, ("single-region/none/manual", "warm-standby/leafnode-mirror")))


def _without_streams(system: System, *, jetstream: bool = True) -> System:
    return evolve(system, nats=tuple(evolve(each, streams=(), jetstream=jetstream) for each in system.nats))


def _evaluated(system: System, catalogue: Catalogue, auditor: Auditor) -> Evaluation:
    return compare(system, catalogue, auditor, years=300, strategies=FEW)


def test_nothing_is_recommended_and_no_contract_on_streams_is_judged(
    system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    evaluation = _evaluated(_without_streams(system), catalogue, auditor)
    assert "no stream is known" in evaluation.recommendation.withheld
    assert evaluation.recommendation.reasons == ()
    on_streams = [
        o for a in evaluation.assessments for o in a.outcomes if o.contract.subject is Subject.NATS and o.promised
    ]
    assert on_streams
    for outcome in on_streams:
        assert (outcome.verdict, outcome.probability_met) == (Verdict.UNPROVEN, None)
        assert outcome.unknown
    others = [o for a in evaluation.assessments for o in a.outcomes if o.contract.subject is Subject.API and o.promised]
    assert all(outcome.probability_met is not None for outcome in others)


def test_every_reader_is_told(system: System, catalogue: Catalogue, auditor: Auditor) -> None:
    evaluation = _evaluated(_without_streams(system), catalogue, auditor)
    plain = evaluation_json(evaluation)
    assert plain["recommendation"]["id"] is None
    assert "no stream is known" in plain["recommendation"]["withheld"]
    shown = StringIO()
    render_text(evaluation, Console(width=100, file=shown))
    assert "No strategy is recommended" in shown.getvalue()
    assert "Recommended:" not in shown.getvalue()
    assert answer(evaluation, "aws").startswith("No strategy is recommended")
    assert not any(row.recommended for row in rows(evaluation))


def test_a_cluster_without_jetstream_or_with_a_stream_is_no_such_case(system: System) -> None:
    assert unseen_streams(system) == ""
    assert unseen_streams(_without_streams(system, jetstream=False)) == ""
    assert unseen_streams(evolve(system, nats=())) == ""
    assert "in other" in unseen_streams(evolve(system, nats=(NatsCluster("other"),)))
