"""Faults of every kind planted in made-up histories: the checker finds exactly those, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from attrs import evolve, frozen
from clean_findings import clean
from hypothesis import given, settings
from hypothesis import strategies as st

from secondsite.drill.check.checker import Crashed, check, checked
from secondsite.drill.check.findings import Fate, Findings
from secondsite.drill.ledger.finals import FinalRead, Finals, processing
from secondsite.drill.ledger.record import ANY_KEY, Purpose, RecordKind, Status, message_id
from secondsite.model.errors import InputError

Maker = Callable[..., Any]
Copier = Callable[..., FinalRead]

# conftest's nouns, by the fixtures that make them: tests import nothing from each other.


@frozen
class W:
    """A write as conftest's ``Write``, with the point at which it took effect."""

    intent_ns: int
    ack_ns: int | None
    effect_ns: int | None
    key: int = 0
    client: int = 0
    stream: int = 0
    purpose: Purpose = Purpose.WRITE
    status: Status = Status.STORED
    stream_sequence: int = 0
    payload_bytes: int = 100
    endpoint: int = 0


@frozen
class E:
    at_ns: int
    kind: RecordKind
    stream: int = 0
    stream_sequence: int = 0
    key: int = ANY_KEY


@st.composite
def writes(draw: st.DrawFn, most: int = 25, stream: int = 0) -> list[W]:
    """Overlapping at will: intent, effect and acknowledgement in that order; some never acknowledged or done."""
    found = []
    count = draw(st.integers(0, most))
    times = draw(st.lists(st.integers(1, 400), min_size=3 * count, max_size=3 * count, unique=True)) if count else []
    for number in range(count):
        intent, effect, ack = sorted(times[3 * number : 3 * number + 3])
        kind = draw(st.sampled_from(["acked", "acked", "acked", "unknown", "absent"]))
        found.append(
            W(
                intent,
                ack if kind == "acked" else None,
                None if kind == "absent" else effect,
                key=draw(st.integers(0, 2)),
                client=draw(st.integers(0, 2)),
                stream=stream,
                status=draw(st.sampled_from([Status.STORED, Status.BUFFERED])),
            )
        )
    return found


def _in_effect(found: Sequence[W]) -> list[int]:
    done = [number for number, write in enumerate(found) if write.effect_ns is not None]
    return sorted(done, key=lambda number: found[number].effect_ns or 0)


def _others(copy_of: Copier, *streams: str) -> list[FinalRead]:
    return [copy_of([], name) for name in streams]


def _ids(made: Any, mask: Any) -> set[str]:
    return set(made.history.message_ids(np.flatnonzero(mask)))


def _named(made: Any, numbers: Sequence[int] | set[int]) -> set[str]:
    return {message_id("r1", made.identities[n] >> 32, made.identities[n] & 0xFFFF_FFFF) for n in numbers}


def _fates(made: Any, findings: Findings) -> dict[str, Fate]:
    rows = np.arange(len(made.history))
    return dict(zip(made.history.message_ids(rows), map(Fate, findings.marks.fate.tolist()), strict=True))


