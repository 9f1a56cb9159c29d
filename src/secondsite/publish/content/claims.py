"""Claims about recovery that do not hold: refuted by a drill, or foreseen to fail, and by whom."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen

from secondsite.model.backup import Content
from secondsite.model.contract import Verdict
from secondsite.model.measurement import Measurement
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.measured import evidence_mark, measured_text, versions_text
from secondsite.publish.content.sources import Sources
from secondsite.publish.text.markdown import Md, code, joined, strong, text

_DATA = frozenset({Content.MESSAGES, Content.DATA, Content.VOLUMES})


@frozen
class Claim:
    """``outcome``: refuted or held by a drill; predicted is neither, until a drill is run."""

    claim: Md
    outcome: Md
    because: Md


def claims(inputs: Inputs, sources: Sources) -> tuple[Claim, ...]:
    return (*_drilled(inputs, sources), *_unprepared(inputs, sources), *_backups(inputs), *_traffic(inputs))


def _drilled(inputs: Inputs, sources: Sources) -> Iterator[Claim]:
    """Contracts that one drill judged alike stand in one row. What was refuted stays so on the versions named."""
    groups: dict[tuple[str, Verdict, str], list[Measurement]] = {}
    for one in inputs.measurements:
        if one.verdict is not Verdict.UNPROVEN:
            groups.setdefault((one.evidence, one.verdict, one.why), []).append(one)
    for group in groups.values():
        one = group[0]
        refuted = one.verdict is Verdict.BREACHED
        why = Md(f"; {text(one.why)}") if one.why else Md("")
        on = f" on {text(versions_text(one))}" if one.versions else ""
        contracts = joined((code(f"{each.about}/{each.fault}") for each in group), " and ")
        outdated = not refuted and one.evidence in inputs.outdated
        stale = f", {text(inputs.outdated[one.evidence])}" if outdated else ""
        yield Claim(
            Md(f"{code(one.strategy)}{on} holds {contracts} in {code(one.drill)}"),
            Md(f"{strong('refuted, measured') if refuted else 'held, measured'} {text(one.at[:10])}{stale}"),
            Md(f"{measured_text(one)}{why} {joined((evidence_mark(each, sources) for each in group), ' ')}"),
        )


def _shown_already(inputs: Inputs, strategy: str) -> bool:
    """A drill on the version that runs today has refuted it: no need to foresee it as well."""
    today = [re.split(r"[^0-9.]", cluster.version or "")[0] for cluster in inputs.system.nats]
    return any(
        one.strategy.partition("@")[0] == strategy
        and one.verdict is Verdict.BREACHED
        and any(version and f"{ran}.".startswith(f"{version}.") for version in today for ran in one.versions.values())
        for one in inputs.measurements
    )


def _unprepared(inputs: Inputs, sources: Sources) -> Iterator[Claim]:
    """Strategies that cannot recover on what runs today, grouped by the reason."""
    groups: dict[str, list[str]] = {}
    for assessment in inputs.evaluation.assessments:
        if assessment.unprepared and not _shown_already(inputs, assessment.strategy.id):
            groups.setdefault(assessment.unprepared, []).append(assessment.strategy.id)
    tried = {
        need.source
        for assessment in inputs.evaluation.assessments
        for need in assessment.deployment.requirements
        if need.id == "nats-upgrade"
    }
    versions = joined(code(cluster.version or "of unknown version") for cluster in inputs.system.nats)
    for why, ids in groups.items():
        mark = joined(
            (sources.stated("promotion by update", "by version", version, "m") for version in sorted(tried)), " "
        )
        yield Claim(
            Md(f"On today's NATS {versions}, the loss of the region is survived by {joined(map(code, ids))}"),
            strong("refuted, predicted"),
            Md(f"{text(why)} {mark}"),
        )


def _backups(inputs: Inputs) -> Iterator[Claim]:
    data = {store.service for store in inputs.system.stores} | {cluster.service for cluster in inputs.system.nats}
    for backup in inputs.system.backups:
        holders = [name for name in backup.covers if name in data]
        if holders and backup.content not in _DATA:
            yield Claim(
                Md(f"The job {code(backup.name)} saves {joined(map(code, holders))}"),
                strong("refuted, read"),
                Md(f"it saves {text(backup.content)} and no data ({inputs.at(f'backups.{backup.name}.content')})"),
            )


def _traffic(inputs: Inputs) -> Iterator[Claim]:
    for hazard in inputs.hazards:
        if hazard.subject.startswith("traffic") and hazard.contract and not hazard.waived:
            yield Claim(
                Md(f"Today's DNS record moves clients in time for {code(hazard.contract)}"),
                strong("refuted, predicted"),
                Md(f"{text(hazard.message)} ({inputs.place(hazard.place)}; {text(hazard.source)})"),
            )
