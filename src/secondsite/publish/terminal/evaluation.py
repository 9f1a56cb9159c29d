"""The evaluation for a person at a terminal: what is recommended and how firm that is, then what it was chosen from.

Tables fit 80 columns, which is why what is compared stands in three of them; text takes the width there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from secondsite.evaluate.cost import machines_usd
from secondsite.evaluate.evaluation import Assessment, ContractOutcome, Evaluation, MigrationStep, PolicyFigures
from secondsite.evaluate.known import served_subject
from secondsite.evaluate.latency import LatencyFigures
from secondsite.model.contract import Subject, Verdict
from secondsite.model.estimate import Estimate
from secondsite.model.hazard import Severity
from secondsite.model.wording import counted, dollars, number, percent, quantity, short_duration, short_span
from secondsite.publish.content.confidence import firm_words, firmness
from secondsite.publish.terminal.store_choices import NOTE, store_table

_STYLES = {Verdict.BREACHED: "red", Verdict.UNPROVEN: "yellow", Verdict.MET: "green"}
_NAME = 37
"""Columns of the longest strategy's name, indented by one."""


def render_text(evaluation: Evaluation, console: Console) -> None:
    """Prints to ``console``; plain where it is no terminal."""
    for block in _blocks(evaluation):
        console.print(block)


def _blocks(evaluation: Evaluation) -> Iterator[RenderableType]:
    system, recommendation, chosen = evaluation.system, evaluation.recommendation, evaluation.recommended
    yield Text(f"{system.name}: if {system.region.name} is lost", style="bold")
    if recommendation.withheld:
        yield Text(f"\nNo strategy is recommended: {recommendation.withheld}", style="bold")
    else:
        yield Text.assemble("\n", (f"{evaluation.announced}: ", "bold"), (recommendation.strategy.id, "bold green"))
        yield _bullets(recommendation.reasons)
        yield _heading(f"How sure this is: {firmness(recommendation.stability)}")
        yield _bullets([*firm_words(recommendation), *_doubt(evaluation)])
        yield _heading("Contracts")
        yield _contracts(chosen)
    yield _heading("The strategies")
    yield _strategies(evaluation)
    yield Text(_legend(evaluation), style="dim")
    yield _heading("Cost and hazards")
    yield _costs(evaluation)
    yield Text(
        f"$/month: list prices of {_provider(evaluation)} + people's hours\nown/year: to run, expected "
        "loss, the way there\nhazards: fatal and high / all that are open",
        style="dim",
    )
    yield _heading("Speed and effort")
    yield _efforts(evaluation)
    note = (
        "users: network latency before → after the loss; publish: time to acknowledgement; medians\n"
        "by hand: steps that a person does or approves, in failover and failback; †: there is no failback"
    )
    yield Text(note, style="dim")
    if recommendation.stores:
        yield _heading(f"Databases, in {chosen.strategy.id}")
        yield store_table(recommendation.stores)
        yield Text(NOTE, style="dim")
    if not recommendation.withheld:
        yield from _recommendation(evaluation)


def render_many(evaluations: Sequence[Evaluation]) -> Table:
    """Under the name of each system, what is recommended there and its figures."""
    table = _plain_table("system, recommended", "RTO", "held", "own/year", "verdict")
    for evaluation in evaluations:
        best = evaluation.recommended
        served = best.outcome(served_subject(evaluation.system))
        table.add_row(Text(evaluation.system.name, style="bold"))
        table.add_row(
            " nothing: no stream is known" if evaluation.recommendation.withheld else f" {best.strategy.id}",
            _spread(served.rto) if served else "",
            _held(best),
            dollars(best.owning_usd.mean),
            _verdict(best),
        )
    return table