@settings(max_examples=70, deadline=None)
@given(data=st.data(), found=writes())
def test_what_is_planted_is_found_and_nothing_else(
    data: st.DataObject, found: list[W], make: Maker, copy_of: Copier
) -> None:
    order = _in_effect(found)
    acked = [n for n in order if found[n].ack_ns is not None]
    lost = set(data.draw(st.lists(st.sampled_from(acked), unique=True), label="lost")) if acked else set()
    order = [n for n in order if n not in lost]
    movable = [
        a
        for a in order
        if any(found[b].key == found[a].key and found[b].intent_ns > (found[a].ack_ns or 10**9) for b in order)
    ]
    moved = set(data.draw(st.lists(st.sampled_from(movable), unique=True), label="moved")) if movable else set()
    # The last of a key stays where it is, so that each that is moved stands behind one intended after its ack.
    order = [n for n in order if n not in moved] + sorted(moved)
    twice = data.draw(st.lists(st.sampled_from(order), unique=True), label="twice") if order else []
    strays = data.draw(st.integers(0, 3), label="strays")
    made = make(found)
    ids: list[int | None] = [made.identities[n] for n in [*order, *twice]]
    for _ in range(strays):
        ids.insert(data.draw(st.integers(0, len(ids))), data.draw(st.sampled_from([None, 5 << 32, 999, 1 << 60])))

    findings = check(made.history, Finals([copy_of(ids), *_others(copy_of, "OTHER", "KV_c")]))

    stream = findings.streams["EVENTS"]
    fates = _fates(made, findings)
    for number, write in enumerate(found):
        (name,) = _named(made, [number])
        present = number in order
        if write.ack_ns is None:
            assert fates[name] is (Fate.INDETERMINATE_PRESENT if present else Fate.INDETERMINATE_ABSENT)
        else:
            assert fates[name] is (Fate.ACKNOWLEDGED_PRESENT if present else Fate.ACKNOWLEDGED_LOST)
    assert _ids(made, findings.marks.reordered) == _named(made, moved)
    assert _ids(made, findings.marks.duplicated) == _named(made, twice)
    stored = {n for n, write in enumerate(found) if write.ack_ns is not None and write.status is Status.STORED}
    assert (stream.duplicate, stream.doubled) == (len(twice), len(stored & set(twice)))
    assert (stream.reordered, stream.disordered) == (len(moved), len(stored & moved))
    assert stream.phantom == strays
    assert len(findings.marks.phantoms.get("EVENTS", ())) == strays
    assert stream.resurrected == 0
    assert sum(stream.fates.values()) == len(found)
    assert stream.fates[Fate.ACKNOWLEDGED_LOST] == len(lost)
    assert findings.proven
    assert clean(stream) == (not (lost or moved or twice or strays))


def _naive_reordered(found: Sequence[W], order: Sequence[int]) -> set[int]:
    """By the definition, pair by pair."""
    place: dict[int, int] = {}
    for at, number in enumerate(order):
        place.setdefault(number, at)
    return {
        a
        for a in place
        for b in place
        if found[a].key == found[b].key
        and place[b] < place[a]
        and found[a].ack_ns is not None
        and found[b].intent_ns > (found[a].ack_ns or 0)
    }


@settings(max_examples=70, deadline=None)
@given(data=st.data(), found=writes())
def test_any_copy_is_judged_as_the_definitions_say(
    data: st.DataObject, found: list[W], make: Maker, copy_of: Copier
) -> None:
    numbers = st.lists(st.integers(0, len(found) - 1)) if found else st.just([])
    west, east = data.draw(numbers), data.draw(numbers)
    complete = data.draw(st.booleans())
    made = make(found)
    copies = [
        copy_of([made.identities[n] for n in west]),
        copy_of([made.identities[n] for n in east], place="east", complete=complete),
    ]
    findings = check(made.history, Finals([*copies, *_others(copy_of, "OTHER", "KV_c")]))
    fates = _fates(made, findings)
    for number, write in enumerate(found):
        (name,) = _named(made, [number])
        acked, present = write.ack_ns is not None, number in west or number in east
        expected = {
            (True, True): Fate.ACKNOWLEDGED_PRESENT,
            (True, False): Fate.ACKNOWLEDGED_LOST if complete else Fate.UNREAD,
            (False, True): Fate.INDETERMINATE_PRESENT,
            (False, False): Fate.INDETERMINATE_ABSENT if complete else Fate.UNREAD,
        }[acked, present]
        assert fates[name] is expected
    twice = {n for order in (west, east) for n in order if order.count(n) > 1}
    assert _ids(made, findings.marks.duplicated) == _named(made, twice)
    wrong = _naive_reordered(found, west) | _naive_reordered(found, east)
    assert _ids(made, findings.marks.reordered) == _named(made, wrong)
    assert findings.proven == (Fate.UNREAD not in fates.values())


