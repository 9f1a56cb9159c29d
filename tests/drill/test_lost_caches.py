"""What is counted of a cache that went with its region, although nothing of it is lost for good."""

from __future__ import annotations

from attrs import evolve

from secondsite.drill.evidence.events import TimelineEvent
from secondsite.drill.evidence.observation import lost_caches
from secondsite.drill.play.caches import CacheLoss, CacheRead, cache_loss

HOME, AWAY = "us-east-1", "us-west-2"
SECOND = 10**9
FAULT = 5 * SECOND
BEFORE = [CacheRead(key * SECOND // 10, HOME, key, False) for key in range(20)]


def read(at_s: float, key: int, *, hit: bool = False) -> CacheRead:
    return CacheRead(FAULT + round(at_s * SECOND), AWAY, key, hit)


def test_it_began_empty_and_was_filled_again_by_what_was_read() -> None:
    after = [read(10 + key / 10, key) for key in range(20)]
    again = [read(30, 3, hit=True)]
    assert cache_loss([*BEFORE, *after, *again], FAULT, HOME, AWAY) == CacheLoss(20, 0, 20, 1.8)


def test_a_replica_that_nobody_expected_is_told_from_an_empty_one() -> None:
    after = [read(1 + key, key, hit=key < 4) for key in range(20)]
    assert cache_loss([*BEFORE, *after], FAULT, HOME, AWAY).before == 4


def test_what_was_not_read_again_is_not_called_filled() -> None:
    """18 of 20 are less than nearly all; reads of what nobody had before do not count."""
    after = [read(1 + key, key) for key in range(18)] + [read(20, 77)]
    assert cache_loss([*BEFORE, *after], FAULT, HOME, AWAY) == CacheLoss(20, 0, 18, None)
    assert cache_loss(BEFORE, FAULT, HOME, AWAY) == CacheLoss(20, 0, 0, None)


def test_what_the_lost_region_answered_after_the_fault_is_no_key_of_before() -> None:
    late = CacheRead(FAULT + 1, HOME, 99, False)
    assert cache_loss([*BEFORE, late], FAULT, HOME, AWAY).keys == 20


def test_without_anything_cached_nothing_is_said_to_be_filled() -> None:
    assert cache_loss([read(1, 1)], FAULT, HOME, AWAY) == CacheLoss(0, 0, 0, None)


def test_a_timeline_tells_it_by_store() -> None:
    told = {"keys": 100, "before": 0, "again": 97, "seconds": 5.5}
    event = TimelineEvent("cache-lost", 1, 1, {"store": "redis", **told})
    assert lost_caches([event, evolve(event, name="note")]) == {"redis": told}