def _plain_table(*columns: str) -> Table:
    """Figures between two names stand to the right."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for title in columns:
        named = title in (columns[0], columns[-1])
        table.add_column(title, justify="left" if named else "right", overflow="fold", no_wrap=title == columns[0])
    return table


def _spread(estimate: Estimate) -> str:
    """Median and 95 % quantile of a time."""
    return short_span(estimate.quantile(0.5), estimate.quantile(0.95))


def _legend(evaluation: Evaluation) -> str:
    return (
        "> recommended  * Pareto front  times: median to 95th percentile\n"
        "held: probability that the weakest contract is met; unproven: not drilled yet\n"
        f"{evaluation.years:,} simulated years, seed {evaluation.seed}; most inputs are assumed:\n"
        "--explain STRATEGY:FIGURE shows"
    )


def _provider(evaluation: Evaluation) -> str:
    provider = evaluation.system.region.provider
    return provider if provider in evaluation.recommended.bills else "aws"


def _side_by_side(columns: tuple[tuple[str, int], ...]) -> Table:
    """A column for the mark, one for the strategy, then figures."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", width=1)
    table.add_column("strategy", min_width=_NAME, no_wrap=True)
    for title, width in columns:
        table.add_column(title, justify="right", min_width=width, no_wrap=True)
    return table


def _grouped(evaluation: Evaluation, table: Table) -> Iterator[tuple[Assessment, Text, Text]]:
    """Each strategy under a line with its pattern: (assessment, mark, name)."""
    for pattern, group in groupby(evaluation.assessments, key=lambda a: a.strategy.pattern):
        table.add_row("", Text(str(pattern), style="bold"))
        for assessment in group:
            chosen = (
                assessment.strategy == evaluation.recommendation.strategy and not evaluation.recommendation.withheld
            )
            style = "bold green" if chosen else ""
            mark = ">" if chosen else "*" if assessment.strategy in evaluation.pareto else ""
            yield assessment, Text(mark, style="bold green"), Text(f" {_short_name(assessment)}", style=style)


def _short_name(assessment: Assessment) -> str:
    return assessment.strategy.id.split("/", 1)[1]


def _strategies(evaluation: Evaluation) -> Table:
    subject = served_subject(evaluation.system)
    columns = ((f"{subject.upper()} RTO", 11), ("NATS RPO", 9), ("held", 7), ("verdict", 8))
    table = _side_by_side(columns)
    streams = any(cluster.streams for cluster in evaluation.system.nats)
    for assessment, mark, name in _grouped(evaluation, table):
        served, nats = assessment.outcome(subject), assessment.outcome(Subject.NATS)
        table.add_row(
            mark,
            name,
            _spread(served.rto) if served else "",
            short_duration(nats.rpo.quantile(0.95)) if nats and streams else "–",
            _held(assessment),
            _verdict(assessment),
        )
    return table


def _costs(evaluation: Evaluation) -> Table:
    """What it takes: minutes down, money, and what is still wrong."""
    table = _side_by_side((("down/yr", 7), ("$/month", 11), ("own/year", 9), ("hazards", 7)))
    for assessment, mark, name in _grouped(evaluation, table):
        machines, people = _monthly(assessment, _provider(evaluation))
        table.add_row(
            mark,
            name,
            f"{number(assessment.downtime_minutes.mean, 2)} min",
            dollars(machines) if math.isinf(machines) else f"{dollars(machines)}+{people:,.0f}",
            dollars(assessment.owning_usd.mean),
            _hazards(assessment),
        )
    return table


def _monthly(assessment: Assessment, provider: str) -> tuple[float, float]:
    """What the provider is paid, and people's hours, in US dollars."""
    people = sum(item.monthly_usd.mean for item in assessment.bills[provider] if item.for_people)
    return assessment.monthly_usd[provider].mean - people, people


def _held(assessment: Assessment) -> str:
    chances = [o.probability_met for o in assessment.outcomes if o.probability_met is not None]
    return percent(min(chances)) if chances else "–"


def _verdict(assessment: Assessment) -> Text:
    if not any(outcome.promised for outcome in assessment.outcomes):
        return Text("–", style="dim")
    if assessment.excluded:
        return Text("excluded", style="red")
    verdict = Verdict.BREACHED if assessment.breached else Verdict.UNPROVEN
    return Text(str(verdict), style=_STYLES[verdict])


def _efforts(evaluation: Evaluation) -> Table:
    """The rest of what is compared: speed and effort."""
    table = _side_by_side((("users", 11), ("publish", 7), ("regions", 7), ("by hand", 7)))
    for assessment, mark, name in _grouped(evaluation, table):
        effort, speed = assessment.complexity, assessment.latency
        table.add_row(
            mark,
            name,
            _before_and_after(speed),
            f"{number(speed.publish_p50_ms.quantile(0.5), 2)} ms" if evaluation.system.nats else "–",
            str(len(assessment.deployment.sites)),
            f"{effort.manual_steps}{'' if effort.way_back else '†'}",
        )
    return table


