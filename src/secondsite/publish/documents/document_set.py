"""The whole set of documents, as texts by their names below the documents' folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.schedule import drills
from secondsite.publish.content.sources import Sources
from secondsite.publish.documents import (
    alerts,
    architecture,
    compliance,
    contracts,
    cost,
    dashboard,
    evaluation,
    roadmap,
    schedule,
    source_list,
    summary,
)
from secondsite.publish.documents.calendar import calendar
from secondsite.publish.documents.control import controlled
from secondsite.publish.page.evaluation import render_html
from secondsite.publish.page.report import ReadTimeline, report
from secondsite.publish.runbook import runbook

RUNBOOK = alerts.RUNBOOK
ALERTS = "dr-alerts.yaml"
DASHBOARD = "dr-dashboard.json"
REPORT = "report.html"
_DOCUMENTS: Mapping[str, Callable[[Inputs, Sources], str]] = {
    summary.NAME: summary.document,
    evaluation.NAME: evaluation.document,
    contracts.NAME: contracts.document,
    roadmap.NAME: roadmap.document,
    cost.NAME: cost.document,
    schedule.NAME: schedule.document,
    RUNBOOK: runbook.section,
}


def documents(inputs: Inputs) -> Mapping[str, str]:
    """Those in Markdown. Of the runbook, what belongs between the markers of one that may be there already."""
    sources = Sources(inputs.system)
    written = {name: document(inputs, sources) for name, document in _DOCUMENTS.items()}
    listed = source_list.document(inputs, sources)
    return {
        architecture.NAME: controlled(inputs, architecture.document(inputs)),
        compliance.NAME: controlled(inputs, compliance.document(inputs)),
        **{
            name: _leading(controlled(inputs, text), sources.targets(text, source_list.NAME))
            for name, text in written.items()
        },
        source_list.NAME: _leading(listed, sources.targets(listed)),
    }


def _leading(text: str, targets: str) -> str:
    return f"{text}\n{targets}\n" if targets else text


def files(inputs: Inputs, read: ReadTimeline | None = None) -> Mapping[str, str]:
    """All of them; ``read`` reads evidence for timelines."""
    watched = alerts.alerts(inputs)
    return {
        **documents(inputs),
        **evaluation.charts(inputs),
        **roadmap.charts(inputs),
        schedule.CALENDAR: calendar(inputs.system.name, drills(inputs), inputs.as_of),
        ALERTS: alerts.rules(inputs.system.name, watched, f"{inputs.published}{RUNBOOK}"),
        REPORT: render_html(inputs.evaluation, report(inputs, read)),
        DASHBOARD: dashboard.dashboard(inputs.system.name, watched),
    }
