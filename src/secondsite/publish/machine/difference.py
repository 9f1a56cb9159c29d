"""A difference of two evaluations: Markdown for a pull request, JSON for machines (``secondsite/difference/1``)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from secondsite.evaluate.difference import EvaluationDifference
from secondsite.evaluate.evaluation import Assessment, ContractOutcome
from secondsite.model.hazard import Hazard
from secondsite.model.wording import dollars, number, percent, short_duration
from secondsite.publish.machine.audit import entry
from secondsite.publish.machine.evaluation import estimate_json
from secondsite.publish.text.markdown import Md, bullets, code, strong, table, text

SCHEMA = "secondsite/difference/1"


def difference_json(what: EvaluationDifference) -> dict[str, Any]:
    """Fields are added, never renamed."""
    return {
        "schema": SCHEMA,
        "worse": what.worse,
        "before": _side(what, what.before),
        "after": _side(what, what.after),
        "contracts": [
            {"name": c.name, "before": _outcome(c.before), "after": _outcome(c.after)} for c in what.contracts
        ],
        "new_hazards": [entry(hazard) for hazard in what.new],
        "gone_hazards": [entry(hazard) for hazard in what.gone],
    }


def difference_markdown(what: EvaluationDifference) -> str:
    """Read in a terminal and in a pull request alike."""
    return "\n".join(_blocks(what)) + "\n"


def _blocks(what: EvaluationDifference) -> Iterator[str]:
    if what.empty:
        yield "No contract, cost or hazard changes."
        return
    yield _headline(what)
    yield ""
    yield table(("", "before", "after", "change"), list(_figures(what)))
    if what.contracts:
        yield ""
        rows = [(c.name, _outcome_text(c.before), _outcome_text(c.after)) for c in what.contracts]
        yield table(("contract", "before", "after"), rows)
    for title, hazards in (("New hazards", what.new), ("Hazards resolved", what.gone)):
        if hazards:
            yield f"\n{strong(title)}\n"
            yield bullets(_hazard(hazard) for hazard in hazards)


def _headline(what: EvaluationDifference) -> str:
    broken = [change.name for change in what.contracts if change.newly_breached]
    if broken:
        return strong(f"Expected to be breached: {', '.join(broken)}.")
    if what.before.strategy != what.after.strategy:
        return strong(f"The recommendation changes to {what.after.strategy.id}.")
    grave = "New hazards of high severity or above."
    return strong(grave if what.worse else "No contract that held before is expected to be breached.")


def _figures(what: EvaluationDifference) -> Iterator[tuple[object, ...]]:
    before, after = what.before, what.after
    yield "recommended", code(before.strategy.id), code(after.strategy.id), ""
    rows = (
        ("provider's bill a month", _machines(what, before), _machines(what, after)),
        ("people's hours a month", _people(what, before), _people(what, after)),
        ("to own, a year", before.owning_usd.mean, after.owning_usd.mean),
    )
    for name, was, now in rows:
        yield name, dollars(was), dollars(now), _change(now - was)
    was, now = before.downtime_minutes.mean, after.downtime_minutes.mean
    yield "minutes down a year", number(was), number(now), f"{'+' if now > was else ''}{number(now - was, 2)}"


def _change(usd: float) -> str:
    if math.isnan(usd) or round(usd) == 0:
        return "–"
    return f"+{dollars(usd)}" if usd > 0 else dollars(usd)


def _people(what: EvaluationDifference, side: Assessment) -> float:
    return sum(item.monthly_usd.mean for item in side.bills[what.provider] if item.for_people)


def _machines(what: EvaluationDifference, side: Assessment) -> float:
    return side.monthly_usd[what.provider].mean - _people(what, side)


def _outcome_text(outcome: ContractOutcome | None) -> str:
    if outcome is None:
        return "not promised"
    contract = outcome.contract
    limits = [
        f"{name} {short_duration(limit)}"
        for name, limit in (("RTO", contract.rto_s), ("RPO", contract.rpo_s))
        if limit is not None
    ]
    chance = f"{percent(outcome.probability_met or 0.0)}, required {percent(contract.confidence)}"
    return f"{outcome.verdict}: {', '.join(limits)} held with {chance}"


def _hazard(hazard: Hazard) -> Md:
    return Md(f"{strong(hazard.severity)} {code(hazard.rule)} {code(hazard.place)} {text(hazard.message)}")


def _side(what: EvaluationDifference, side: Assessment) -> dict[str, Any]:
    return {
        "strategy": side.strategy.id,
        "monthly_usd": estimate_json(side.monthly_usd[what.provider]),
        "people_usd": _people(what, side),
        "owning_usd_per_year": estimate_json(side.owning_usd),
        "downtime_minutes_per_year": estimate_json(side.downtime_minutes),
    }


def _outcome(outcome: ContractOutcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    return {
        "rto_s": outcome.contract.rto_s,
        "rpo_s": outcome.contract.rpo_s,
        "confidence": outcome.contract.confidence,
        "probability_met": outcome.probability_met,
        "verdict": str(outcome.verdict),
    }
