"""A campaign: the record of a series of runs, opened before the first of them, so that none can be left out later.

One file beside the runs, only ever appended to, each line bound to the one before. A run counts by its own id, once;
one that was begun and is not there, or that was planned and never begun, counts as a run that proves nothing.
Whoever removes a whole campaign with all its runs leaves no trace: keep its last hash elsewhere, or sign it.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from attrs import define, field, frozen

from secondsite.drill.ledger.envelope import disk_error
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

SUFFIX = ".campaign"
SCHEMA = "secondsite/campaign/1"
_FIRST = "0" * 64
_REMEDY = "its runs prove nothing any more: take the record from where it was copied, or drill again"


class CampaignEvent(StrEnum):
    OPENED = "opened"
    BEGUN = "begun"
    ENDED = "ended"
    DIED = "died"


@frozen
class CampaignSeries:
    """What the runs of a campaign have in common."""

    strategy: str
    drill: str
    profile: str


@frozen
class CampaignRun:
    """``closing`` is the last hash of its evidence; empty where it left none, and ``why`` then says so."""

    id: str
    number: int
    closing: str = ""
    why: str = ""


@frozen
class Campaign:
    """``planned`` runs; those that were begun, in their order."""

    id: str
    path: Path
    series: CampaignSeries
    planned: int
    runs: tuple[CampaignRun, ...]
    last: str


@define
class CampaignRecord:
    """The writer; every line is on the disk before what it announces begins."""

    path: Path
    id: str
    _last: str = field(default=_FIRST, alias="last")

    @classmethod
    def open(cls, root: Path, series: CampaignSeries, planned: int) -> Self:
        """Raises MachineError where the disk cannot hold it."""
        name, when = uuid.uuid4().hex, datetime.now(UTC)
        strategy = series.strategy.replace("/", "-")
        path = root / f"{when:%Y%m%dT%H%M%S}-{series.drill}-{strategy}-{name[:8]}{SUFFIX}"
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(root, error) from None
        record = cls(path, name)
        what = {"strategy": series.strategy, "drill": series.drill, "profile": series.profile}
        record._write(CampaignEvent.OPENED, schema=SCHEMA, campaign=name, planned=planned, **what)
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

    def _write(self, event: CampaignEvent, **data: Any) -> None:
        body = {"at": datetime.now(UTC).isoformat(), "event": str(event), **data}
        digest = _hash(self._last, body)
        line = json.dumps({**body, "previous": self._last, "hash": digest}) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_error(self.path, error) from None
        self._last = digest


def read_campaign(path: Path) -> Campaign:
    """Raises InputError where a line was changed, removed or moved."""
    lines = list(_lines(path))
    try:
        opened = lines[0]
        series = CampaignSeries(str(opened["strategy"]), str(opened["drill"]), str(opened["profile"]))
        runs: dict[str, CampaignRun] = {}
        for line in lines[1:]:
            run = str(line["run"])
            if line["event"] == CampaignEvent.BEGUN:
                runs[run] = CampaignRun(run, int(line["number"]), why="it was begun, and never ended")
            else:
                closing, why = str(line.get("closing", "")), str(line.get("why", ""))
                runs[run] = CampaignRun(run, runs[run].number, closing, why)
        planned = {(CampaignEvent.OPENED, SCHEMA): int(opened["planned"])}[opened["event"], opened["schema"]]
        return Campaign(str(opened["campaign"]), path, series, planned, tuple(runs.values()), str(lines[-1]["hash"]))
    except (ValueError, KeyError, TypeError, IndexError):
        raise InputError.at(str(path), "is no record of a campaign", _REMEDY) from None


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


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    previous = _FIRST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InputError.at(str(path), f"cannot be read: {error}", _REMEDY) from None
    for number, line in enumerate(text.splitlines(), 1):
        try:
            body = json.loads(line)
            before, digest = body.pop("previous"), body.pop("hash")
            sound = before == previous and digest == _hash(previous, body)
        except (ValueError, KeyError, TypeError, AttributeError):
            sound = False
        if not sound:
            place = Place(str(path), number)
            raise InputError([Problem(place, "the chain breaks here: a line was changed, removed or moved", _REMEDY)])
        yield {**body, "hash": digest}
        previous = digest


def _hash(previous: str, body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([previous, body], sort_keys=True).encode()).hexdigest()
