"""``summary.md``: one page for who decides: what is promised, what it takes, how sure that is, what was proven."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.evaluate.derive import total
from secondsite.evaluate.evaluation import ContractOutcome
from secondsite.model.contract import Verdict
from secondsite.model.deployment import Requirement
from secondsite.model.estimate import Estimate
from secondsite.model.wording import dollars, number
from secondsite.publish.content.board import ContractBoardRow, board
from secondsite.publish.content.comparison import answer, answered, provider_of
from secondsite.publish.content.confidence import confidence
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.proof import undrilled
from secondsite.publish.content.roadmap import roadmap
from secondsite.publish.content.sources import Sources
from secondsite.publish.documents.contracts import counts, verdict
from secondsite.publish.text.markdown import Md, bullets, code, joined, prose, table, text
from secondsite.publish.text.nonbreaking import duration
from secondsite.publish.text.templates import render

NAME = "summary.md"
_SETTLED_FIRST = 2


def document(inputs: Inputs, sources: Sources) -> str:
    provider, standings = provider_of(inputs.evaluation), board(inputs)
    recommendation = inputs.evaluation.recommendation
    return render(
        "summary.md.j2",
        system=inputs.system,
        as_of=inputs.as_of.isoformat(),
        answer=answer(inputs.evaluation, provider),
        answer_mark=sources.of_all("the recommendation", answered(inputs.evaluation, provider)),
        strategy=code(inputs.chosen.strategy.id),
        withheld=recommendation.withheld,
        announced=inputs.evaluation.announced,
        promises=_promises(inputs, standings, sources),
        costs=_costs(inputs, provider, sources),
        budget=_budget(inputs, provider),
        confidence=confidence(recommendation),
        saving=next((reason for reason in recommendation.reasons if reason.startswith("reduces expected loss")), ""),
        settle=_settle(inputs),
        counts=counts(standings),
        unproven=_unproven(standings),
        asked=tuple(_asked(inputs, provider, standings)),
    )


def _promises(inputs: Inputs, standings: tuple[ContractBoardRow, ...], sources: Sources) -> Md:
    today = {outcome.contract.name: outcome for outcome in inputs.evaluation.assessments[0].outcomes}
    rows = [
        (
            code(one.contract.name),
            _limits(inputs, one.outcome),
            _expected(today[one.contract.name], sources),
            _expected(one.outcome, sources),
            verdict(one),
        )
        for one in standings
    ]
    return table(("Promise", "Limit", "Today", "As recommended", "Shown by drills"), rows) if rows else Md("")


def _limits(inputs: Inputs, outcome: ContractOutcome) -> Md:
    limits = (("RTO", outcome.contract.rto_s), ("RPO", outcome.contract.rpo_s))
    shown = ", ".join(f"{name} {duration(limit)}" for name, limit in limits if limit is not None)
    return inputs.linked(f"contracts.{outcome.contract.name}", shown)


def _expected(outcome: ContractOutcome, sources: Sources) -> Md:
    """What is limited of it, as predicted; drills have a column of their own."""
    contract = outcome.contract
    pairs = (("RTO", contract.rto_s, outcome.rto), ("RPO", contract.rpo_s, outcome.rpo))
    shown = joined(Md(f"{name} {sources.figure(one)}") for name, limit, one in pairs if limit is not None)
    return Md(f"**breached**: {shown}") if outcome.verdict is Verdict.BREACHED else shown


def _costs(inputs: Inputs, provider: str, sources: Sources) -> Md:
    today, chosen = inputs.evaluation.assessments[0], inputs.chosen
    rows = [
        (f"Bill of {provider}: USD a month", today.provider_usd[provider], chosen.provider_usd[provider]),
        ("People's time: hours a month", today.people_hours, chosen.people_hours),
        ("Expected loss: USD a year", today.expected_loss_usd, chosen.expected_loss_usd),
        ("Cost of ownership: USD a year", today.owning_usd, chosen.owning_usd),
    ]
    body: list[tuple[object, ...]] = [
        (what, _amount(before, sources), _amount(after, sources), _more(before, after)) for what, before, after in rows
    ]
    body.insert(2, ("Initial work: hours, once", "–", _once(chosen.deployment.requirements, sources), ""))
    both = (one for _, before, after in rows for one in (before, after))
    more = sources.head("Difference\t", sources.of_all("what it takes and saves", both, "the difference of the two"))
    return table(("What", "Today\t", "As recommended\t", more), body)


def _amount(estimate: Estimate, sources: Sources) -> Md:
    shown = "unbounded" if estimate.unbounded else _plain(estimate, estimate.mean)
    return Md(f"{sources.value(estimate, shown)} {sources.mark(estimate)}")


def _more(before: Estimate, after: Estimate) -> str:
    if before.unbounded or after.unbounded:
        return "–"
    more = after.mean - before.mean
    return f"{'+' if more >= 0 else '−'}{_plain(after, abs(more))}"


def _plain(estimate: Estimate, value: float) -> str:
    return dollars(value) if "USD" in estimate.unit else number(value)


def _once(needs: tuple[Requirement, ...], sources: Sources) -> Md:
    hours = total("hours of initial work", "h", [need.hours for need in needs])
    return Md(f"{sources.value(hours, number(hours.mean))} {sources.mark(hours)}")


def _budget(inputs: Inputs, provider: str) -> Md:
    budget, asked = inputs.system.economics.budget_usd_per_month, inputs.chosen.provider_usd[provider]
    if budget is None:
        return Md("`secondsite.yaml` has no budget.")
    if asked.unbounded:
        return Md(f"The budget is {dollars(budget)} a month; the recommendation has no price yet.")
    over = asked.mean - budget
    stands = f"**{dollars(over)} a month above**" if over > 0 else f"{dollars(-over)} a month below"
    return Md(f"The new bill is {stands} the budget of {dollars(budget)}.")


def _settle(inputs: Inputs) -> Md:
    first = inputs.evaluation.recommendation.influences[:_SETTLED_FIRST]
    return bullets(Md(f"{code(one.name)}: {prose(one.settle) if one.settle else 'not known how'}") for one in first)


def _unproven(standings: tuple[ContractBoardRow, ...]) -> Md:
    open_ones = [one for one in standings if one.verdict is Verdict.UNPROVEN]
    return bullets(Md(f"{code(one.contract.name)}: {_way(one)}") for one in open_ones)


def _way(standing: ContractBoardRow) -> Md:
    why = text(standing.measured.why) if standing.measured and standing.measured.why else text(standing.stale)
    if standing.command:
        return Md(f"{why or 'never drilled'}; to prove it: {code(standing.command)}")
    return why or text(undrilled(standing.contract))


def _asked(inputs: Inputs, provider: str, standings: tuple[ContractBoardRow, ...]) -> Iterator[Md]:
    budget, takes = inputs.system.economics.budget_usd_per_month, inputs.chosen.provider_usd[provider]
    if budget is None:
        yield Md("Write a budget into `secondsite.yaml`: no strategy was compared with one.")
    elif not takes.unbounded and takes.mean > budget:
        yield Md(
            f"Raise the budget from {dollars(budget)} to {dollars(takes.mean)} a month, or accept what the cheaper "
            "rows of [the comparison](multi-region-evaluation.md#cost-against-downtime) promise less."
        )
    ownerless = [code(one.contract.name) for one in standings if not one.contract.owner]
    if ownerless:
        yield Md(f"Name an owner for {joined(ownerless)}.")
    first = next(iter(roadmap(inputs, provider)), None)
    if first:
        hours = f"{number(first.low_hours)} to {number(first.high_hours)} hours"
        step = f"the first step of [the roadmap](multi-region-roadmap.md), {text(first.name)}"
        yield Md(f"Release {hours} for {step}.")
    broken = [code(one.contract.name) for one in standings if one.verdict is Verdict.BREACHED]
    if broken:
        yield Md(f"Stop promising {joined(broken)} until a drill meets it: the last one breached it.")
