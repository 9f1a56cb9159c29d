"""``cost-estimate.md``: what each step costs at each provider, item by item, with the date of every price."""

from __future__ import annotations

from attrs import frozen

from secondsite.evaluate.evaluation import Assessment
from secondsite.model.estimate import Estimate
from secondsite.model.wording import dollars
from secondsite.publish.content.comparison import CATEGORIES, OTHER, by_category, category, provider_of, side_by_side
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.roadmap import roadmap
from secondsite.publish.content.sources import Sources
from secondsite.publish.text.figure import figure
from secondsite.publish.text.markdown import Md, code, strong, table, text
from secondsite.publish.text.templates import render

NAME = "cost-estimate.md"


@frozen
class CostTable:
    """``title`` names the step; ``items`` is its table."""

    title: Md
    strategy: Md
    items: Md


def document(inputs: Inputs, sources: Sources) -> str:
    provider = provider_of(inputs.evaluation)
    named = _steps(inputs, provider)
    return render(
        "cost-estimate.md.j2",
        system=inputs.system,
        provider=provider,
        summary=_summary(inputs, provider, sources),
        totals=_totals(inputs, named, sources),
        categories=_categories(named, provider, sources),
        bills=[_bill(title, assessment, sources) for title, assessment in named],
    )


def _steps(inputs: Inputs, provider: str) -> tuple[tuple[str, Assessment], ...]:
    """Today, every step of the way, and the recommendation if the way does not lead there."""
    named = [("today", inputs.evaluation.assessments[0])]
    named += [(f"{step.number}: {step.name}", step.assessment) for step in roadmap(inputs, provider)]
    if all(assessment is not inputs.chosen for _, assessment in named):
        named.append(("recommended", inputs.chosen))
    return tuple(named)


def _summary(inputs: Inputs, provider: str, sources: Sources) -> Md:
    bill = inputs.chosen.bills[provider]
    machines = sum(item.monthly_usd.mean for item in bill if not item.for_people)
    people = sum(item.monthly_usd.mean for item in bill if item.for_people)
    budget = inputs.system.economics.budget_usd_per_month
    marks = [
        sources.of_all(what, (item.monthly_usd for item in bill if item.for_people == people_s))
        for what, people_s in (("the provider's part", False), ("people's hours", True))
    ]
    summary = (
        f"The recommendation costs ~{dollars(machines)} {marks[0]} a month at {text(provider)} list prices, and "
        f"~{dollars(people)} {marks[1]} of people's time."
    )
    summary += _away(inputs.chosen, provider, sources)
    if budget is None:
        return Md(f"{summary} `secondsite.yaml` has no budget.")
    over = machines - budget
    stands = f"{dollars(abs(over))} {'above' if over > 0 else 'below'} the budget of {dollars(budget)}"
    return Md(f"{summary} The provider's part is {strong(Md(stands))} ({inputs.at('economics.budget_usd_per_month')}).")


def _away(chosen: Assessment, provider: str, sources: Sources) -> str:
    """The bill of the hours in which the first region is away."""
    usd, hours = chosen.away_usd.get(provider), chosen.away_hours
    if usd is None or hours is None:
        return ""
    return (
        f" While failed over it is {sources.figure(usd)} a month to the provider, the second region at full size and "
        f"nothing copied, for about {sources.figure(hours)} a year; what disaster recovery costs is what runs in all "
        "other hours (Wood et al., HotCloud 2010)."
    )


def _totals(inputs: Inputs, named: tuple[tuple[str, Assessment], ...], sources: Sources) -> Md:
    providers = tuple(inputs.chosen.bills)
    rows = [
        (
            strong(title) if assessment is inputs.chosen else text(title),
            code(assessment.strategy.id),
            *(sources.figure(assessment.provider_usd[provider]) for provider in providers),
            sources.figure(assessment.people_hours),
        )
        for title, assessment in named
    ]
    return table(("Step", "Strategy", *(f"{provider}, USD/month" for provider in providers), "People"), rows)


def _categories(named: tuple[tuple[str, Assessment], ...], provider: str, sources: Sources) -> Md:
    spent = {title: by_category(assessment.bills[provider]) for title, assessment in named}
    used = [name for name in (*CATEGORIES, OTHER) if any(amounts[name] for amounts in spent.values())]
    rows = [(text(title), *(Md(f"~{dollars(amounts[name])}") for name in used)) for title, amounts in spent.items()]
    items = [item for _, assessment in named for item in assessment.bills[provider]]
    marks = {
        name: sources.of_all(f"{name}, every step", (one.monthly_usd for one in items if category(one.name) == name))
        for name in used
    }
    return table(("Step", *(sources.head(f"{name}, USD/month\t", marks[name]) for name in used)), rows)


def _bill(title: str, assessment: Assessment, sources: Sources) -> CostTable:
    providers = tuple(assessment.bills)
    rows = [
        (
            name,
            category(name),
            *(sources.figure(by[provider].monthly_usd) if provider in by else "–" for provider in providers),
        )
        for name, by in side_by_side(assessment)
    ]
    sums = (_sum(assessment.monthly_usd[provider], sources) for provider in providers)
    rows.append((Md("**together**"), "", *sums))
    head = ("Item", "Kind", *(f"{provider}, USD/month" for provider in providers))
    return CostTable(text(title[:1].upper() + title[1:]), code(assessment.strategy.id), table(head, rows))


def _sum(estimate: Estimate, sources: Sources) -> Md:
    return Md(f"{strong(sources.value(estimate, figure(estimate).text))} {sources.mark(estimate)}")
