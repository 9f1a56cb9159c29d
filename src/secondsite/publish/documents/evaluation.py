"""``multi-region-evaluation.md``: the strategies against each other, one recommendation, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from secondsite.evaluate.derive import leaves
from secondsite.evaluate.evaluation import Assessment
from secondsite.model.contract import Subject
from secondsite.model.deployment import Requirement
from secondsite.model.estimate import Estimate
from secondsite.model.hazard import Severity
from secondsite.model.strategy import Pattern, Strategy
from secondsite.model.wording import number
from secondsite.publish.content.claims import claims
from secondsite.publish.content.comparison import (
    ComparedStrategy,
    answer,
    answered,
    best,
    other_blockers,
    provider_of,
    rows,
)
from secondsite.publish.content.confidence import firm_words, firmness
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.sources import Sources
from secondsite.publish.documents.link_names import LINK_NAMES
from secondsite.publish.documents.store_ways import store_table
from secondsite.publish.documents.writers_policy import writers_section
from secondsite.publish.drawings import svg_files as charts_svg
from secondsite.publish.drawings.tornado import TornadoDrawing, tornado
from secondsite.publish.text.figure import figure
from secondsite.publish.text.markdown import Md, bullets, code, joined, prose, strong, table, text
from secondsite.publish.text.nonbreaking import about, percent, quantity
from secondsite.publish.text.templates import render

NAME = "multi-region-evaluation.md"
PARETO, RECOVERY, EFFORT = "charts/pareto.svg", "charts/recovery.svg", "charts/effort.svg"
TORNADO = "charts/tornado.svg"
_PATTERNS = {
    Pattern.SINGLE_REGION: "today: one region",
    Pattern.SEVERAL_REGIONS: "today: NATS in several regions",
    Pattern.BACKUP_RESTORE: "backup and restore",
    Pattern.PILOT_LIGHT: "active-passive, pilot light",
    Pattern.WARM_STANDBY: "active-passive, warm standby",
    Pattern.ACTIVE_ACTIVE: "active-active",
}


def document(inputs: Inputs, sources: Sources) -> str:
    provider = provider_of(inputs.evaluation)
    compared = rows(inputs.evaluation)
    chosen, recommendation = inputs.chosen, inputs.evaluation.recommendation
    shown = tornado(inputs.evaluation)
    return render(
        "multi-region-evaluation.md.j2",
        system=inputs.system,
        evaluation=inputs.evaluation,
        answer_mark=sources.of_all("the recommendation", answered(inputs.evaluation, provider)),
        reasons_mark=sources.of_all("costs of owning, downtime", _owned(inputs, provider)),
        years=f"{inputs.evaluation.years:,}",
        provider=provider,
        answer=answer(inputs.evaluation, provider),
        strategy=code(chosen.strategy.id),
        broken=[code(outcome.contract.name) for outcome in chosen.breached],
        excluded=chosen.excluded,
        reasons=recommendation.reasons,
        firmness=_firmness(inputs),
        providers=_providers(inputs),
        served=compared[0].served.upper(),
        patterns=_patterns(inputs, compared, provider, sources),
        links=_links(inputs, compared, provider, sources),
        stores=store_table(inputs, provider, sources),
        strategies=_strategies(compared, provider, sources),
        pareto=PARETO if charts_svg.pareto(compared, provider) else "",
        recovery=RECOVERY if _recovery(inputs) else "",
        effort=EFFORT if charts_svg.effort(compared) else "",
        latency=_latency(compared, sources),
        complexity=_complexity(compared, inputs.evaluation.assessments[0], sources),
        writers=writers_section(chosen, sources),
        claims=_claims(inputs, sources),
        needs=_needs(chosen, sources),
        blockers=other_blockers(inputs.evaluation),
        flips=_flips(inputs, sources),
        tornado=shown,
        owning_mark=sources.mark(chosen.owning_usd),
        owning=sources.value(chosen.owning_usd, figure(chosen.owning_usd).text),
        swings=_swings(inputs, shown, sources),
        doubts=_doubts(inputs, sources),
        tracks=_tracks(inputs),
    )


def charts(inputs: Inputs) -> Mapping[str, str]:
    """The pictures that the document shows, by name; those that cannot be drawn are left out."""
    compared = rows(inputs.evaluation)
    drawn = {
        PARETO: charts_svg.pareto(compared, provider_of(inputs.evaluation)),
        RECOVERY: _recovery(inputs),
        EFFORT: charts_svg.effort(compared),
        TORNADO: _tornado(inputs),
    }
    return {name: svg for name, svg in drawn.items() if svg}


def _recovery(inputs: Inputs) -> str:
    outcome = inputs.chosen.outcome(Subject.API)
    return charts_svg.recovery(inputs.chosen, outcome.contract.rto_s if outcome else None)


def _tornado(inputs: Inputs) -> str:
    shown = tornado(inputs.evaluation)
    return charts_svg.tornado_chart(shown) if shown else ""


def _swings(inputs: Inputs, shown: TornadoDrawing | None, sources: Sources) -> Md:
    if shown is None:
        return Md("")
    body = [
        (
            code(bar.name),
            _taken(inputs, bar.name, sources),
            bar.between,
            Md(f"~{text(bar.low_usd)} – {text(bar.high_usd)}"),
            _elsewhere(bar.low_to, bar.high_to),
            bar.settle or "not known how",
        )
        for bar in shown.bars
    ]
    owning = sources.head("Cost of ownership a year then", sources.mark(inputs.chosen.owning_usd))
    could = sources.head("Could be", sources.stated("ranges of assumptions", "", _RANGES, "a"))
    head = ("Assumption", "Taken", could, owning, "Then recommended", "What to measure")
    return table(head, body)


def _taken(inputs: Inputs, name: str, sources: Sources) -> Md:
    """An assumption as it is taken, by its name; what is no figure of the catalogue is known from the study alone."""
    swing = next(one for one in inputs.evaluation.recommendation.tornado.swings if one.name == name)
    figures = (figure for a in inputs.evaluation.assessments for _, figure in a.figures())
    named = (leaf for one in figures for leaf in leaves(one) if (leaf.name, leaf.unit) == (name, swing.unit))
    known = next(named, None)
    if known is not None:
        return sources.figure(known)
    shown = quantity(swing.today, swing.unit)
    return Md(f"~{text(shown)} {sources.stated(name, shown, swing.source, 'a')}")


def _elsewhere(low: Strategy | None, high: Strategy | None) -> Md:
    ends = [(end, to) for end, to in (("low", low), ("high", high)) if to is not None]
    return joined(Md(f"{end}: {code(to.id)}") for end, to in ends) if ends else Md("the same")


def _firmness(inputs: Inputs) -> Md:
    recommendation = inputs.evaluation.recommendation
    return Md(
        f"{text(firmness(recommendation.stability))}; " + "; ".join(text(line) for line in firm_words(recommendation))
    )


def _owned(inputs: Inputs, provider: str) -> Iterator[Estimate]:
    for a in inputs.evaluation.assessments:
        yield from (a.monthly_usd[provider], a.owning_usd, a.expected_loss_usd, a.downtime_minutes)


def _providers(inputs: Inputs) -> Md:
    by_provider = inputs.evaluation.recommendation.by_provider
    if len(set(by_provider.values())) == 1:
        return Md(f"The same strategy comes out at the list prices of {joined(by_provider)}.")
    return Md("; ".join(f"{text(provider)}: {code(strategy.id)}" for provider, strategy in by_provider.items()) + ".")


def _patterns(inputs: Inputs, compared: tuple[ComparedStrategy, ...], provider: str, sources: Sources) -> Md:
    shown = []
    for pattern in Pattern:
        mine = tuple(row for row in compared if row.assessment.strategy.pattern is pattern)
        if mine:
            shown.append((pattern, best(mine)))
    body = [
        (
            strong(_PATTERNS[pattern]) if row.recommended else _PATTERNS[pattern],
            code(row.id),
            *_figures(row, provider, sources),
        )
        for pattern, row in shown
    ]
    return table(("Pattern", "Its best strategy", *_heads(compared, provider, sources)), body)


def _heads(compared: tuple[ComparedStrategy, ...], provider: str, sources: Sources) -> tuple[object, ...]:
    """The columns of `_figures`, each with the mark of what its figures rest on together."""
    every = [row.assessment for row in compared]
    subject = compared[0].served
    served = [o.rto for a in every if (o := a.outcome(subject))]
    nats = [o.rpo for a in every if (o := a.outcome(Subject.NATS))]
    return (
        sources.head(f"{subject.upper()} RTO", sources.of_all(f"RTO of {subject}/region, every strategy", served)),
        sources.head("NATS RPO", sources.of_all("RPO of nats/region, every strategy", nats)),
        sources.head("Contracts", sources.of_all("probability that contracts hold", _judged(every))),
        sources.head("Down, min/year\t", sources.of_all("downtime", (a.downtime_minutes for a in every))),
        sources.head("USD a month\t", sources.of_all("monthly cost", (a.provider_usd[provider] for a in every))),
        sources.head("People, h/month\t", sources.of_all("people's time", (a.people_hours for a in every))),
        sources.head("USD/year of ownership\t", sources.of_all("cost of owning", (a.owning_usd for a in every))),
    )


def _judged(assessments: Sequence[Assessment]) -> Iterator[Estimate]:
    for assessment in assessments:
        for outcome in assessment.outcomes:
            if outcome.promised:
                yield from (outcome.rto, outcome.rpo)


def _figures(row: ComparedStrategy, provider: str, sources: Sources) -> tuple[object, ...]:
    a = row.assessment
    served, nats = a.outcome(row.served), a.outcome(Subject.NATS)
    return (
        sources.value(served.rto, row.rto.text) if served and row.rto else "–",
        sources.value(nats.rpo, row.nats_rpo.text) if nats and row.nats_rpo else "–",
        Md(contracts_text(row)),
        Md(f"~{number(row.downtime.order)}"),
        sources.value(a.provider_usd[provider], row.monthly[provider].text),
        sources.value(a.people_hours, number(a.people_hours.mean)),
        sources.value(a.owning_usd, row.owning.text),
    )


def contracts_text(row: ComparedStrategy) -> str:
    promised = sum(outcome.promised for outcome in row.assessment.outcomes)
    if not promised:
        return "none written"
    broken = len(row.assessment.breached)
    if row.assessment.excluded:
        return f"excluded, {broken} of {promised} breached"
    if not broken and row.chance is None:
        return "unproven"
    if broken or row.chance is None:
        return f"{broken} of {promised} breached"
    return f"unproven, {about(row.chance.order)}"


def _links(inputs: Inputs, compared: tuple[ComparedStrategy, ...], provider: str, sources: Sources) -> Md:
    body = []
    for link, name in LINK_NAMES.items():
        mine = tuple(row for row in compared if row.assessment.strategy.link is link)
        if not mine:
            continue
        row = best(mine)
        a, nats = row.assessment, row.assessment.outcome(Subject.NATS)
        body.append(
            (
                strong(name) if row.recommended else name,
                sources.figure(nats.rto) if nats else "–",
                sources.figure(nats.rpo) if nats else "–",
                f"{a.complexity.manual_steps} / {a.complexity.irreversible_steps}"
                + ("" if a.complexity.way_back else ", no way back"),
                f"{row.hazards[Severity.FATAL]} / {row.hazards[Severity.HIGH]}",
                "no" if a.unprepared else "yes",
                Md(contracts_text(row)),
                code(row.id),
            )
        )
    judged = sources.of_all("probability that contracts hold", _judged([row.assessment for row in compared]))
    head = ("NATS option", "Streams back", "Streams lose", "Manual / irreversible\t")
    return table(
        (*head, "Fatal / high\t", "Promoted on today's version", sources.head("Contracts", judged), "Shown for"),
        body,
    )


def _strategies(compared: tuple[ComparedStrategy, ...], provider: str, sources: Sources) -> Md:
    body = [
        (
            str(row.number),
            Md(f"{strong(code(row.id)) if row.recommended else code(row.id)}{' ◆' if row.front else ''}"),
            *_figures(row, provider, sources),
        )
        for row in compared
    ]
    return table(("#\t", "Strategy", *_heads(compared, provider, sources)), body)


def _latency(compared: tuple[ComparedStrategy, ...], sources: Sources) -> Md:
    """Of commits only where one waits for a standby in another region."""
    speeds = [row.assessment.latency for row in compared]
    commits = any(speed.commit_p50_ms for speed in speeds)
    groups: dict[tuple[str, ...], list[ComparedStrategy]] = {}
    for row, figures in zip(compared, speeds, strict=True):
        shown = [
            *(figures.user_p50_ms, figures.user_p99_ms, figures.user_after_p50_ms),
            *(figures.publish_p50_ms, figures.publish_p99_ms),
            *(one for one in (figures.commit_p50_ms, figures.commit_p99_ms) if one is not None),
        ]
        groups.setdefault(tuple(map(sources.figure, shown)), []).append(row)
    body = [(", ".join(str(row.number) for row in mine), *map(Md, key)) for key, mine in groups.items()]
    head = ("Strategies", "Users p50", "Users p99", "Users p50 after the loss", "Publish p50", "Publish p99")
    return table((*head, *(("Commit p50", "Commit p99") if commits else ())), body)


def _complexity(compared: tuple[ComparedStrategy, ...], today: Assessment, sources: Sources) -> Md:
    every, body = [row.assessment for row in compared], []
    for row in compared:
        a, effort = row.assessment, row.assessment.complexity
        fewer = len(today.breached) - len(a.breached)
        body.append(
            (
                str(row.number),
                strong(code(row.id)) if row.recommended else code(row.id),
                str(effort.component_regions),
                str(effort.cross_region_links),
                effort.by_hand_text,
                str(effort.irreversible_steps),
                sources.value(effort.hours_per_month, number(effort.hours_per_month.mean)),
                str(effort.open_hazards),
                str(fewer),
                sources.value(a.expected_loss_usd, figure(a.expected_loss_usd).text),
            )
        )
    head = (
        "#\t",
        "Strategy",
        "Components in regions\t",
        "Links\t",
        "By hand\t",
        "Final\t",
        sources.head("Hours a month", sources.of_all("upkeep", (a.complexity.hours_per_month for a in every))),
        "Hazards\t",
    )
    lost = sources.head("Expected loss a year\t", sources.of_all("expected loss", (a.expected_loss_usd for a in every)))
    return table((*head, "Contracts won\t", lost), body)


def _claims(inputs: Inputs, sources: Sources) -> Md:
    claimed = claims(inputs, sources)
    if not claimed:
        return Md("")
    return bullets(Md(f"{text(one.outcome)}: {one.claim}. Because {one.because}.") for one in claimed)


def _needs(chosen: Assessment, sources: Sources) -> Md:
    return bullets(_need(need, sources) for need in chosen.deployment.requirements)


def _need(need: Requirement, sources: Sources) -> Md:
    without = f" Without it: {prose(need.without)}." if need.without else ""
    hours = sources.figure(need.hours, span=True)
    return Md(f"{strong(prose(need.what))}: {hours}, once. Because {prose(need.why)}.{without}")


def _flips(inputs: Inputs, sources: Sources) -> Md:
    body = [
        (
            code(flip.name),
            _taken(inputs, flip.name, sources),
            f"{'above' if flip.threshold > flip.today else 'below'} {quantity(flip.threshold, flip.unit)}",
            code(flip.to.id),
        )
        for flip in inputs.evaluation.recommendation.flips
    ]
    changes = sources.head("Changes the choice", sources.stated("where the choice changes", "", _FLIPS, "c"))
    return table(("Assumption", "Taken", changes, "To"), body) if body else Md("")


def _doubts(inputs: Inputs, sources: Sources) -> Md:
    body = [
        (
            code(one.name),
            _taken(inputs, one.name, sources),
            percent(min(one.index, 1.0)),
            one.settle or "not known how",
        )
        for one in inputs.evaluation.recommendation.influences
    ]
    doubt = sources.head("Share of the uncertainty\t", sources.stated("Sobol total effect", "", _SOBOL, "c"))
    return table(("Assumption", "Taken", doubt, "Measure this"), body) if body else Md("")


_RANGES = "the plausible range of each figure in the catalogue; for money, wide until the team has entered its own"
_FLIPS = "each assumption is varied alone over its range, coarsely, then finely where the choice changes"
_SOBOL = "all assumptions are drawn from their ranges at once, and every strategy is scored again for each draw"


def _tracks(inputs: Inputs) -> Md:
    follow_ups = inputs.evaluation.recommendation.follow_ups
    body = [(one.track, strong("open") if one.holds else "closed", one.condition, one.what) for one in follow_ups]
    return table(("Track", "Now", "Opens when", "What it is"), body) if body else Md("")
