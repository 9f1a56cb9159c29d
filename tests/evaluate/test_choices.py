"""What is chosen for systems of which the right choice is known, by the evaluation with its audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondsite.audit.registry import audit
from secondsite.catalogue.bundle import Catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.evaluate.compare import compare
from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.strategy import Link, Strategy

CASES = Path(__file__).parent / "cases"
WARM = tuple(
    map(Strategy.parse, ("warm-standby/leafnode-mirror/failover-record", "warm-standby/stretch/failover-record"))
)


def compared(name: str, catalogue: Catalogue) -> Evaluation:
    return compare(load_system(CASES / f"{name}.yaml"), catalogue, audit, years=500, strategies=WARM)


@pytest.mark.parametrize(("name", "why_not"), [("workq", "nats-interest-promotion"), ("rpo0", "nats-rpo-below-delay")])
def test_work_queues_and_an_rpo_of_nothing_lead_to_one_stretched_cluster(
    name: str, why_not: str, catalogue: Catalogue
) -> None:
    found = compared(name, catalogue)
    assert found.recommended.strategy.link is Link.STRETCH
    mirrors = next(one for one in found.assessments if one.strategy.link is Link.LEAFNODE_MIRROR)
    assert why_not in mirrors.excluded


def test_ten_seconds_are_kept_by_no_strategy(catalogue: Catalogue) -> None:
    found = compared("rto10", catalogue)
    assert all(one.breached for one in found.assessments)
    assert found.recommendation.reasons[0].startswith("no strategy is expected to meet every contract")
