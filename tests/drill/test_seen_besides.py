"""What a drill sees besides the clients: messages processed again, and what servers hold no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from secondsite.drill.play.on_disk import erased
from secondsite.drill.play.positions import Reprocessed, processed_again

FAULT_NS = 10_000_000_000


def _entry(name: str, second: float) -> dict[str, str | int]:
    return {"id": name, "monotonic_ns": int(second * 1e9)}


def test_only_what_was_processed_before_and_after_counts() -> None:
    entries = [_entry("a", 12), _entry("a", 8.5), _entry("b", 9), _entry("c", 11), _entry("c", 12), _entry("d", 9.5)]
    assert processed_again([*entries, _entry("d", 13)], FAULT_NS) == Reprocessed(2, 1.5)
    assert processed_again(entries[2:4], FAULT_NS) == Reprocessed(0, 0.0)


@given(seconds=some.lists(some.floats(0, 20), max_size=20), again=some.sets(some.integers(0, 19)))
def test_the_oldest_is_the_oldest(seconds: list[float], again: set[int]) -> None:
    entries = [_entry(str(n), second) for n, second in enumerate(seconds)]
    twice = [_entry(str(n), 21) for n in again if n < len(seconds)]
    before = [int(entries[n]["monotonic_ns"]) for n in again if n < len(seconds)]
    older = [at for at in before if at < FAULT_NS]
    found = processed_again([*twice, *entries], FAULT_NS)
    assert found == Reprocessed(len(older), (FAULT_NS - min(older, default=FAULT_NS)) / 1e9)


def test_less_on_any_server_is_told_and_silence_is_not() -> None:
    before = {"n0": {"A": 5, "B": 7}, "n1": {"A": 5, "B": 7}, "n2": {"A": 5}}
    after = {"n0": {"A": 5}, "n1": {"A": 5, "B": 7}}
    assert erased(before, after, ("A", "B")) == ("B: 7/7 messages on its servers before, 0/7 after",)
    assert erased(before, {}, ("A", "B")) == ()
