"""Retention: what must never be deleted is not, whatever the rules and the list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.backup.keep import KeepRules, RetentionCandidate, decide

counts = st.integers(0, 5)
rules = st.builds(KeepRules, counts, counts, counts, counts, counts)
instants = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 # hypothesis adds the zone
candidates = st.lists(st.tuples(instants, st.booleans(), st.booleans()), max_size=30).map(
    lambda rows: [
        RetentionCandidate(f"b{number:03}", at, good=good, held=held) for number, (at, good, held) in enumerate(rows)
    ]
)


@given(candidates, rules)
def test_the_newest_good_and_the_held_stay(backups: list[RetentionCandidate], keep: KeepRules) -> None:
    reasons = {decision.backup.id: decision.reasons for decision in decide(backups, keep) if decision.keep}
    kept = set(reasons)
    good = [backup for backup in backups if backup.good]
    if good:
        assert "newest" in reasons[max(good, key=lambda backup: (backup.finished, backup.id)).id]
    assert {backup.id for backup in backups if backup.held} <= kept


@given(candidates, rules)
def test_every_backup_gets_one_decision(backups: list[RetentionCandidate], keep: KeepRules) -> None:
    decisions = decide(backups, keep)
    assert sorted(decision.backup.id for decision in decisions) == sorted(backup.id for backup in backups)


@given(candidates, rules)
def test_deleting_twice_deletes_nothing_more(backups: list[RetentionCandidate], keep: KeepRules) -> None:
    left = [decision.backup for decision in decide(backups, keep) if decision.keep]
    assert all(decision.keep for decision in decide(left, keep))


@given(candidates, rules, st.sampled_from(["last", "hourly", "daily", "weekly", "monthly"]))
def test_asking_to_keep_more_never_keeps_less(backups: list[RetentionCandidate], keep: KeepRules, name: str) -> None:
    from attrs import evolve

    if not keep.any:
        return
    more = evolve(keep, **{name: getattr(keep, name) + 1})
    kept = {decision.backup.id for decision in decide(backups, keep) if decision.keep}
    assert kept <= {decision.backup.id for decision in decide(backups, more) if decision.keep}


@given(candidates)
def test_no_rules_delete_nothing(backups: list[RetentionCandidate]) -> None:
    assert all(decision.keep for decision in decide(backups, KeepRules()))


def test_a_year_of_backups_every_six_hours() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    backups = [RetentionCandidate(f"b{number:04}", start + timedelta(hours=6 * number)) for number in range(1460)]
    kept = [decision for decision in decide(backups, KeepRules(4, 0, 7, 4, 12)) if decision.keep]
    by_rule = {
        rule: sum(rule in decision.reasons for decision in kept) for rule in ("last", "daily", "weekly", "monthly")
    }
    assert by_rule == {"last": 4, "daily": 7, "weekly": 4, "monthly": 12}
    assert len(kept) == 23


def test_a_bad_backup_does_not_stand_for_its_day() -> None:
    day = datetime(2026, 5, 1, tzinfo=UTC)
    good, bad = RetentionCandidate("a", day), RetentionCandidate("b", day + timedelta(hours=1), good=False)
    kept = {decision.backup.id: decision.keep for decision in decide([good, bad], KeepRules(daily=1))}
    assert kept == {"a": True, "b": False}


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        KeepRules(last=-1)
