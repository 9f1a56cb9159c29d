"""Which backups stay. Pure: the decision is a function of the list, the rules and nothing else.

Always holds: the newest good backup stays, one under hold stays, one whose time lies in the future stays and counts
for nothing, and with no rule at all every backup stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import field, frozen


def _count(_: object, attribute: object, value: int) -> None:
    if value < 0:
        raise ValueError("a number of backups to keep is 0 or more")


@frozen
class KeepRules:
    """Backups to keep: the last so many, and the newest of each of so many hours, days, weeks (ISO) and months."""

    last: int = field(default=0, validator=_count)
    hourly: int = field(default=0, validator=_count)
    daily: int = field(default=0, validator=_count)
    weekly: int = field(default=0, validator=_count)
    monthly: int = field(default=0, validator=_count)

    @property
    def any(self) -> bool:
        return any((self.last, self.hourly, self.daily, self.weekly, self.monthly))


@frozen
class RetentionCandidate:
    """``good``: its manifest is there and readable, and no proof says that it cannot be restored.

    ``future``: some clock is wrong, so nothing can be told from its time.
    """

    id: str
    finished: datetime
    good: bool = True
    held: bool = False
    future: bool = False


@frozen
class RetentionDecision:
    """``reasons`` is empty for a backup that goes."""

    backup: RetentionCandidate
    reasons: tuple[str, ...]

    @property
    def keep(self) -> bool:
        return bool(self.reasons)


def decide(
    backups: Iterable[RetentionCandidate], rules: KeepRules, own: frozenset[str] = frozenset()
) -> tuple[RetentionDecision, ...]:
    """One decision per backup, newest first. Only good backups count towards a rule; those of ``own`` stay."""
    newest_first = sorted(backups, key=lambda backup: (backup.finished, backup.id), reverse=True)
    reasons: dict[str, list[str]] = {backup.id: [] for backup in newest_first}
    for backup in newest_first:
        if backup.held:
            reasons[backup.id].append("hold")
        if backup.future:
            reasons[backup.id].append("from the future")
        if backup.id in own:
            reasons[backup.id].append("this run")
    good = [backup for backup in newest_first if backup.good and not backup.future]
    if good:
        reasons[good[0].id].append("newest")
    for name, chosen in _chosen(good, rules):
        reasons[chosen.id].append(name)
    if not rules.any:
        for backup in newest_first:
            reasons[backup.id].append("no rules")
    return tuple(RetentionDecision(backup, tuple(reasons[backup.id])) for backup in newest_first)


def _chosen(good: list[RetentionCandidate], rules: KeepRules) -> Iterable[tuple[str, RetentionCandidate]]:
    yield from (("last", backup) for backup in good[: rules.last])
    for name, limit in (
        ("hourly", rules.hourly),
        ("daily", rules.daily),
        ("weekly", rules.weekly),
        ("monthly", rules.monthly),
    ):
        periods: set[str] = set()
        for backup in good:
            period = _period(name, backup.finished)
            if period not in periods and len(periods) < limit:
                periods.add(period)
                yield name, backup


def _period(name: str, finished: datetime) -> str:
    if name == "hourly":
        return finished.strftime("%Y%m%d%H")
    if name == "daily":
        return finished.strftime("%Y%m%d")
    if name == "weekly":
        year, week, _ = finished.isocalendar()
        return f"{year}-{week}"
    return finished.strftime("%Y%m")
