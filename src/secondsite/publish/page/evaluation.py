"""An evaluation as one HTML file for people who would rather look: no request leaves it, the same bytes each time.

Names come from files that others wrote. Everything is text unless it was made here: autoescaping is on, charts
are written by an XML writer, and the page's own policy lets no script run but the one it ships with.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING

from secondsite.evaluate.derive import weakest
from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.contract import Verdict
from secondsite.model.fault import Fault
from secondsite.model.hazard import Severity
from secondsite.model.wording import number
from secondsite.publish.content.comparison import (
    NumberedSources,
    answer,
    answered,
    bill_lines,
    described,
    other_blockers,
    provider_of,
    regional,
    rows,
    spent_on,
    waiting,
)
from secondsite.publish.content.confidence import firm_words, firmness
from secondsite.publish.content.store_ways import store_ways
from secondsite.publish.content.timeline import Phase
from secondsite.publish.drawings import charts
from secondsite.publish.drawings.evaluation import influences, stacks, tradeoff, waterfall
from secondsite.publish.drawings.tornado import tornado
from secondsite.publish.text.figure import figure
from secondsite.publish.text.nonbreaking import duration, percent, quantity

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from secondsite.publish.page.report import Report

_LONGEST_PART = 20
"""Letters of a strategy's part that a narrow column has room for."""
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def render_html(evaluation: Evaluation, report: Report | None = None) -> str:
    """A complete document, with contracts, drills and architecture where there is a report of them.

    Characters that no document may hold become U+FFFD.
    """
    style = _shipped("evaluation.css") + (_shipped("report.css") + _dated(report) if report else "")
    environment = _environment()
    provider = provider_of(evaluation)
    compared = rows(evaluation)
    sources = NumberedSources()
    page = environment.get_template("evaluation.html.j2").render(
        evaluation=evaluation,
        recommendation=evaluation.recommendation,
        chosen=evaluation.recommended,
        system=evaluation.system,
        provider=provider,
        providers=tuple(evaluation.recommended.bills),
        rows=compared,
        anchors={row.assessment.strategy: f"strategy-{row.number}" for row in compared},
        answer=answer(evaluation, provider),
        answer_basis=weakest(*answered(evaluation, provider)),
        limit=partial(waiting, contracts=evaluation.system.contracts),
        regional=regional(evaluation.recommended),
        blockers=other_blockers(evaluation),
        tradeoff=tradeoff(compared, provider),
        waterfall=waterfall(evaluation.recommended),
        store_ways=store_ways(evaluation, provider),
        tornado=tornado(evaluation),
        influence_bars=influences(evaluation),
        stacks=stacks(compared, provider),
        categories=spent_on(compared, provider),
        sources=sources,
        bill_lines=partial(bill_lines, sources=sources),
        report=report,
        style=style,
        script=_shipped("evaluation.js"),
        policy=_policy(style, _shipped("evaluation.js")),
    )
    return _UNPRINTABLE.sub("\ufffd", page)


def _dated(report: Report) -> str:
    """On each printed page: a sheet without a date is believed for years."""
    return f'@media print {{ @page {{ @bottom-left {{ content: "As of {report.as_of}"; font: 8px sans-serif; }} }} }}'


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("secondsite.publish"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=figure, duration=duration, percent=percent, number=number)
    environment.filters.update(described=described, breakable=_breakable, dotted=_dotted, prose=_prose, words=_words)
    environment.globals.update(
        marker=charts.marker,
        quantity=quantity,
        firmness=firmness,
        firm_words=firm_words,
        Fault=Fault,
        Phase=Phase,
        Severity=Severity,
        Verdict=Verdict,
    )
    return environment


def _breakable(strategy_id: str) -> Markup:
    """A line may end after a slash, not in the middle of a part, unless that is as long as two."""
    from markupsafe import Markup

    parts = (_part(part) for part in strategy_id.split("/"))
    return Markup("/<wbr>").join(parts)


def _part(name: str) -> Markup:
    from markupsafe import Markup

    first, dash, rest = name.partition("-") if len(name) > _LONGEST_PART else (name, "", "")
    pieces = (first + dash, rest) if rest else (first,)
    return Markup("<wbr>").join(Markup('<span class="part">{}</span>').format(each) for each in pieces)


def _dotted(name: str) -> Markup:
    """A line may end after a dot or an underline of a name, and after its slash."""
    from markupsafe import Markup, escape

    return Markup(re.sub("([._/])", r"\1<wbr>", str(escape(name))))  # noqa: S704 # escaped, and only ``<wbr>`` added


def _words(command: str) -> Markup:
    """A line may end between the words of a command, not after a dash inside one."""
    from markupsafe import Markup

    return Markup(" ").join(Markup('<span class="part">{}</span>').format(word) for word in command.split(" "))


def _prose(sentence: str) -> Markup:
    """Running text of ours in which names stand between backticks."""
    from markupsafe import Markup, escape

    parts = sentence.split("`")
    if len(parts) % 2 == 0:
        return escape(sentence)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if inside % 2 else escape(part) for inside, part in enumerate(parts)
    )


def _shipped(name: str) -> str:
    return (files("secondsite.publish") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded; only the shipped style and script apply, by their digests."""
    return f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
