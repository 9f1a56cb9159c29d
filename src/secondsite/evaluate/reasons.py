"""Why one strategy is recommended, in figures: contracts, the budget, money, and what the saving rests on.

Money that the provider is paid, people's time and what is done once are three things, and are told as three.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from secondsite.evaluate.assess import WRITE_OFF_YEARS
from secondsite.evaluate.cost import people_usd
from secondsite.evaluate.evaluation import Assessment
from secondsite.evaluate.known import unseen_streams
from secondsite.evaluate.recommend import machines_usd, over_budget_usd, owning_usd
from secondsite.evaluate.saving import Saving
from secondsite.evaluate.study import TIE
from secondsite.model.wording import dollars, number, percent


def reasons(
    chosen: Assessment, assessments: Sequence[Assessment], provider: str, saving: Saving | None = None
) -> tuple[str, ...]:
    if unseen_streams(chosen.deployment.system):
        return ()
    holding = [a for a in assessments if not a.excluded and not a.breached]
    return (
        _contracts(chosen, assessments, holding),
        *_budget(chosen, holding, provider),
        *_money(chosen, assessments[0], holding, provider),
        *([saving.words] if saving else []),
    )


def _contracts(chosen: Assessment, assessments: Sequence[Assessment], holding: Sequence[Assessment]) -> str:
    promised = [o for o in chosen.outcomes if o.promised]
    if not promised:
        return "no contract is written: chosen by the cost of ownership alone"
    if chosen.excluded:
        return f"no strategy can keep every contract: each is excluded, this one for: {chosen.excluded}"
    if chosen not in holding:
        names = ", ".join(outcome.contract.name for outcome in chosen.breached)
        return f"no strategy is expected to meet every contract; this one breaches {names}"
    worst = min(promised, key=lambda o: o.probability_met or 0.0)
    others = f"{len(assessments) - len(holding)} of {len(assessments)} strategies breach one"
    sure = percent(worst.probability_met or 0.0)
    if len(promised) == 1:
        return f"the contract {worst.contract.name} is expected to hold, with {sure}; {others}"
    tightest = f"the tightest, {worst.contract.name}, with {sure}"
    return f"all {len(promised)} contracts are expected to hold ({tightest}); {others}"


def _budget(chosen: Assessment, holding: Sequence[Assessment], provider: str) -> Iterator[str]:
    budget = chosen.deployment.system.economics.budget_usd_per_month
    if budget is None:
        return
    machines, over = machines_usd(chosen, provider), over_budget_usd(chosen, provider)
    if not over:
        yield f"{dollars(machines)} a month at {provider}: within the budget of {dollars(budget)}"
        return
    alike = holding or [chosen]
    nearest = min(alike, key=lambda a: over_budget_usd(a, provider))
    among = "strategy that holds every contract fits" if holding else "strategy that breaches as few fits"
    yield (
        f"no {among} the budget of {dollars(budget)} a month: this one costs {dollars(machines)} at {provider}, "
        f"{dollars(over)} over"
        + (
            ", and comes nearest"
            if nearest is chosen
            else f"; {nearest.strategy} comes nearest, {dollars(over_budget_usd(nearest, provider))} over"
        )
    )


def _money(chosen: Assessment, today: Assessment, holding: Sequence[Assessment], provider: str) -> Iterator[str]:
    cheapest = min(owning_usd(a, provider) for a in holding or [chosen])
    least = (
        "lowest cost of ownership among those"
        if owning_usd(chosen, provider) <= cheapest
        else f"within {percent(TIE)} of the lowest cost of ownership, and the simplest of those (regions, irreversible "
        "steps, hazards)"
    )
    yield f"{least}: {spent(chosen, today, provider)}"
    rival = min((a for a in holding if a is not chosen), key=lambda a: owning_usd(a, provider), default=None)
    if rival:
        place = "next cheapest" if rival.owning_usd.mean >= chosen.owning_usd.mean else "cheapest"
        yield (
            f"the {place} is {rival.strategy} at {dollars(rival.owning_usd.mean)}; "
            f"downtime {number(rival.downtime_minutes.mean)} against {number(chosen.downtime_minutes.mean)} minutes "
            "a year"
        )


def spent(chosen: Assessment, today: Assessment, provider: str) -> str:
    """A year of it by kind: to the provider and how much of that is new, people's time, once, expected loss."""
    machines, people = 12 * machines_usd(chosen, provider), 12 * people_usd(chosen.bills[provider]).mean
    added = machines - 12 * machines_usd(today, provider)
    hours = 12 * sum(item.hours.mean for item in chosen.bills[provider] if item.for_people)
    once = sum(need.hours.mean for need in chosen.deployment.requirements)
    getting = chosen.owning_usd.mean - 12 * chosen.monthly_usd[_home(chosen)].mean - chosen.expected_loss_usd.mean
    new = f", {dollars(added)} of it new" if added >= 0 else f", {dollars(-added)} less than today"
    new = "" if chosen is today else new
    return (
        f"{dollars(chosen.owning_usd.mean)} a year: {dollars(machines)} at {provider}{new}; {number(hours)} hours of "
        f"people's time ({dollars(people)}); {dollars(chosen.expected_loss_usd.mean)} expected loss; "
        f"{number(once)} hours of initial work ({dollars(getting)} a year over {WRITE_OFF_YEARS:g} years)"
    )


def _home(assessment: Assessment) -> str:
    home = assessment.deployment.system.region.provider
    return home if home in assessment.monthly_usd else "aws"
