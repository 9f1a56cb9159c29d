"""The clocks of RTO and RPO against histories whose answer is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from secondsite.drill.check.checker import check
from secondsite.drill.check.rpo import LossWindow, loss_window, rpo, rpo_by_stream
from secondsite.drill.check.rto import Rto, Sustained, reached, rto
from secondsite.drill.evidence.events import Milestone
from secondsite.drill.ledger.finals import FinalRead, Finals
from secondsite.drill.ledger.record import Purpose, Status, endpoint
from secondsite.model.errors import InputError

Maker = Callable[..., Any]
Copier = Callable[..., FinalRead]
S = 1_000_000_000
OLD, NEW = endpoint("127.1.0.81"), endpoint("127.2.0.81")
NEW_SIDE = ("127.2.0.0/16",)


@frozen
class W:
    intent_ns: int
    ack_ns: int | None
    endpoint: int = OLD
    key: int = 0
    client: int = 0
    stream: int = 0
    purpose: Purpose = Purpose.WRITE
    status: Status = Status.STORED
    stream_sequence: int = 0
    payload_bytes: int = 100


def _steady(begin_s: float, end_s: float, per_s: int, at: int, latency_ns: int = 1_000_000) -> list[W]:
    count = round((end_s - begin_s) * per_s)
    starts = [round(begin_s * S) + number * S // per_s for number in range(count)]
    return [W(start, start + latency_ns, at) for start in starts]


def _timeline(*seconds: float) -> dict[Milestone, int]:
    return {milestone: round(second * S) for milestone, second in zip(Milestone, seconds, strict=False)}


def test_the_parts_of_a_failover(make: Maker) -> None:
    """Fault at 10, clients back one by one from 14 on, all of them at 16."""
    found = [
        *_steady(0, 10, 40, OLD),
        *(W(start, None) for start in range(10 * S + 1, 14 * S, S // 40)),
        *_steady(14, 16, 10, NEW),
        *_steady(16, 30, 40, NEW),
    ]
    measured = rto(_timeline(10, 11, 11.5, 13, 13.75), make(found).history, NEW_SIDE)
    assert measured.unbounded == ""
    assert (measured.detect, measured.decide, measured.execute, measured.converge) == (1.0, 0.5, 1.5, 0.75)
    assert measured.first_ack == pytest.approx(0.251)
    assert measured.sustained == pytest.approx(1.8, abs=0.1001)
    assert measured.total == pytest.approx(5.8, abs=0.11)
    assert list(measured.parts()) == ["detect", "decide", "execute", "converge", "first_ack", "sustained", "total"]


def test_what_the_old_side_or_a_write_from_before_the_fault_shows_is_no_recovery(make: Maker) -> None:
    found = [
        *_steady(0, 10, 40, OLD),
        W(10 * S - 5, 11 * S, NEW),
        W(10 * S + 5, 12 * S, OLD),
        W(10 * S + 6, 13 * S, NEW),
    ]
    measured = rto(_timeline(10), make(found).history, NEW_SIDE)
    assert measured.first_ack == 3.0
    anywhere = rto(_timeline(10), make(found).history)
    assert anywhere.first_ack == 2.0


def test_a_burst_of_retries_is_not_yet_sustained(make: Maker) -> None:
    """500 acknowledgements at once, then half the rate for 10 s, then all of it."""
    burst = [W(10 * S + 1 + number, 12 * S + number, NEW) for number in range(500)]
    found = [*_steady(0, 10, 40, OLD), *burst, *_steady(12, 22, 20, NEW), *_steady(22, 40, 40, NEW)]
    measured = rto(_timeline(10), make(found).history, NEW_SIDE)
    assert measured.total == pytest.approx(12, abs=0.6)


def test_what_never_came_back_is_unbounded_and_says_which(make: Maker) -> None:
    before = _steady(0, 10, 40, OLD)
    never = rto(_timeline(10, 11, 12), make(before).history, NEW_SIDE)
    assert (never.detect, never.decide, never.first_ack, never.total) == (1.0, 1.0, None, None)
    assert never.unbounded == "no write was acknowledged by the new side after the fault"
    half = rto(_timeline(10, 11, 12), make([*before, *_steady(14, 40, 20, NEW)]).history, NEW_SIDE)
    assert half.first_ack == pytest.approx(2.001)
    assert (half.sustained, half.total) == (None, None)
    assert half.unbounded == "never again 95% of 40 acknowledged writes a second for 5 s"
    short = rto(_timeline(10), make([*before, *_steady(14, 18, 40, NEW)]).history, NEW_SIDE)
    assert short.total is None


def test_a_milestone_noted_after_the_clients_were_served_counts_up_to_then(make: Maker) -> None:
    found = [*_steady(0, 10, 40, OLD), *_steady(12, 30, 40, NEW, 0)]
    measured = rto(_timeline(10, 11, 11.5, 20, 25), make(found).history, NEW_SIDE)
    assert measured == Rto(1.0, 0.5, 0.5, 0.0, 0.0, 0.0, 2.0)


@settings(max_examples=60, deadline=None)
@given(
    times=st.dictionaries(st.sampled_from(list(Milestone)[1:]), st.floats(5, 40)),
    back=st.floats(10.1, 20),
    share=st.floats(0.1, 1),
)
def test_parts_are_never_negative_and_add_up(
    times: dict[Milestone, float], back: float, share: float, make: Maker
) -> None:
    found = [*_steady(0, 10, 20, OLD), *_steady(back, 35, 20, NEW)]
    timeline = {Milestone.FAULT: 10 * S, **{name: round(second * S) for name, second in times.items()}}
    measured = rto(timeline, make(found).history, NEW_SIDE, Sustained(share=share))
    *parts, total = measured.parts().values()
    assert all(part is not None and part >= 0 for part in parts)
    assert total == pytest.approx(sum(part for part in parts if part is not None), abs=1e-9)
    assert total == pytest.approx(back - 10, abs=0.2) or share < 0.95


def test_a_timeline_without_a_fault_and_a_load_that_came_late_are_refused(make: Maker) -> None:
    with pytest.raises(InputError, match="it records no fault"):
        rto({}, make(_steady(0, 1, 10, OLD)).history)
    with pytest.raises(InputError, match="no write was acknowledged before the fault"):
        rto(_timeline(0), make(_steady(1, 2, 10, OLD)).history)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1))
def test_endpoints_belong_to_networks(parts: Sequence[tuple[int, int]]) -> None:
    found = np.array([endpoint(f"127.{a}.{b}.81") for a, b in parts], np.uint32)
    inside = reached(found, ["127.2.0.0/16", "127.3.0.0/24"])
    assert inside.tolist() == [a == 2 or (a, b) == (3, 0) for a, b in parts]


# --- RPO


def test_rpo_in_messages_bytes_and_seconds_by_stream(make: Maker, copy_of: Copier) -> None:
    found = [
        W(1 * S, 2 * S),
        W(3 * S, 4 * S, payload_bytes=7),
        W(5 * S, None),
        W(6 * S, 12 * S, payload_bytes=5),
        W(7 * S, 8 * S, stream=1, payload_bytes=11),
    ]
    made = make(found)
    copies = [copy_of(made.identities[:1]), copy_of([], "OTHER"), copy_of([], "KV_c")]
    findings = check(made.history, Finals(copies))
    by_stream = rpo_by_stream(made.history, findings, 10 * S)
    events = by_stream["EVENTS"]
    assert (events.messages, events.bytes, events.seconds) == (2, 12, 6.0)
    assert (by_stream["OTHER"].messages, by_stream["OTHER"].seconds) == (1, 2.0)
    assert by_stream["KV_c"].messages == 0
    whole = rpo(made.history, findings, 10 * S)
    assert (whole.messages, whole.bytes, whole.seconds, whole.proven) == (3, 23, 6.0, True)


def test_only_losses_from_after_the_fault_have_no_age(make: Maker, copy_of: Copier) -> None:
    made = make([W(11 * S, 12 * S)])
    findings = check(made.history, Finals([copy_of([]), copy_of([], "OTHER"), copy_of([], "KV_c")]))
    lost = rpo(made.history, findings, 10 * S)
    assert (lost.messages, lost.seconds) == (1, 0.0)


def test_the_window_of_a_loss_reaches_from_the_oldest_lost_write_to_the_newest(make: Maker, copy_of: Copier) -> None:
    """Of EVENTS 4 s and 12 s are lost, of OTHER 8 s; EVENTS is known from 2 s on, OTHER from 6 s on."""
    made = make(
        [W(1 * S, 2 * S), W(3 * S, 4 * S), W(9 * S, 12 * S), W(5 * S, 6 * S, stream=1), W(7 * S, 8 * S, stream=1)]
    )
    there = [copy_of(made.identities[:1]), copy_of(made.identities[3:4], "OTHER"), copy_of([], "KV_c")]
    fate = check(made.history, Finals(there)).marks.fate
    assert loss_window(made.history, fate, 10 * S) == LossWindow(8.0, 10.0, 0.0, "KV_c")
    none = copy_of(made.identities[:1]), copy_of([], "OTHER"), copy_of([], "KV_c")
    fate = check(made.history, Finals(none)).marks.fate
    assert loss_window(made.history, fate, 10 * S).most is None, "nobody saw what was lost of OTHER before"


def test_of_two_faults_the_one_counts_that_lost_the_writes(make: Maker, copy_of: Copier) -> None:
    """`second-loss`: 2 s before the second loss, which came a minute after the first, and not 60 s of the first's."""
    made = make([W(8 * S, 9 * S), W(66 * S, 67 * S), W(67 * S, 68 * S)])
    findings = check(made.history, Finals([copy_of(made.identities[:2]), copy_of([], "OTHER"), copy_of([], "KV_c")]))
    faults = 10 * S, 70 * S
    lost = rpo(made.history, findings, *faults)
    assert (lost.messages, lost.seconds) == (1, 2.0)
    window = loss_window(made.history, findings.marks.fate, *faults)
    assert (window.least, window.most) == (2.0, 3.0)


