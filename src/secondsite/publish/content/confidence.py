"""How sure a recommendation is, in words."""

from __future__ import annotations

from secondsite.evaluate.evaluation import Recommendation
from secondsite.model.wording import dollars
from secondsite.publish.text.nonbreaking import percent

FIRM, LEANING = 0.8, 0.5
"""Shares of draws from which on the assumptions hardly matter, and from which on most of them agree."""


def firm_words(recommendation: Recommendation) -> tuple[str, ...]:
    """How firm it is, in words: how often it wins, what wins instead, and what a wrong choice costs."""
    between = f"{percent(recommendation.stability_low)} to {percent(recommendation.stability_high)}"
    lines = [
        f"it wins in {percent(recommendation.stability)} of simulations of all assumptions ({between}), "
        f"{recommendation.strategy.pattern} of some kind in {percent(recommendation.pattern_stability)}"
    ]
    if recommendation.runners_up:
        instead = ", ".join(f"{one.strategy} in {percent(one.share)}" for one in recommendation.runners_up)
        lines.append(f"otherwise {instead}")
        first = recommendation.runners_up[0]
        if first.share > recommendation.stability:
            lines.append(
                f"{first.strategy} wins more often in simulations; with the assumptions as stated it does not, or it "
                "costs the same and is less simple"
            )
    if recommendation.breached:
        lines.append(f"it breaches a contract in {percent(recommendation.breached)} of them")
    if recommendation.regret_usd >= 1:
        more = dollars(recommendation.regret_usd)
        lines.append(f"choosing it costs {more} a year more than the best of each simulation")
    return tuple(lines)


def confidence(recommendation: Recommendation) -> str:
    """In a word, and what it means: for who decides and reads nothing else."""
    share, first = recommendation.stability, recommendation.runners_up[:1]
    word = "High" if share >= FIRM else "Medium" if share >= LEANING else "Low"
    rival = f"; {first[0].strategy} wins in {percent(first[0].share)}" if first else ""
    pattern = f", and {recommendation.strategy.pattern} of some kind in {percent(recommendation.pattern_stability)}"
    return f"{word}: it wins in {percent(share)} of simulations of all assumptions{pattern}{rival}"


def firmness(stability: float) -> str:
    """What the stability means for a reader."""
    if stability >= FIRM:
        return "high: the assumptions hardly matter"
    if stability >= LEANING:
        return "medium: it wins in most simulations; the assumptions below decide the rest"
    return "low: other strategies win in most simulations; settle the assumptions below before you spend much"