@pytest.mark.parametrize(
    ("field", "value", "finding"),
    [
        ("key", 3, "moved"),
        ("key", 7, "moved"),
        ("key", ANY_KEY, ""),
        ("subject", 1, "moved"),
        ("payload", 9, "altered"),
        ("payload_bytes", 99, "altered"),
        ("payload_bytes", 101, "altered"),
    ],
)
def test_a_message_with_other_contents_is_one_of_its_kind(
    field: str, value: int, finding: str, make: Maker, copy_of: Copier
) -> None:
    """The third of five; an ``ANY_KEY`` is a subject that carries no key."""
    made = make([W(n, n + 1, n, key=5) for n in range(5)])
    read = copy_of(made.identities)
    read.rows["key"], read.rows["payload_bytes"] = 5, 100
    read.rows[field][2] = value
    findings = check(made.history, Finals([evolve(read, compared=True), *_others(copy_of, "OTHER", "KV_c")]))
    stream = findings.streams["EVENTS"]
    assert (stream.moved, stream.altered) == (int(finding == "moved"), int(finding == "altered"))
    marked = findings.marks.moved if finding == "moved" else findings.marks.altered
    assert _ids(made, marked) == (_named(made, [2]) if finding else set())


def test_two_writes_at_one_instant_were_promised_no_order(make: Maker, copy_of: Copier) -> None:
    """Acknowledged at the very nanosecond at which the next was intended: neither is before the other."""
    made = make([W(1, 5, 3), W(5, 9, 7), W(6, 9, 8)])
    findings = check(made.history, Finals([copy_of(made.identities[1::-1]), *_others(copy_of, "OTHER", "KV_c")]))
    assert findings.streams["EVENTS"].reordered == 0
    findings = check(made.history, Finals([copy_of(made.identities[::-1]), *_others(copy_of, "OTHER", "KV_c")]))
    assert _ids(made, findings.marks.reordered) == _named(made, [0])


@settings(max_examples=50, deadline=None)
@given(data=st.data(), found=writes())
def test_what_was_purged_and_is_there_came_back(
    data: st.DataObject, found: list[W], make: Maker, copy_of: Copier
) -> None:
    asked, confirmed = data.draw(st.integers(1, 400)), data.draw(st.integers(401, 500))
    key = data.draw(st.sampled_from([0xFFFF_FFFF, 0, 1]))
    events = [E(asked, RecordKind.PURGE, key=key), E(confirmed, RecordKind.PURGED, key=key)]
    aimed = {n for n, write in enumerate(found) if key in (0xFFFF_FFFF, write.key)}
    gone = {n for n in aimed if (found[n].ack_ns or 10**9) < asked}
    back = set(data.draw(st.lists(st.sampled_from(sorted(gone)), unique=True))) if gone else set()
    order = [n for n in _in_effect(found) if n not in gone or n in back]
    made = make(found, events)
    findings = check(
        made.history, Finals([copy_of([made.identities[n] for n in order]), *_others(copy_of, "OTHER", "KV_c")])
    )
    assert _ids(made, findings.marks.resurrected) == _named(made, back)
    stream = findings.streams["EVENTS"]
    assert stream.fates[Fate.ERASED] == len(gone - back)
    assert stream.fates[Fate.ACKNOWLEDGED_LOST] == 0


def test_a_write_under_way_during_a_purge_may_be_gone_or_there(make: Maker, copy_of: Copier) -> None:
    events = [E(50, RecordKind.PURGE), E(60, RecordKind.PURGED)]
    made = make([W(40, 55, 45), W(41, 56, 58), W(70, 80, 75)], events)
    findings = check(made.history, Finals([copy_of(made.identities[1:2]), *_others(copy_of, "OTHER", "KV_c")]))
    assert list(_fates(made, findings).values()) == [Fate.ERASED, Fate.ACKNOWLEDGED_PRESENT, Fate.ACKNOWLEDGED_LOST]
    assert not findings.marks.resurrected.any()


def test_a_purge_that_nobody_saw_confirmed_excuses_and_accuses_nobody(make: Maker, copy_of: Copier) -> None:
    made = make([W(10, 20, 15), W(30, 40, 35)], [E(50, RecordKind.PURGE)])
    findings = check(made.history, Finals([copy_of(made.identities[1:]), *_others(copy_of, "OTHER", "KV_c")]))
    assert list(_fates(made, findings).values()) == [Fate.ERASED, Fate.ACKNOWLEDGED_PRESENT]
    assert not findings.marks.resurrected.any()


