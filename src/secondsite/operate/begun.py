"""One operation at a time: what was begun with a journal decides what may be begun or resumed now."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from secondsite.model.errors import InputError

if TYPE_CHECKING:
    from secondsite.operate.journal import JournalEntry


def make_room(path: Path, direction: str) -> None:
    """Archive the operation that ended; raises InputError for one that did not."""
    from secondsite.operate.journal import Journal, OperationEnd, archive, end_of
    from secondsite.operate.live import RealClock

    if not path.exists() or not path.stat().st_size:
        return
    with Journal(path, RealClock()) as journal:
        if not journal.entries:
            return
        if end_of(journal.entries) is OperationEnd.OPEN:
            raise _open(path, journal.entries, direction)
        archive(journal)


def refuse_beside(path: Path, direction: str) -> None:
    """Raises InputError while the other direction's operation is in progress."""
    from secondsite.operate.journal import OperationEnd, end_of, read_journal

    if path.exists() and (entries := read_journal(path)) and end_of(entries) is OperationEnd.OPEN:
        raise _open(path, entries, direction)


def refuse_ended(path: Path, direction: str) -> None:
    """Raises InputError where there is nothing to go on with. A region that is unfenced still is something."""
    from secondsite.operate.journal import OperationEnd, end_of, read_journal, records, unfenced

    entries = read_journal(path) if path.exists() else []
    if not entries:
        raise InputError.at(str(path), "no run to resume", f"start one with: secondsite {direction} run")
    end = end_of(entries)
    if end is OperationEnd.OPEN or (end is OperationEnd.DONE and unfenced(records(entries))):
        return
    when = datetime.fromtimestamp(entries[-1].wall, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    remedy = f"a new incident is a new operation: secondsite {direction} plan, then run"
    raise InputError.at(str(path), f"{operation_line(entries)} was {end} at {when}: nothing to resume", remedy)


def operation_line(entries: list[JournalEntry]) -> str:
    """Which operation, by whom, since when."""
    data = entries[0].data
    name = (data.get("operation") or {}).get("id") or data.get("procedure")
    when = datetime.fromtimestamp(entries[0].wall, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    who = f", by {data['who']}" if data.get("who") else ""
    return f"{name} (begun {when}{who})"


def _open(path: Path, entries: list[JournalEntry], direction: str) -> InputError:
    remedy = f"continue with `secondsite {direction} resume`, or give it up with `secondsite {direction} abort`"
    return InputError.at(str(path), f"{operation_line(entries)} is in progress", remedy)
