"""A campaign: the record of a series of runs, opened before the first of them, so that none can be left out later.

One file beside the runs, only ever appended to, each line bound to the one before. A run counts by its own id, once;
one that was begun and is not there, or that was planned and never begun, counts as a run that proves nothing.
The register of the folder knows of the campaign before it begins, and of its last hash when it is over.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from attrs import define, field, frozen

from secondsite.drill.evidence.chained_lines import FIRST, append_line, read_lines
from secondsite.drill.evidence.register import (
    CampaignSeries,
    RegisterLine,
    close_campaign,
    register_campaign,
    series_from,
    series_json,
)
from secondsite.model.errors import InputError, Problem

SUFFIX = ".campaign"
SCHEMA = "secondsite/campaign/1"
_REMEDY = "its runs no longer count as evidence: restore the record from a copy, or drill again"


class CampaignEvent(StrEnum):
    OPENED = "opened"
    BEGUN = "begun"
    ENDED = "ended"
    DIED = "died"


@frozen
class CampaignRun:
    """``closing`` is the last hash of its evidence; empty where it left none, and ``why`` then says so."""

    id: str
    number: int
    closing: str = ""
    why: str = ""


@frozen
class Campaign:
    """``planned`` runs; those that were begun, in their order. ``registered``: where; an older version did not."""

    id: str
    path: Path
    series: CampaignSeries
    planned: int
    runs: tuple[CampaignRun, ...]
    last: str
    opened: datetime
    registered: RegisterLine | None = None


@define
class CampaignRecord:
    """The writer; every line is on the disk before what it announces begins."""

    path: Path
    id: str
    _last: str = field(default=FIRST, alias="last")
    registered: RegisterLine | None = None

    @classmethod
    def open(cls, root: Path, series: CampaignSeries, planned: int) -> Self:
        """Raises MachineError where the disk cannot hold it."""
        name, when = uuid.uuid4().hex, datetime.now(UTC)
        strategy = series.strategy.replace("/", "-")
        path = root / f"{when:%Y%m%dT%H%M%S}-{series.drill}-{strategy}-{name[:8]}{SUFFIX}"
        line = register_campaign(root, name, path.name, series, planned)
        record = cls(path, name, registered=line)
        registered = {"register": line.register, "line": line.line}
        what = {"planned": planned, **series_json(series), "registered": registered}
        record._write(CampaignEvent.OPENED, schema=SCHEMA, campaign=name, **what)
        return record

    def begun(self, number: int) -> str:
        """The id of the new run."""
        run = uuid.uuid4().hex
        self._write(CampaignEvent.BEGUN, run=run, number=number)
        return run

    def ended(self, run: str, closing: str) -> None:
        self._write(CampaignEvent.ENDED, run=run, closing=closing)

    def died(self, run: str, why: str) -> None:
        self._write(CampaignEvent.DIED, run=run, why=why)

    def close(self) -> None:
        """All its runs ended, well or not: the register knows how the record ends."""
        if self.registered is not None:
            close_campaign(self.path.parent, self.registered, self.id, self._last)

    def _write(self, event: CampaignEvent, **data: Any) -> None:
        body = {"at": datetime.now(UTC).isoformat(), "event": str(event), **data}
        self._last = append_line(self.path, self._last, body)


def read_campaign(path: Path) -> Campaign:
    """Raises InputError where a line was changed, removed or moved."""
    lines = list(read_lines(path, _REMEDY))
    try:
        opened = lines[0]
        series, at = series_from(opened), datetime.fromisoformat(str(opened["at"]))
        known = opened.get("registered")
        registered = known and RegisterLine(str(known["register"]), str(known["line"]))
        runs: dict[str, CampaignRun] = {}
        for line in lines[1:]:
            run = str(line["run"])
            if line["event"] == CampaignEvent.BEGUN:
                runs[run] = CampaignRun(run, int(line["number"]), why="it was started and never finished")
            else:
                closing, why = str(line.get("closing", "")), str(line.get("why", ""))
                runs[run] = CampaignRun(run, runs[run].number, closing, why)
        planned = {(CampaignEvent.OPENED, SCHEMA): int(opened["planned"])}[opened["event"], opened["schema"]]
        last, at = str(lines[-1]["hash"]), at if at.tzinfo else at.replace(tzinfo=UTC)
        return Campaign(str(opened["campaign"]), path, series, planned, tuple(runs.values()), last, at, registered)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError):
        raise InputError.at(str(path), "is not a campaign record", _REMEDY) from None


def campaigns_below(root: Path) -> tuple[tuple[Campaign, ...], tuple[Problem, ...]]:
    """The records in a folder of runs, and what is wrong with the others."""
    campaigns: list[Campaign] = []
    problems: list[Problem] = []
    for path in sorted(root.glob(f"*{SUFFIX}")) if root.is_dir() else []:
        try:
            campaigns.append(read_campaign(path))
        except InputError as error:
            problems += error.problems
    return tuple(campaigns), tuple(problems)
