"""Which runs below a folder count: whole, once each, dated as their timeline is, in the record of their campaign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from secondsite.drill.evidence.campaign import Campaign, campaigns_below
from secondsite.drill.evidence.chain import last_hash, ledger_digests
from secondsite.drill.evidence.folder import Evidence, check_chain, evidence_below, is_single, read_evidence
from secondsite.drill.evidence.register import CampaignSeries, Register, RegisteredCampaign, registers_below
from secondsite.model.errors import Problem, SecondsiteError
from secondsite.model.place import Place

_LINK = "a run is missing: restore it, or remove the link and document why"
_RUN = "it does not count as evidence: restore the run from a copy, or drill again"
_RECORD = "its runs do not count as evidence: restore the folder with all its *.register and *.campaign files"
_APART_S = 3600.0


@frozen
class Absent:
    """Runs of a campaign that are not there: begun or planned, whatever became of them."""

    campaign: str
    of: CampaignSeries
    opened: datetime
    count: int
    why: str

    @property
    def series(self) -> tuple[str, str, str]:
        return self.of.key


@frozen(eq=False)
class SoundRuns:
    """``closing``: the last hash of each run's chain, by its id. ``registers``: of the campaigns opened here."""

    runs: tuple[Evidence, ...]
    problems: tuple[Problem, ...]
    unfinished: tuple[Path, ...]
    campaigns: tuple[Campaign, ...]
    closing: Mapping[str, str]
    registers: tuple[Register, ...] = ()

    def counts(self, evidence: Evidence) -> bool:
        """Whether a register knows its campaign, and the record of that knows it, as it is."""
        manifest = evidence.manifest
        return any(
            run.id == manifest.id and run.closing == self.closing[manifest.id]
            for campaign in self.campaigns
            if campaign.id == manifest.campaign and campaign.registered
            if not _not_as_registered(campaign, self.registers)
            for run in campaign.runs
        )

    def absent(self) -> tuple[Absent, ...]:
        """Of all campaigns that were opened here: what is not there as it was noted."""
        here = {campaign.id for campaign in self.campaigns}
        gone = [each for register in self.registers for each in register.campaigns if each.id not in here]
        incomplete = [self._absent_of(campaign) for campaign in self.campaigns]
        return (*(each for each in incomplete if each.count), *map(_gone, gone))

    def _absent_of(self, campaign: Campaign) -> Absent:
        if why := _not_as_registered(campaign, self.registers):
            verdict_line = f"{campaign.path.name} proves nothing: {why}"
            return Absent(campaign.id, campaign.series, campaign.opened, max(1, campaign.planned), verdict_line)
        here = [run for run in campaign.runs if run.closing and self.closing.get(run.id) == run.closing]
        gone = [run for run in campaign.runs if run not in here]
        count = max(campaign.planned, len(campaign.runs)) - len(here)
        whys = [f"run {run.number}: {run.why or 'its evidence was removed or changed'}" for run in gone]
        if count > len(gone):
            whys.append(f"{count - len(gone)} never begun")
        why = f"{count} of {campaign.planned} runs of {campaign.path.name} do not count ({', '.join(whys)})"
        return Absent(campaign.id, campaign.series, campaign.opened, count, why)


def sound_runs(root: Path) -> SoundRuns:
    """Does not judge."""
    below = evidence_below(root)
    problems = [Problem(Place(str(path)), "leads nowhere", _LINK) for path in below.dangling]
    campaigns, broken = ((), ()) if is_single(root) else campaigns_below(root)
    registers, torn = ((), ()) if is_single(root) else registers_below(root)
    runs: dict[str, Evidence] = {}
    closing: dict[str, str] = {}
    ledgers: dict[tuple[str, ...], Path] = {}
    for path in below.ended:
        try:
            if changed := check_chain(path):
                problems += changed
                continue
            evidence = read_evidence(path)
        except SecondsiteError as error:
            problems += error.problems
            continue
        last = last_hash(evidence.folder)
        name, digests = evidence.manifest.id or last, ledger_digests(evidence.folder)
        dated = tuple(_dated(evidence))
        if name in runs and closing[name] != last:
            dated += (Problem(Place(str(path)), f"has the id of {runs[name].path}, but is a different run", _RUN),)
        elif name not in runs and digests and digests in ledgers:
            dated += (Problem(Place(str(path)), f"has the ledgers of {ledgers[digests]}", _RUN),)
        problems += dated
        if not dated and name not in runs:
            runs[name], closing[name], ledgers[digests] = evidence, last, path
    problems += (*broken, *torn, *_unlike(campaigns, registers))
    return SoundRuns(tuple(runs.values()), tuple(problems), below.unfinished, campaigns, closing, registers)


def _not_as_registered(campaign: Campaign, registers: Sequence[Register]) -> str:
    """Why a record is not the one that its register has; empty where it is, or an older version opened it."""
    line = campaign.registered
    if line is None:
        return ""
    if not any(register.knows(line, campaign.id) for register in registers):
        return f"its register {line.register[:8]} is missing or was changed"
    ends = (each.last for register in registers for each in register.campaigns if each.id == campaign.id)
    return "" if next(ends) in ("", campaign.last) else "it was changed after the campaign ended"


def _gone(campaign: RegisteredCampaign) -> Absent:
    count = "1 run" if campaign.planned == 1 else f"{campaign.planned} runs"
    why = f"{campaign.name} with its {count} was removed: it was opened on {campaign.opened:%Y-%m-%d}"
    return Absent(campaign.id, campaign.series, campaign.opened, campaign.planned, why)


def _unlike(campaigns: Sequence[Campaign], registers: Sequence[Register]) -> Iterator[Problem]:
    for campaign in campaigns:
        if why := _not_as_registered(campaign, registers):
            yield Problem(Place(str(campaign.path)), why, _RECORD)


def _dated(evidence: Evidence) -> Iterator[Problem]:
    """The date that a run gives itself is that of its timeline."""
    try:
        started = datetime.fromisoformat(evidence.manifest.started_at)
    except ValueError:
        yield Problem(Place(str(evidence.path)), f"its date {evidence.manifest.started_at!r} is not valid", _RUN)
        return
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    walls = [event.wall_ns for event in evidence.events if event.wall_ns]
    if walls and abs(min(walls) / 1e9 - started.timestamp()) > _APART_S:
        noted = datetime.fromtimestamp(min(walls) / 1e9, UTC).isoformat(timespec="seconds")
        yield Problem(Place(str(evidence.path)), f"is dated {started.isoformat()}, and its timeline {noted}", _RUN)
