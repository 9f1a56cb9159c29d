"""``multi-region-roadmap.md``: step by step, with what each costs, buys and needs, and where to stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from secondsite.evaluate.cost import machines_usd
from secondsite.model.wording import dollars, number
from secondsite.publish.content.comparison import provider_of
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.roadmap import NEEDS, RoadmapStep, roadmap, why_stop
from secondsite.publish.content.sources import Sources
from secondsite.publish.drawings import svg_files as charts_svg
from secondsite.publish.drawings.svg_files import Span
from secondsite.publish.text.figure import looking
from secondsite.publish.text.markdown import Md, bullets, code, fence, joined, prose, strong, table, text
from secondsite.publish.text.mermaid import Edge, Node, flowchart
from secondsite.publish.text.templates import render

NAME = "multi-region-roadmap.md"
COST = "charts/roadmap-cost.svg"


@frozen
class RoadmapEntry:
    number: int
    title: Md
    slug: str
    strategy: Md
    stop: bool
    beyond: bool
    deliverables: Md
    facts: Md
    prerequisites: tuple[str, ...]
    exit_tests: Md
    rollback: str
    criteria: tuple[str, ...]


def document(inputs: Inputs, sources: Sources) -> str:
    provider = provider_of(inputs.evaluation)
    steps = roadmap(inputs, provider)
    stop = next((step for step in steps if step.stop), None)
    return render(
        "multi-region-roadmap.md.j2",
        system=inputs.system,
        provider=provider,
        stop=Md(f"{stop.number}, {text(stop.name)}") if stop else Md("today"),
        why=why_stop(steps),
        overview=_overview(steps, sources),
        chart=COST if charts(inputs) else "",
        graph=_graph(inputs, steps),
        steps=[_shown(step, sources) for step in steps],
    )


def charts(inputs: Inputs) -> Mapping[str, str]:
    """What each step brings the bill to."""
    provider = provider_of(inputs.evaluation)
    today = machines_usd(inputs.evaluation.assessments[0].bills[provider])
    spans = [Span("today", 0.0, today.mean, looking(today, dollars(today.mean)), "slack")]
    spans += [
        Span(
            f"{step.number}: {step.name}",
            0.0,
            step.machines_usd.mean,
            looking(step.machines_usd, dollars(step.machines_usd.mean)),
            "alt" if step.beyond else "bar",
        )
        for step in roadmap(inputs, provider)
        if not step.machines_usd.unbounded
    ]
    if today.unbounded or len(spans) == 1:
        return {}
    return {COST: charts_svg.spans_chart(spans, f"USD a month to {provider}, without people's hours")}


def _overview(steps: Sequence[RoadmapStep], sources: Sources) -> Md:
    rows = [
        (
            str(step.number),
            strong(step.name) if step.stop else text(step.name),
            Md(f"{_hours(step, sources)} {sources.mark(step.hours)}"),
            sources.figure(step.added_new_usd),
            sources.figure(step.cumulative_usd),
            sources.figure(step.added_people_usd),
            str(len(step.won)),
            str(len(step.breached)),
            sources.figure(step.saves_usd),
            "stop here" if step.stop else "beyond" if step.beyond else "",
        )
        for step in steps
    ]
    head = ("#\t", "Step", "Hours, once", "USD/month new", "new since today", "People's time, USD/month added")
    return (
        table((*head, "Contracts won\t", "Still breached\t", "Expected loss avoided, USD/year", ""), rows)
        if rows
        else Md("")
    )


def _hours(step: RoadmapStep, sources: Sources) -> Md:
    return sources.value(step.hours, f"{number(step.low_hours)} to {number(step.high_hours)}")


def _graph(inputs: Inputs, steps: Sequence[RoadmapStep]) -> Md:
    nodes = [Node("today", ("today", inputs.system.region.name), "round")]
    edges = list(_edges(steps))
    for step in steps:
        group = f"{step.number}: {step.name}"
        nodes += [Node(need.id, (need.what,), "box", group) for need in step.deliverables]
        kind = "goal" if step.stop else ""
        nodes.append(Node(f"test-{step.number}", ("exit test", "go on?"), "choice", group, kind))
    return flowchart(nodes, edges, direction="TB")


def _edges(steps: Sequence[RoadmapStep]) -> Iterator[Edge]:
    known: set[str] = set()
    before = "today"
    for step in steps:
        here = {need.id for need in step.deliverables}
        for need in step.deliverables:
            inside = [name for name in NEEDS.get(need.id, ()) if name in here]
            across = [name for name in NEEDS.get(need.id, ()) if name in known]
            yield from (Edge(name, need.id) for name in inside)
            yield from (Edge(name, need.id, dashed=True) for name in across)
            if not inside:
                yield Edge(before, need.id)
            if not any(need.id in NEEDS.get(other, ()) for other in here):
                yield Edge(need.id, f"test-{step.number}")
        if not here:
            yield Edge(before, f"test-{step.number}")
        before = f"test-{step.number}"
        known |= here


def _shown(step: RoadmapStep, sources: Sources) -> RoadmapEntry:
    return RoadmapEntry(
        number=step.number,
        title=text(step.name[:1].upper() + step.name[1:]),
        slug=step.slug,
        strategy=code(step.assessment.strategy.id),
        stop=step.stop,
        beyond=step.beyond,
        deliverables=_deliverables(step, sources),
        facts=_facts(step, sources),
        prerequisites=step.prerequisites,
        exit_tests=fence(step.exit_tests),
        rollback=step.rollback,
        criteria=step.criteria,
    )


def _deliverables(step: RoadmapStep, sources: Sources) -> Md:
    """Effort and order as a table; what each is, and why, as a list below it: sentences do not fit into columns."""
    if not step.deliverables:
        return Md("Nothing new.")
    rows = [
        (
            code(need.id),
            sources.figure(need.hours, span=True),
            joined(code(name) for name in NEEDS.get(need.id, ())) or "–",
        )
        for need in step.deliverables
    ]
    listed = bullets(
        Md(f"{code(need.id)}: {strong(prose(need.what))}. Why: {prose(need.why)}.") for need in step.deliverables
    )
    return Md(f"{table(('Deliverable', 'Hours, once', 'After'), rows)}\n\n{listed}")


def _facts(step: RoadmapStep, sources: Sources) -> Md:
    rows = [
        (
            "Effort",
            f"{_hours(step, sources)} hours, once; {sources.figure(step.hours)} expected",
        ),
        (
            "Added a month",
            f"{sources.figure(step.added_new_usd)} to the provider; people's time "
            f"{sources.figure(step.added_people_usd)}",
        ),
        (
            "A month then",
            f"{sources.figure(step.machines_usd)} to the provider; people's time {sources.figure(step.people_usd)}",
        ),
        ("Contracts that become expected to hold", joined(map(code, step.won)) or "nothing yet"),
        ("Still breached", joined(map(code, step.breached)) or "nothing"),
        ("Expected loss avoided", Md(f"{sources.figure(step.saves_usd)} a year")),
    ]
    return table(("", ""), [(what, Md(value)) for what, value in rows])
