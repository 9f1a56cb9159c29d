"""Which state a moment had, decided from checkpoints alone; and what is told of it to a monitoring system."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import generate_latest

from secondsite.archive.metrics import ArchiveMetrics
from secondsite.archive.moment import ArchiveTimeline
from secondsite.archive.plan import Shipped
from secondsite.archive.records import Checkpoint, StreamCheckpoint, StreamDetails

CREATED = "1970-01-01T00:00:01Z#1"
SECOND = 10**9


def _checkpoint(number: int, at_s: int, through: int, *gone: str) -> Checkpoint:
    stream = StreamCheckpoint("ORDERS", CREATED, at_s * SECOND, through, 1, through, through, 0, 0, ())
    streams = () if gone else (stream,)
    return Checkpoint(number, "", "", at_s * SECOND, "", "", "", "", (), streams, gone, (), "")


def _at(at_s: int | None, *checkpoints: Checkpoint, details: dict[str, StreamDetails] | None = None) -> ArchiveTimeline:
    timeline = ArchiveTimeline(None if at_s is None else at_s * SECOND)
    for checkpoint in checkpoints:
        timeline.add(checkpoint, lambda: details or {})
    return timeline


def test_the_last_look_before_a_moment_counts() -> None:
    checkpoints = [_checkpoint(1, 10, 100), _checkpoint(2, 20, 200), _checkpoint(3, 30, 300)]
    assert [_at(at_s, *checkpoints).result()["ORDERS"].floor for at_s in (10, 19, 20, 29, 31, None)] == [
        100, 100, 200, 200, 300, 300,
    ]  # fmt: skip
    assert _at(9, *checkpoints).result() == {}
    assert _at(25, *checkpoints).reached_ns == 20 * SECOND


@pytest.mark.parametrize("jump_s", [5000, 0])
def test_a_clock_that_jumps_hides_nothing(jump_s: int) -> None:
    """For one checkpoint, forward or back: those after it count as before."""
    checkpoints = [
        _checkpoint(1, 10, 100),
        _checkpoint(2, jump_s, 150),
        _checkpoint(3, 20, 200),
        _checkpoint(4, 30, 300),
    ]
    assert _at(25, *checkpoints).result()["ORDERS"].floor == 200
    assert _at(None, *checkpoints).result()["ORDERS"].floor == 300


def test_what_a_look_from_the_future_told_is_not_forgotten() -> None:
    """Each checkpoint tells only what is new."""
    timeline = ArchiveTimeline(25 * SECOND)
    for checkpoint, gone in (
        (_checkpoint(1, 10, 100), (7, 7)),
        (_checkpoint(2, 5000, 150), (120, 130)),
        (_checkpoint(3, 20, 200), (160, 160)),
    ):
        timeline.add(checkpoint, lambda gone=gone: {"ORDERS": StreamDetails(newly_gone=(gone,))})  # type: ignore[misc] # bound here
    assert timeline.result()["ORDERS"].gone == ((7, 7), (120, 130), (160, 160))


def test_a_stream_that_was_deleted_is_gone_from_then_on() -> None:
    checkpoints = [_checkpoint(1, 10, 100), _checkpoint(2, 20, 0, "ORDERS")]
    assert set(_at(15, *checkpoints).result()) == {"ORDERS"}
    assert _at(20, *checkpoints).result() == {}


def test_a_stream_that_was_made_between_two_looks_has_its_messages() -> None:
    """It is told of after the moment, and was there at it."""
    config = {"ORDERS": StreamDetails(config={"name": "ORDERS"})}
    assert _at(5, _checkpoint(1, 10, 100), details=config).result()["ORDERS"].floor == 0
    assert _at(0, _checkpoint(1, 10, 100), details=config).result() == {}


def _shipped(**more: Any) -> Shipped:
    told: dict[str, Any] = {"number": 1, "streams": 1, "messages": 5, "plain_bytes": 9, "stored_bytes": 4}
    return Shipped(**{**told, "behind": {}, "whole": ("A", "B"), "missing": (), **more})


def test_ages_grow_until_a_look_has_all_of_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("secondsite.archive.metrics.time.monotonic", lambda: now[0])
    metrics = ArchiveMetrics(5)
    metrics.shipped(_shipped())
    now[0] += 7
    assert metrics.ages_s() == {"A": 7, "B": 7}
    metrics.shipped(_shipped(whole=("A",), behind={"B": 4096}))
    now[0] += 3
    assert (metrics.ages_s(), metrics.behind_bytes()) == ({"A": 3, "B": 10}, {"A": 0, "B": 4096})
    metrics.shipped(_shipped(whole=("A",), missing=("B",)))
    assert metrics.ages_s() == {"A": 0, "B": 10}
    metrics.shipped(_shipped(whole=("A",)))
    assert metrics.ages_s() == {"A": 0}
    text = generate_latest(metrics.registry).decode()
    assert 'secondsite_archive_stream_age_seconds{stream="A"} 0.0' in text
    assert "secondsite_archive_messages_total 20.0" in text
    metrics.standing_by(42)
    text = generate_latest(metrics.registry).decode()
    assert "secondsite_archive_age_seconds 42.0" in text
    assert "secondsite_archive_shipping 0.0" in text
    assert "stream=" not in text