def test_a_purge_up_to_a_sequence_and_a_delete_of_one_reach_only_those(make: Maker, copy_of: Copier) -> None:
    found = [W(10 * n, 10 * n + 5, 10 * n + 2, stream_sequence=n) for n in range(1, 7)]
    events = [
        E(100, RecordKind.PURGE, stream_sequence=3),
        E(101, RecordKind.PURGED, stream_sequence=3),
        E(102, RecordKind.DELETE, stream_sequence=5),
        E(103, RecordKind.DELETED, stream_sequence=5),
    ]
    made = make(found, events)
    kept = [made.identities[n] for n in (1, 3, 4)]
    findings = check(made.history, Finals([copy_of(kept), *_others(copy_of, "OTHER", "KV_c")]))
    assert [fate.name for fate in _fates(made, findings).values()] == [
        "ERASED",
        "ACKNOWLEDGED_PRESENT",
        "ACKNOWLEDGED_LOST",
        "ACKNOWLEDGED_PRESENT",
        "ACKNOWLEDGED_PRESENT",
        "ACKNOWLEDGED_LOST",
    ]
    assert _ids(made, findings.marks.resurrected) == _named(made, [1, 4])


def test_a_buffered_write_may_have_been_purged_or_not(make: Maker, copy_of: Copier) -> None:
    """Its sequence was never told, so a purge up to a sequence may have reached it."""
    found = [W(1, 3, 2, status=Status.BUFFERED), W(4, 6, 5, stream_sequence=9), W(7, 9, 8, status=Status.BUFFERED)]
    made = make(found, [E(20, RecordKind.PURGE, stream_sequence=5), E(21, RecordKind.PURGED, stream_sequence=5)])
    findings = check(made.history, Finals([copy_of(made.identities[2:]), *_others(copy_of, "OTHER", "KV_c")]))
    assert list(_fates(made, findings).values()) == [Fate.ERASED, Fate.ACKNOWLEDGED_LOST, Fate.ACKNOWLEDGED_PRESENT]
    assert not findings.marks.resurrected.any()


def test_what_was_purged_is_not_known_to_be_gone_from_a_copy_that_was_not_read(make: Maker, copy_of: Copier) -> None:
    made = make([W(1, 3, 2)], [E(20, RecordKind.PURGE), E(21, RecordKind.PURGED)])
    copies = [copy_of([]), copy_of([], place="east", complete=False), *_others(copy_of, "OTHER", "KV_c")]
    assert list(_fates(made, check(made.history, Finals(copies))).values()) == [Fate.UNREAD]


def test_a_message_in_another_stream_is_a_phantom_there_and_lost_here(make: Maker, copy_of: Copier) -> None:
    made = make([W(1, 3, 2)])
    findings = check(made.history, Finals([copy_of([]), copy_of(made.identities, "OTHER"), *_others(copy_of, "KV_c")]))
    assert findings.streams["EVENTS"].fates[Fate.ACKNOWLEDGED_LOST] == 1
    assert findings.streams["OTHER"].phantom == 1
    assert findings.marks.phantoms["OTHER"][0].text == "r1.0.0"


def test_a_stream_that_nobody_read_proves_nothing(make: Maker) -> None:
    made = make([W(1, 3, 2), W(4, None, None)])
    findings = check(made.history, Finals())
    assert findings.streams["EVENTS"].fates[Fate.UNREAD] == 2
    assert not findings.proven
    assert findings.streams["EVENTS"].unread == ("EVENTS: no copy of it was read",)


def test_a_wrong_write_is_counted_where_it_is(make: Maker, copy_of: Copier) -> None:
    made = make([W(1, 3, 2), W(4, 6, 5, purpose=Purpose.WRONG), W(7, 9, 8, purpose=Purpose.WRONG)])
    findings = check(made.history, Finals([copy_of(made.identities[:2]), *_others(copy_of, "OTHER", "KV_c")]))
    stream = findings.streams["EVENTS"]
    assert (stream.fates[Fate.WRONG_PRESENT], stream.fates[Fate.WRONG_ABSENT]) == (1, 1)
    assert not clean(stream)
    assert findings.examples["wrong-present"] == ("r1.0.1",)


# --- KV