def test_what_the_first_of_two_faults_lost_counts_by_it(make: Maker, copy_of: Copier) -> None:
    made = make([W(1 * S, 2 * S), W(3 * S, 4 * S), W(66 * S, 67 * S), W(67 * S, 68 * S)])
    there = [copy_of([made.identities[0], made.identities[2]]), copy_of([], "OTHER"), copy_of([], "KV_c")]
    findings = check(made.history, Finals(there))
    lost = rpo(made.history, findings, 10 * S, 70 * S)
    assert (lost.messages, lost.seconds) == (2, 6.0)
    window = loss_window(made.history, findings.marks.fate, 10 * S, 70 * S)
    assert (window.least, window.most) == (6.0, 8.0)


def test_what_only_a_202_promised_is_counted_among_the_lost(make: Maker, copy_of: Copier) -> None:
    made = make([W(1 * S, 2 * S, status=Status.BUFFERED), W(3 * S, 4 * S), W(5 * S, 6 * S, status=Status.BUFFERED)])
    findings = check(made.history, Finals([copy_of(made.identities[2:]), copy_of([], "OTHER"), copy_of([], "KV_c")]))
    lost = rpo(made.history, findings, 10 * S)
    assert (lost.messages, lost.promised) == (2, 1)


def test_rpo_of_what_was_not_read_is_unproven(make: Maker, copy_of: Copier) -> None:
    made = make([W(1, 2)])
    findings = check(made.history, Finals([copy_of([], complete=False), copy_of([], "OTHER"), copy_of([], "KV_c")]))
    assert not rpo(made.history, findings, 10).proven
    assert rpo_by_stream(made.history, findings, 10)["OTHER"].proven
