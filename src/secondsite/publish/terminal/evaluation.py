"""The evaluation for a person at a terminal of 100 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from secondsite.evaluate.evaluation import Assessment, ContractOutcome, Evaluation, MigrationStep
from secondsite.evaluate.latency import LatencyFigures
from secondsite.model.contract import Verdict
from secondsite.model.estimate import Estimate
from secondsite.model.hazard import Severity
from secondsite.model.wording import dollars, number, percent, quantity, short_duration, short_span
from secondsite.publish.content.comparison import firm_words, firmness

WIDTH = 100
_STYLES = {Verdict.BREACHED: "red", Verdict.UNPROVEN: "yellow", Verdict.MET: "green"}


def render_text(evaluation: Evaluation, console: Console) -> None:
    """Prints to ``console``; plain where it is no terminal."""
    for block in _blocks(evaluation):
        console.print(block)


def _blocks(evaluation: Evaluation) -> Iterator[RenderableType]:
    system = evaluation.system
    yield Text(f"{system.name}: if {system.region.name} is lost", style="bold")
    yield _strategies(evaluation)
    yield Text(_legend(evaluation), style="dim")
    yield _heading("Speed and effort")
    yield _efforts(evaluation)
    note = (
        "users: network, before → after the loss; publish: until acknowledged; medians\n"
        "parts: components × regions; by hand: steps; hazards: fatal and high / all"
    )
    yield Text(note, style="dim")
    yield from _recommendation(evaluation)


def render_many(evaluations: Sequence[Evaluation]) -> Table:
    """A line for each system: what is recommended there, and its figures."""
    columns = ("system", "recommended", "API RTO", "held", "verdict", "$/month", "own/year")
    table = _plain_table(columns, ("API RTO", "held", "$/month", "own/year"), "recommended")
    for evaluation in evaluations:
        best = evaluation.recommended
        api = best.outcome("api")
        table.add_row(
            Text(evaluation.system.name),
            best.strategy.id,
            _spread(api.rto) if api else "",
            _held(best),
            _verdict(best),
            dollars(best.monthly_usd[_provider(evaluation)].mean),
            dollars(best.owning_usd.mean),
        )
    return table


def _spread(estimate: Estimate) -> str:
    """Median and 95 % quantile of a time."""
    return short_span(estimate.quantile(0.5), estimate.quantile(0.95))


def _legend(evaluation: Evaluation) -> str:
    return (
        "> recommended  * Pareto front  times: median–95 %  held: chance that the contract most at risk holds\n"
        f"unproven: expected to hold, not drilled yet  $/month: list prices of {_provider(evaluation)} "
        f"+ people's hours\n{evaluation.years:,} simulated years, seed {evaluation.seed}; most inputs are "
        "assumed: --explain STRATEGY:FIGURE shows"
    )


def _provider(evaluation: Evaluation) -> str:
    provider = evaluation.system.region.provider
    return provider if provider in evaluation.recommended.bills else "aws"


def _side_by_side(columns: tuple[tuple[str, int], ...]) -> Table:
    """A column for the mark, one for the strategy, then figures."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", width=1)
    table.add_column("strategy", min_width=37, no_wrap=True)
    for title, width in columns:
        table.add_column(title, justify="right", min_width=width, no_wrap=True)
    return table


def _grouped(evaluation: Evaluation, table: Table) -> Iterator[tuple[Assessment, Text, Text]]:
    """Each strategy under a line with its pattern: (assessment, mark, name)."""
    for pattern, group in groupby(evaluation.assessments, key=lambda a: a.strategy.pattern):
        table.add_row("", Text(str(pattern), style="bold"))
        for assessment in group:
            chosen = assessment.strategy == evaluation.recommendation.strategy
            style = "bold green" if chosen else ""
            mark = ">" if chosen else "*" if assessment.strategy in evaluation.pareto else ""
            yield assessment, Text(mark, style="bold green"), Text(f" {_short_name(assessment)}", style=style)


def _short_name(assessment: Assessment) -> str:
    return assessment.strategy.id.split("/", 1)[1]


def _strategies(evaluation: Evaluation) -> Table:
    columns = (("API RTO", 13), ("NATS RPO", 9), ("held", 7), ("verdict", 9), ("down/yr", 7), ("$/month", 10))
    table = _side_by_side(columns)
    streams = any(cluster.streams for cluster in evaluation.system.nats)
    for assessment, mark, name in _grouped(evaluation, table):
        api, nats = assessment.outcome("api"), assessment.outcome("nats")
        table.add_row(
            mark,
            name,
            _spread(api.rto) if api else "",
            short_duration(nats.rpo.quantile(0.95)) if nats and streams else "–",
            _held(assessment),
            _verdict(assessment),
            f"{number(assessment.downtime_minutes.mean, 2)} min",
            _monthly(assessment, _provider(evaluation)),
        )
    return table


