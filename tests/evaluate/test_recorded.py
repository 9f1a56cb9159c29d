"""What an evaluation found comes back from its text to the last bit, and nothing else is built from a text."""

from __future__ import annotations

import json
import math

import pytest
from attrs import evolve

from secondsite.evaluate.evaluation import Evaluation
from secondsite.evaluate.recorded import UnreadableError, evaluation_of, record
from secondsite.model.estimate import unbounded
from secondsite.model.nats import Stream
from secondsite.model.settings import Settings

pytestmark = pytest.mark.slow


def test_it_comes_back_whole(evaluation: Evaluation) -> None:
    text = record(evaluation)
    again = evaluation_of(text)
    assert again == evaluation
    assert again.system.marks == evaluation.system.marks, "they are no part of a comparison"
    assert record(again) == text


def test_figures_keep_their_kind_and_their_bits(evaluation: Evaluation) -> None:
    (cluster,) = evaluation.system.nats
    stream = Stream("ODD", settings=Settings({"a": [1, 1.0, None, {"b": "é"}]}), rate_per_s=0.1 + 0.2)
    system = evolve(evaluation.system, nats=(evolve(cluster, streams=(stream,)),))
    first, *rest = evaluation.assessments
    endless = evolve(first, availability=unbounded("none", "share", "why"))
    odd = evolve(evaluation, system=system, assessments=(endless, *rest), years=1)
    again = evaluation_of(record(odd))
    assert again.system.nats == system.nats
    assert again.assessments[0].availability.mean == math.inf
    assert [type(item) for item in again.system.nats[0].streams[0].settings["a"]] == [int, float, type(None), dict]
    assert type(again.years) is int


def test_a_value_that_stands_in_many_places_is_one_row(evaluation: Evaluation) -> None:
    rows = json.loads(record(evaluation))
    texts = [json.dumps(row) for row in rows]
    assert len(set(texts)) == len(texts)
    first, second, *_ = evaluation_of(record(evaluation)).assessments
    assert first.deployment.primary is second.deployment.primary


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", "[1]", "[[0]]", '[["Fault","region"],[0]]'),
        '[["Popen","true"],[0]]',
        '[["Path","/"],[0]]',
        '[["Evaluation",1],[0]]',
        '[["tuple",[7]],[0]]',
        '[["map","odd"],[0]]',
        '["tuple"]',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        evaluation_of(text)


def test_what_no_evaluation_holds_is_not_recorded() -> None:
    with pytest.raises(TypeError, match="no evaluation holds a object"):
        record((object(),))
