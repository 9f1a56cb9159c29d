"""The whole set of documents, as texts by their names below the documents' folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.schedule import drills
from secondsite.publish.documents import alerts, architecture, contracts, cost, dashboard, evaluation, roadmap, schedule
from secondsite.publish.documents.calendar import calendar
from secondsite.publish.page.evaluation import render_html
from secondsite.publish.page.report import ReadTimeline, report
from secondsite.publish.runbook import runbook

RUNBOOK = "runbook.md"
ALERTS = "dr-alerts.yaml"
DASHBOARD = "dr-dashboard.json"
REPORT = "report.html"
_DOCUMENTS: Mapping[str, Callable[[Inputs], str]] = {
    architecture.NAME: architecture.document,
    evaluation.NAME: evaluation.document,
    contracts.NAME: contracts.document,
    roadmap.NAME: roadmap.document,
    cost.NAME: cost.document,
    schedule.NAME: schedule.document,
}


def runbook_section(inputs: Inputs) -> str:
    """What belongs between the markers of the runbook."""
    return runbook.section(inputs)


def documents(inputs: Inputs) -> Mapping[str, str]:
    """Those in Markdown, without the runbook."""
    return {name: document(inputs) for name, document in _DOCUMENTS.items()}


def files(inputs: Inputs, read: ReadTimeline | None = None) -> Mapping[str, str]:
    """All but the runbook, which is put into one that may be there already; ``read`` reads evidence for timelines."""
    watched = alerts.alerts(inputs)
    return {
        **documents(inputs),
        **evaluation.charts(inputs),
        **roadmap.charts(inputs),
        schedule.CALENDAR: calendar(inputs.system.name, drills(inputs), inputs.as_of),
        ALERTS: alerts.rules(inputs.system.name, watched),
        REPORT: render_html(inputs.evaluation, report(inputs, read)),
        DASHBOARD: dashboard.dashboard(inputs.system.name, watched),
    }