@settings(max_examples=70, deadline=None)
@given(found=writes(stream=2), data=st.data())
def test_a_bucket_whose_last_values_are_the_last_is_clean(
    found: list[W], data: st.DataObject, make: Maker, copy_of: Copier
) -> None:
    purposes = [data.draw(st.sampled_from([Purpose.WRITE, Purpose.WRITE, Purpose.TOMBSTONE])) for _ in found]
    found = [evolve(write, purpose=purpose) for write, purpose in zip(found, purposes, strict=True)]
    last = {found[n].key: n for n in _in_effect(found)}
    gone = data.draw(st.booleans())
    kept = [n for n in last.values() if not (gone and found[n].purpose is Purpose.TOMBSTONE)]
    made = make(found)
    bucket = copy_of([made.identities[n] for n in kept], "KV_c")
    findings = check(made.history, Finals([bucket, *_others(copy_of, "EVENTS", "OTHER")]))
    stream = findings.streams["KV_c"]
    assert stream.fates[Fate.ACKNOWLEDGED_LOST] == 0
    assert clean(stream)


@settings(max_examples=50, deadline=None)
@given(data=st.data(), count=st.integers(1, 12))
def test_a_bucket_rolled_back_lost_what_came_after(
    data: st.DataObject, count: int, make: Maker, copy_of: Copier
) -> None:
    """One write after the other, on two keys; one key is set back to an older value, or to none."""
    purpose = st.sampled_from([Purpose.WRITE, Purpose.WRITE, Purpose.TOMBSTONE])
    found = [
        W(10 * n + 1, 10 * n + 3, 10 * n + 2, key=data.draw(st.integers(0, 1)), stream=2, purpose=data.draw(purpose))
        for n in range(count)
    ]
    mine = [n for n in range(count) if found[n].key == 0]
    other = [n for n in range(count) if found[n].key == 1]
    to = data.draw(st.integers(-1, len(mine) - 1))
    kept = ([mine[to]] if to >= 0 else []) + other[-1:]
    made = make(found)
    findings = check(
        made.history,
        Finals([copy_of([made.identities[n] for n in kept], "KV_c"), *_others(copy_of, "EVENTS", "OTHER")]),
    )
    lost = set(mine[to + 1 :])
    if to < 0:
        # An absent key is right from the last tombstone back.
        ends = [n for n in mine if found[n].purpose is Purpose.TOMBSTONE]
        lost = {n for n in mine if n > max(ends, default=-1)}
    assert _ids(made, findings.marks.fate == Fate.ACKNOWLEDGED_LOST) == _named(made, lost)
    back = {n for n in lost if found[n].purpose is Purpose.TOMBSTONE}
    assert _ids(made, findings.marks.resurrected) == _named(made, back)


def test_a_value_acknowledged_at_the_instant_of_the_next_intent_may_be_the_last(make: Maker, copy_of: Copier) -> None:
    made = make([W(1, 5, 3, stream=2), W(5, 9, 7, stream=2), W(6, 10, 8, stream=2)])
    bucket = copy_of(made.identities[:1], "KV_c")
    findings = check(made.history, Finals([bucket, *_others(copy_of, "EVENTS", "OTHER")]))
    assert _ids(made, findings.marks.fate == Fate.ACKNOWLEDGED_LOST) == _named(made, [2])


def test_an_unacknowledged_value_is_present_while_it_is_the_last(make: Maker, copy_of: Copier) -> None:
    made = make([W(1, None, 2, stream=2), W(1, 4, 3, key=1, stream=2), W(5, None, None, key=1, stream=2)])
    bucket = copy_of(made.identities[:2], "KV_c")
    fates = _fates(made, check(made.history, Finals([bucket, *_others(copy_of, "EVENTS", "OTHER")])))
    assert list(fates.values()) == [Fate.INDETERMINATE_PRESENT, Fate.ACKNOWLEDGED_PRESENT, Fate.INDETERMINATE_ABSENT]


def test_an_overwritten_key_lost_its_last_good_value(make: Maker, copy_of: Copier) -> None:
    found = [W(1, 3, 2, stream=2), W(4, 6, 5, stream=2), W(7, 9, 8, stream=2, purpose=Purpose.WRONG)]
    made = make(found)
    bucket = copy_of(made.identities[2:], "KV_c")
    findings = check(made.history, Finals([bucket, *_others(copy_of, "EVENTS", "OTHER")]))
    assert [fate.name for fate in _fates(made, findings).values()] == [
        "ACKNOWLEDGED_PRESENT",
        "ACKNOWLEDGED_LOST",
        "WRONG_PRESENT",
    ]