def _before_and_after(speed: LatencyFigures) -> str:
    before, after = speed.user_p50_ms.quantile(0.5), speed.user_after_p50_ms
    before_shown = number(before, 2)
    return f"{before_shown} ms" if after.unbounded else f"{before_shown} → {number(after.quantile(0.5), 2)} ms"


def _hazards(assessment: Assessment) -> str:
    """Fatal and high ones, then all that are open."""
    grave = sum(h.severity in (Severity.FATAL, Severity.HIGH) and not h.waived for h in assessment.hazards)
    return f"{grave}/{assessment.complexity.open_hazards}"


def _recommendation(evaluation: Evaluation) -> Iterator[RenderableType]:
    recommendation, chosen = evaluation.recommendation, evaluation.recommended
    yield _heading("Cost, speed, effort")
    yield _bullets(_figures(chosen, evaluation))
    if recommendation.blockers:
        yield _heading("Do these first")
        yield _bullets(recommendation.blockers)
    yield _heading("The way there")
    yield _bullets(_migration(recommendation.migration))
    tracks = [f"{track.track} ({track.condition}): {track.what}" for track in recommendation.follow_ups if track.holds]
    if tracks:
        yield _heading("Also consider")
        yield _bullets(tracks)
    yield from _impossible(evaluation)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _bullets(lines: list[str] | tuple[str, ...]) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(width=2)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(" -", Text(line))
    return table


def _contracts(assessment: Assessment) -> RenderableType:
    promised = [outcome for outcome in assessment.outcomes if outcome.promised]
    if not promised:
        return Text(" secondsite.yaml has no contracts, so nothing is judged; RTO and RPO above are estimates")
    table = _plain_table(" contract", "RTO", "limit", "RPO", "limit", "prob. / required", "verdict")
    for outcome in promised:
        table.add_row(*_contract(outcome))
    return table


def _contract(outcome: ContractOutcome) -> list[str | Text]:
    contract = outcome.contract
    return [
        f" {contract.name}",
        _spread(outcome.rto),
        "–" if contract.rto_s is None else short_duration(contract.rto_s),
        "" if contract.rpo_s is None else _spread(outcome.rpo),
        "–" if contract.rpo_s is None else short_duration(contract.rpo_s),
        _chance(outcome),
        Text(str(outcome.verdict), style=_STYLES[outcome.verdict] if outcome.verdict else ""),
    ]


def _chance(outcome: ContractOutcome) -> str:
    if outcome.probability_met is None:
        return "unknown"
    return f"{percent(outcome.probability_met)} / {percent(outcome.contract.confidence)}".replace(" % /", " /")


def _figures(chosen: Assessment, evaluation: Evaluation) -> list[str]:
    costs = ", ".join(f"{provider} {dollars(machines_usd(items).mean)}" for provider, items in chosen.bills.items())
    hours = sum(item.hours.mean for item in chosen.bills[_provider(evaluation)] if item.for_people)
    others = {strategy.id for strategy in evaluation.recommendation.by_provider.values()}
    depends = f"the choice depends on it: {', '.join(sorted(others))}"
    same = "the same choice on all three providers" if len(others) == 1 else depends
    speed, effort = chosen.latency, chosen.complexity
    return [
        f"{costs} a month, and {number(hours)} hours of people's time; {same}",
        *_away(chosen, _provider(evaluation)),
        f"{dollars(chosen.owning_usd.mean)} a year to own, of it {dollars(chosen.expected_loss_usd.mean)} expected "
        "loss",
        f"availability {quantity(chosen.availability.mean, 'share')}, {number(chosen.downtime_minutes.mean)} "
        f"minutes down a year "
        f"({number(evaluation.assessments[0].downtime_minutes.mean)} with {evaluation.assessments[0].strategy.id}): "
        + ", ".join(f"{number(part.mean)} {part.name}" for part in chosen.downtime_minutes.inputs[:4]),
        f"users to region {number(speed.user_p50_ms.quantile(0.5))} ms (p99 {number(speed.user_p99_ms.quantile(0.5))})"
        f"{_after(speed)}"
        + (
            f"; publish acknowledged in {number(speed.publish_p50_ms.quantile(0.5))} ms "
            f"(p99 {number(speed.publish_p99_ms.quantile(0.5))})"
            if evaluation.system.nats
            else ""
        )
        + _commit(speed),
        f"{counted(effort.component_regions, 'components')} in regions, "
        f"{counted(effort.cross_region_links, 'links')} between regions, "
        f"{effort.manual_steps} manual{'' if effort.way_back else ' (no way back)'} and "
        f"{effort.irreversible_steps} irreversible steps, "
        f"{effort.open_hazards} open hazards, {number(effort.hours_per_month.mean)} hours a month",
        *_writers(chosen),
    ]


