"""What the report shows beside the evaluation: contracts, drills and where everything runs, before any markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from secondsite.model.contract import Verdict
from secondsite.model.errors import SecondsiteError
from secondsite.model.measurement import Measurement
from secondsite.publish.content.board import ContractBoardRow, board, by_store
from secondsite.publish.content.comparison import chance
from secondsite.publish.content.drill_timeline import DrillTimeline, TimelineSpan
from secondsite.publish.content.inputs import Inputs, StoreVerdict
from secondsite.publish.content.measured import versions_text
from secondsite.publish.content.measured_words import rpo_words, rto_words
from secondsite.publish.content.proof import undrilled
from secondsite.publish.drawings.drill import RtoWaterfall, rto_waterfall, timeline_chart
from secondsite.publish.drawings.topology import topology
from secondsite.publish.text.figure import Figure, figure
from secondsite.publish.text.nonbreaking import duration

ReadTimeline = Callable[[Path], DrillTimeline]


@frozen
class StoreLine:
    """One store of a contract on the whole state: ``note`` is what was measured of it, else why nothing was."""

    name: str
    verdict: str
    scope: str
    note: str


@frozen
class BoardRow:
    """``verdict`` is met, breached or unproven; ``scope`` of what and where, empty where nothing was proven; ``note``
    until when it counts, or why not."""

    name: str
    rto_limit: str
    rto: Figure
    rpo_limit: str
    rpo: Figure
    chance: Figure | None
    measured: str
    verdict: str
    scope: str
    note: str
    command: str
    undrilled: str
    owner: str
    stores: tuple[StoreLine, ...]


@frozen
class DrillSection:
    """One drill of one strategy. ``timeline`` is an SVG, or empty; ``waterfall`` is None where nothing came back."""

    title: str
    origin: str
    verdicts: tuple[tuple[str, str], ...]
    waterfall: RtoWaterfall | None
    total: str
    why: str
    refuted: bool
    basis: str
    loss: str
    timeline: str
    moments: tuple[tuple[str, str, str], ...]
    missing: str
    replaced: str


@frozen
class Report:
    rows: tuple[BoardRow, ...]
    drills: tuple[DrillSection, ...]
    command: str
    before: str
    after: str
    as_of: str

    @property
    def verdicts(self) -> Mapping[str, str]:
        """Of each contract, by its name, from evidence."""
        return {row.name: row.verdict for row in self.rows}

    @property
    def scopes(self) -> Mapping[str, str]:
        """Of what and where each contract's verdict is: a design that held in the lab is not met of what runs today."""
        return {row.name: row.scope for row in self.rows}


def report(inputs: Inputs, read: ReadTimeline | None = None) -> Report:
    """``read`` gets the evidence folder of a drill; a folder that cannot be read is named, not hidden."""
    rows = tuple(_row(inputs, standing) for standing in board(inputs))
    return Report(
        rows=rows,
        drills=tuple(_drill(inputs, group, read) for group in _grouped(inputs.measurements)),
        command=next((row.command for row in rows if row.command), "secondsite drill region-loss"),
        before=topology(inputs.evaluation.assessments[0].deployment, "today"),
        after=topology(inputs.chosen.deployment, inputs.chosen.strategy.id),
        as_of=inputs.as_of.isoformat(),
    )


def _row(inputs: Inputs, standing: ContractBoardRow) -> BoardRow:
    outcome, contract, measured = standing.outcome, standing.contract, standing.measured
    until = f"counts until {standing.until.isoformat()}" if standing.until and not standing.stale else ""
    scope = measured.scope if measured is not None and standing.verdict is not Verdict.UNPROVEN else ""
    return BoardRow(
        name=contract.name,
        rto_limit="" if contract.rto_s is None else duration(contract.rto_s),
        rto=figure(outcome.rto),
        rpo_limit="" if contract.rpo_s is None else duration(contract.rpo_s),
        rpo=figure(outcome.rpo),
        chance=None if outcome.probability_met is None else chance(outcome),
        measured="never" if measured is None else measured_line(measured),
        verdict=str(standing.verdict),
        scope=scope,
        note=f"stale: {standing.stale}" if standing.stale else until or standing.expectation,
        command=standing.command,
        undrilled="" if standing.command else f"{undrilled(contract).capitalize()}.",
        owner=contract.owner,
        stores=tuple(_store(one) for one in by_store(inputs, contract)),
    )


