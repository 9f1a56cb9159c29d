"""Which runs below a folder count: whole, once each, dated as their timeline is, in the record of their campaign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from secondsite.drill.evidence.campaign import Campaign, campaigns_below
from secondsite.drill.evidence.chain import last_hash, ledger_digests
from secondsite.drill.evidence.folder import Evidence, check_chain, evidence_below, is_single, read_evidence
from secondsite.model.errors import Problem, SecondsiteError
from secondsite.model.place import Place

_LINK = "a run that was there is gone: bring it back, or remove the link and say why"
_RUN = "this proves nothing: take the run from where it was copied, or drill again"
_APART_S = 3600.0


@frozen(eq=False)
class SoundRuns:
    """``closing``: the last hash of each run's chain, by its id."""

    runs: tuple[Evidence, ...]
    problems: tuple[Problem, ...]
    unfinished: tuple[Path, ...]
    campaigns: tuple[Campaign, ...]
    closing: Mapping[str, str]

    def counts(self, evidence: Evidence) -> bool:
        """Whether the record of its campaign knows it, as it is."""
        manifest = evidence.manifest
        return any(
            run.id == manifest.id and run.closing == self.closing[manifest.id]
            for campaign in self.campaigns
            if campaign.id == manifest.campaign
            for run in campaign.runs
        )

    def absent(self, campaign: Campaign) -> tuple[int, str]:
        """How many runs of the campaign are not there as its record has them, and why."""
        here = [run for run in campaign.runs if run.closing and self.closing.get(run.id) == run.closing]
        gone = [run for run in campaign.runs if run not in here]
        count = max(campaign.planned, len(campaign.runs)) - len(here)
        whys = [f"run {run.number}: {run.why or 'its evidence was removed or changed'}" for run in gone]
        if count > len(gone):
            whys.append(f"{count - len(gone)} never begun")
        return count, f"{count} of {campaign.planned} runs of {campaign.path.name} prove nothing ({', '.join(whys)})"


def sound_runs(root: Path) -> SoundRuns:
    """Does not judge."""
    below = evidence_below(root)
    problems = [Problem(Place(str(path)), "leads nowhere", _LINK) for path in below.dangling]
    campaigns, broken = ((), ()) if is_single(root) else campaigns_below(root)
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
            dated += (Problem(Place(str(path)), f"has the id of {runs[name].path}, and is another run", _RUN),)
        elif name not in runs and digests and digests in ledgers:
            dated += (Problem(Place(str(path)), f"has the ledgers of {ledgers[digests]}", _RUN),)
        problems += dated
        if not dated and name not in runs:
            runs[name], closing[name], ledgers[digests] = evidence, last, path
    return SoundRuns(tuple(runs.values()), (*problems, *broken), below.unfinished, campaigns, closing)


def _dated(evidence: Evidence) -> Iterator[Problem]:
    """The date that a run gives itself is that of its timeline."""
    try:
        started = datetime.fromisoformat(evidence.manifest.started_at)
    except ValueError:
        yield Problem(Place(str(evidence.path)), f"its date {evidence.manifest.started_at!r} is none", _RUN)
        return
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    walls = [event.wall_ns for event in evidence.events if event.wall_ns]
    if walls and abs(min(walls) / 1e9 - started.timestamp()) > _APART_S:
        noted = datetime.fromtimestamp(min(walls) / 1e9, UTC).isoformat(timespec="seconds")
        yield Problem(Place(str(evidence.path)), f"is dated {started.isoformat()}, and its timeline {noted}", _RUN)