def _commit(speed: LatencyFigures) -> str:
    if speed.commit_p50_ms is None or speed.commit_p99_ms is None:
        return ""
    p50, p99 = (number(one.quantile(0.5)) for one in (speed.commit_p50_ms, speed.commit_p99_ms))
    return f"; COMMIT acknowledged in {p50} ms (p99 {p99}), with the standby's flush"


def _away(chosen: Assessment, provider: str) -> list[str]:
    """The other bill: what runs while the first region is lost."""
    usd, hours = chosen.away_usd.get(provider), chosen.away_hours
    if usd is None or hours is None or usd.unbounded:
        return []
    return [
        f"while failed over, {dollars(usd.mean)} a month at {provider} with the standby at full size, for about "
        f"{number(hours.mean)} hours a year; the bill above covers the rest"
    ]


def _writers(chosen: Assessment) -> list[str]:
    """Both policies, the one of the file first."""
    shown_lines = [
        f"{each.policy}{' (as the file says)' if each.in_force else ''} {_spread(each.lost)} where the region is lost, "
        + (f"{_spread(each.cut_off)} where it is cut off" if each.cut_off.mean else "no pause where it is cut off")
        + f", {_both(each)}"
        for each in sorted(chosen.policies, key=lambda each: not each.in_force)
    ]
    return [f"time without a writer, by `operate.writers`: {'; '.join(shown_lines)}"] if shown_lines else []


def _both(each: PolicyFigures) -> str:
    took = each.both_sides
    return f"{_spread(took)} with two in a drill over a cut of 4 s" if took.mean else "never two in that drill"


def _after(speed: LatencyFigures) -> str:
    after = speed.user_after_p50_ms
    return "" if after.unbounded else f", {number(after.quantile(0.5))} ms after the loss"


def _migration(steps: tuple[MigrationStep, ...]) -> list[str]:
    return [
        f"{position}. {step.name} ({step.strategy.id}): {_added(step.added_new_usd.mean)} a month to the provider, "
        f"{_added(step.added_people_usd.mean)} of people's time; once {number(step.hours.mean)} hours"
        + (f"; brings within reach {', '.join(step.gains)}" if step.gains else "")
        for position, step in enumerate(steps, 1)
    ]


def _added(usd: float) -> str:
    return f"+{dollars(usd)}" if usd >= 0 else dollars(usd)


def _doubt(evaluation: Evaluation) -> list[str]:
    recommendation = evaluation.recommendation
    flips = [str(flip) for flip in recommendation.flips[:5]]
    top = [f"to settle it, measure {i.name}: {i.settle or i.source}" for i in recommendation.influences[:2]]
    return [*flips, *top] or ["no assumption changes it within its range"]


def _impossible(evaluation: Evaluation) -> Iterator[RenderableType]:
    """Why the excluded are, and what would fail where requirements are skipped: each reason once."""
    excluded: dict[str, list[str]] = {}
    skipped: dict[str, list[str]] = {}
    for assessment in evaluation.assessments:
        if assessment.excluded:
            excluded.setdefault(assessment.excluded, []).append(assessment.strategy.id)
        if assessment.unprepared:
            skipped.setdefault(assessment.unprepared, []).append(assessment.strategy.id)
    for title, groups in (("Excluded", excluded), ("On today's system, without the strategies' requirements", skipped)):
        if groups:
            yield _heading(title)
            yield _bullets([f"{', '.join(ids)}: {why}" for why, ids in groups.items()])