def test_a_bucket_purged_and_written_anew_has_nothing_resurrected(make: Maker, copy_of: Copier) -> None:
    found = [W(1, 3, 2, stream=2), W(20, 23, 22, stream=2)]
    made = make(found, [E(10, RecordKind.PURGE, stream=2), E(11, RecordKind.PURGED, stream=2)])
    findings = check(made.history, Finals([copy_of(made.identities[1:], "KV_c"), *_others(copy_of, "EVENTS", "OTHER")]))
    assert clean(findings.streams["KV_c"])


# --- consumers


@settings(max_examples=50, deadline=None)
@given(data=st.data(), found=writes())
def test_consumers_are_judged_by_what_is_there(
    data: st.DataObject, found: list[W], make: Maker, copy_of: Copier
) -> None:
    order = _in_effect(found)
    lost = set(data.draw(st.lists(st.sampled_from(order), unique=True))) if order else set()
    present = [n for n in order if n not in lost]
    skipped = set(data.draw(st.lists(st.sampled_from(present), unique=True))) if present else set()
    done = [n for n in order if n not in skipped]
    twice = set(data.draw(st.lists(st.sampled_from(done), unique=True))) if done else set()
    drained = data.draw(st.booleans())
    made = make(found)
    seen = [(name, 1) for n in [*done, *twice] for name in _named(made, [n])] + [("stranger", 1)]
    finals = Finals(
        [copy_of([made.identities[n] for n in present]), *_others(copy_of, "OTHER", "KV_c")],
        [processing("r1", "metering", "EVENTS", drained, seen)],
    )
    (consumer,) = check(made.history, finals).consumers
    assert consumer.processed == len(done)
    assert consumer.processed_twice == len(twice)
    assert consumer.skipped == (len(skipped) if drained else None)
    assert consumer.processed_lost == len(lost)
    assert consumer.unknown == 1


def test_a_filtered_consumer_skips_only_what_it_was_to_see(make: Maker, copy_of: Copier) -> None:
    made = make([W(1, 3, 2, key=0), W(4, 6, 5, key=1)])
    finals = Finals(
        [copy_of(made.identities), *_others(copy_of, "OTHER", "KV_c")],
        [processing("r1", "metering", "EVENTS", True, [], frozenset({1}))],
    )
    (consumer,) = check(made.history, finals).consumers
    assert consumer.skipped == 1


def test_a_consumer_that_asks_for_new_messages_skips_none_that_were_there_before_it(
    make: Maker, copy_of: Copier
) -> None:
    made = make([W(1, 3, 2), W(4, 6, 5)])
    begins = int(made.history.intent_ns.max())
    finals = Finals(
        [copy_of(made.identities), *_others(copy_of, "OTHER", "KV_c")],
        [processing("r1", "metering", "EVENTS", True, [], begins_ns=begins)],
    )
    (consumer,) = check(made.history, finals).consumers
    assert consumer.skipped == 1


# --- the seam


def test_a_check_that_crashes_says_so_and_proves_nothing(make: Maker, copy_of: Copier) -> None:
    def crash() -> Findings:
        raise ZeroDivisionError("boom")

    result = checked(crash)
    assert isinstance(result, Crashed)
    assert result.why == "the checker failed: ZeroDivisionError: boom"
    assert "in crash" in result.trace


def test_a_final_read_of_an_unknown_stream_is_refused(make: Maker, copy_of: Copier) -> None:
    made = make([W(1, 3, 2)])
    with pytest.raises(InputError, match="a final read of a stream that is in no ledger"):
        check(made.history, Finals([copy_of([], "NONE")]))
    assert isinstance(checked(lambda: check(made.history, Finals([copy_of([], "NONE")]))), Crashed)


def test_the_counts_of_a_drill_name_every_class(make: Maker, copy_of: Copier) -> None:
    made = make([W(1, 3, 2), W(4, None, None)])
    counts = check(made.history, Finals([copy_of([]), *_others(copy_of, "OTHER", "KV_c")])).counts()
    assert counts["acknowledged-lost"] == 1
    assert counts["indeterminate-absent"] == 1
    assert set(counts) >= {"duplicate", "reordered", "resurrected", "phantom", "processed-twice", "skipped"}
