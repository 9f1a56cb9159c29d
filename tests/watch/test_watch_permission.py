"""What a finding allows: an operation is begun without a person only where nothing speaks against it."""

from __future__ import annotations

import pytest
from attrs import evolve
from observed import EAST, WEST

from secondsite.model.fault import Fault
from secondsite.watch.judging import RegionFinding, RegionJudgement
from secondsite.watch.permission import Circumstances, LastOperation, permission

LOST = RegionJudgement(EAST, RegionFinding.LOST, 0.0, RegionFinding.LOST, 3.0, lived=True)
GRAY = evolve(LOST, raw=RegionFinding.GRAY, finding=RegionFinding.GRAY)
NOW = Circumstances(EAST, frozenset({Fault.REGION}), 3600.0, journal_known=True)
UNDER_WAY = LastOperation("failover", 5.0, is_open=True, is_failover=True, acting="another watch")
FAILED_BACK = LastOperation("failback of us-east-1", 100.0, is_open=False, is_failover=False)


def test_a_lost_home_is_failed_over_without_a_person() -> None:
    assert permission(LOST, NOW).fault is Fault.REGION
    assert permission(LOST, NOW).asks == ""


def test_nothing_is_begun_for_nothing() -> None:
    assert permission(evolve(LOST, finding=RegionFinding.NOTHING), NOW).fault is None


@pytest.mark.parametrize(
    ("one", "now", "why"),
    [
        (GRAY, NOW, "gray needs approval"),
        (LOST, evolve(NOW, decide=frozenset()), "region needs approval"),
        (LOST, evolve(NOW, by_person=True), "starts only when a person"),
        (evolve(LOST, lived=False), NOW, "has never seen"),
        (LOST, evolve(NOW, maintenance_s=60.0), "maintenance"),
        (LOST, evolve(NOW, journal_known=False), "journal"),
        (LOST, evolve(NOW, last=FAILED_BACK), "second one within 3600 s"),
    ],
)
def test_every_doubt_asks_a_person(one: RegionJudgement, now: Circumstances, why: str) -> None:
    answer = permission(one, now)
    assert answer.fault is not None
    assert why in answer.asks


def test_the_block_ends() -> None:
    assert permission(LOST, evolve(NOW, last=evolve(FAILED_BACK, age_s=3601.0))).asks == ""


@pytest.mark.parametrize(
    ("one", "now"),
    [
        (evolve(LOST, region=WEST), NOW),
        (
            LOST,
            evolve(NOW, last=UNDER_WAY),
        ),
        (LOST, evolve(NOW, last=LastOperation("failover", 9e9, is_open=False, is_failover=True))),
    ],
    ids=["a standby", "an operation is in progress", "it was failed over already"],
)
def test_nobody_is_asked_for_what_cannot_be_done(one: RegionJudgement, now: Circumstances) -> None:
    answer = permission(one, now)
    assert answer.fault is None
    assert answer.why