def _store(one: StoreVerdict) -> StoreLine:
    proven = one.measured is not None and one.verdict is not Verdict.UNPROVEN
    return StoreLine(
        name=one.contract.part,
        verdict=str(one.verdict),
        scope=one.measured.scope if proven and one.measured else "",
        note=measured_line(one.measured) if proven and one.measured else one.why,
    )


def measured_line(one: Measurement) -> str:
    """``RTO 2 min 11 s, RPO 41 ms, 7 messages``."""
    return ", ".join([_rto_text(one), *_loss_text(one)])


def _rto_text(one: Measurement) -> str:
    if not one.rto_s:
        return "RTO unbounded"
    return rto_words(one, duration)


def _loss_text(one: Measurement) -> list[str]:
    return [] if one.loss is None else [rpo_words(one, duration)]


def _grouped(measurements: Sequence[Measurement]) -> list[list[Measurement]]:
    """By the drill that they were measured in, the newest first."""
    groups: dict[tuple[str, str, str, str], list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.at, one.drill, one.strategy, one.evidence), []).append(one)
    return [groups[key] for key in sorted(groups, reverse=True)]


def _drill(inputs: Inputs, group: Sequence[Measurement], read: ReadTimeline | None) -> DrillSection:
    longest = max(group, key=lambda one: one.rto_s["total"] if one.rto_s else -1.0)
    timeline, missing = _timeline(longest, read)
    runs = f"{longest.runs} run{'s' if longest.runs != 1 else ''}"
    how = f"{longest.at[:10]}, {longest.profile}, {runs}, seed {longest.seed}; {versions_text(longest)}"
    scaled = (
        "; RTO projected to the strategy's own intervals, the timeline is as it ran"
        if longest.projected and longest.rto_s
        else ""
    )
    return DrillSection(
        title=f"{longest.drill}, {longest.strategy}",
        origin=f"{longest.scope}; {how}; {longest.evidence}{scaled}",
        verdicts=tuple((f"{one.about}/{one.fault}", str(one.verdict)) for one in group),
        waterfall=rto_waterfall(longest, _limit(inputs, longest)),
        total=_rto_text(longest),
        why=longest.why,
        refuted=any(one.verdict is Verdict.BREACHED for one in group),
        basis="derived" if longest.projected else "measured",
        loss=", ".join(_loss_text(longest)),
        timeline="" if timeline is None else timeline_chart(timeline),
        moments=() if timeline is None else tuple(_moment(one) for one in timeline.moments),
        missing=missing,
        replaced="" if timeline is None else "; ".join(timeline.replaced),
    )


def _limit(inputs: Inputs, one: Measurement) -> float | None:
    """What the contract allows that the measurement was judged against; None where none is written."""
    mine = (c for c in inputs.system.contracts if c.about == one.about and c.fault is one.fault)
    return next((contract.rto_s for contract in mine), None)


def _timeline(one: Measurement, read: ReadTimeline | None) -> tuple[DrillTimeline | None, str]:
    if read is None:
        return None, "no evidence folder was read for this page"
    try:
        return read(Path(one.evidence)), ""
    except SecondsiteError as error:
        return None, str(error)


def _moment(one: TimelineSpan) -> tuple[str, str, str]:
    took = "" if one.end_s is None else duration(max(0.0, one.end_s - one.begin_s))
    return one.name, _clock(one.begin_s), took


def _clock(seconds: float) -> str:
    return f"{'−' if seconds < 0 else '+'}{duration(abs(seconds))}"