def _monthly(assessment: Assessment, provider: str) -> str:
    """What the provider is paid, and people's hours: ``$714+1,140``."""
    people = sum(item.monthly_usd.mean for item in assessment.bills[provider] if item.for_people)
    machines = assessment.monthly_usd[provider].mean - people
    return dollars(machines) if math.isinf(machines) else f"{dollars(machines)}+{people:,.0f}"


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
    """The rest of what is compared: speed, parts, effort, hazards, cost of owning."""
    columns = (
        ("users", 9),
        ("publish", 7),
        ("regions", 7),
        ("parts", 5),
        ("by hand", 7),
        ("hazards", 7),
        ("own/year", 8),
    )
    table = _side_by_side(columns)
    for assessment, mark, name in _grouped(evaluation, table):
        effort, speed = assessment.complexity, assessment.latency
        table.add_row(
            mark,
            name,
            _before_and_after(speed),
            f"{number(speed.publish_p50_ms.quantile(0.5), 2)} ms" if evaluation.system.nats else "–",
            str(len(assessment.deployment.sites)),
            str(effort.component_regions),
            str(effort.manual_steps),
            _hazards(assessment),
            dollars(assessment.owning_usd.mean),
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
    yield Text.assemble("\n", ("Recommended: ", "bold"), (recommendation.strategy.id, "bold green"))
    yield _bullets(recommendation.reasons)
    yield _heading("Contracts")
    yield _contracts(chosen)
    yield _heading("Cost, speed, effort")
    yield _bullets(_figures(chosen, evaluation))
    if recommendation.blockers:
        yield _heading("Before it is worth anything")
        yield _bullets(recommendation.blockers)
    yield _heading("The way there")
    yield _migration(recommendation.migration)
    yield _heading(f"How firm: {firmness(recommendation.stability)}")
    yield _bullets([*firm_words(recommendation), *_doubt(evaluation)])
    tracks = [f"{track.track} ({track.condition}): {track.what}" for track in recommendation.follow_ups if track.holds]
    if tracks:
        yield _heading("Tracks to follow")
        yield _bullets(tracks)
    yield from _impossible(evaluation)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _bullets(lines: list[str] | tuple[str, ...]) -> RenderableType:
    table = Table(box=None, show_header=False, width=WIDTH, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(width=2)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(" -", Text(line))
    return table


def _plain_table(columns: tuple[str, ...], right: tuple[str, ...], *whole: str) -> Table:
    table = Table(box=None, width=WIDTH, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for title in columns:
        side = "right" if title in right else "left"
        table.add_column(title, justify="right" if side == "right" else "left", overflow="fold", no_wrap=title in whole)
    return table


def _contracts(assessment: Assessment) -> RenderableType:
    promised = [outcome for outcome in assessment.outcomes if outcome.promised]
    if not promised:
        return Text(" none is written in secondsite.yaml: nothing is judged, RTO and RPO above are estimates")
    columns = (" contract", "RTO limit", "RTO", "RPO limit", "RPO", "held", "asked", "verdict")
    table = _plain_table(columns, columns[1:-1], columns[0])
    for outcome in promised:
        table.add_row(*_contract(outcome))
    return table


def _contract(outcome: ContractOutcome) -> list[str | Text]:
    contract = outcome.contract
    return [
        f" {contract.name}",
        "–" if contract.rto_s is None else short_duration(contract.rto_s),
        _spread(outcome.rto),
        "–" if contract.rpo_s is None else short_duration(contract.rpo_s),
        "" if contract.rpo_s is None else _spread(outcome.rpo),
        percent(outcome.probability_met or 0.0),
        percent(contract.confidence),
        Text(str(outcome.verdict), style=_STYLES[outcome.verdict] if outcome.verdict else ""),
    ]


def _figures(chosen: Assessment, evaluation: Evaluation) -> list[str]:
    costs = ", ".join(f"{provider} {dollars(total.mean)}" for provider, total in chosen.monthly_usd.items())
    others = {strategy.id for strategy in evaluation.recommendation.by_provider.values()}
    depends = f"the choice depends on it: {', '.join(sorted(others))}"
    same = "the same choice on all three" if len(others) == 1 else depends
    speed, effort = chosen.latency, chosen.complexity
    return [
        f"{costs} a month, people's hours included; {same}",
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
        ),
        f"{effort.component_regions} components in regions, {effort.cross_region_links} links between regions, "
        f"{effort.manual_steps} manual and {effort.irreversible_steps} irreversible steps, "
        f"{effort.open_hazards} open hazards, {number(effort.hours_per_month.mean)} hours a month",
    ]


def _after(speed: LatencyFigures) -> str:
    after = speed.user_after_p50_ms
    return "" if after.unbounded else f", {number(after.quantile(0.5))} ms after the loss"


def _migration(steps: tuple[MigrationStep, ...]) -> Table:
    columns = (" step", "strategy", "$/month", "of it people", "hours", "brings within reach")
    table = _plain_table(columns, columns[2:5], " step")
    for position, step in enumerate(steps, 1):
        table.add_row(
            Text(f" {position}. {step.name}", style="dim" if step.beyond else ""),
            step.strategy.id,
            _added(step.added_usd.mean),
            _added(step.added_people_usd.mean),
            number(step.hours.mean),
            ", ".join(step.gains) or "–",
        )
    return table


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
    for title, groups in (("Excluded", excluded), ("On what runs today, without what they need first", skipped)):
        if groups:
            yield _heading(title)
            yield _bullets([f"{', '.join(ids)}: {why}" for why, ids in groups.items()])
