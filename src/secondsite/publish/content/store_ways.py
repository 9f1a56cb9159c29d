"""The ways of each database to the other region, side by side, as documents show them: before any markup."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from secondsite.evaluate.evaluation import Evaluation
from secondsite.evaluate.store_choices import StoreChoice
from secondsite.model.store import Replication
from secondsite.model.wording import dollars
from secondsite.publish.text.figure import Figure, figure, made_of

WAYS: Mapping[Replication, str] = {
    Replication.REPLICA: "a replica follows after each commit",
    Replication.SYNCHRONOUS: "each commit waits for the other region",
    Replication.ARCHIVE: "the log is shipped to an object store and restored from there",
    Replication.MANAGED: "the provider's own replica",
    Replication.NONE: "backups alone",
}


@frozen
class StoreWay:
    """``store`` only in the first of its rows. ``commit`` is None of what has no COMMIT, ``more`` of the way in force:
    what the provider is paid more a month than for that one, or less.
    """

    choice: StoreChoice
    store: str
    meaning: str
    rpo: Figure
    served: Figure
    commit: Figure | None
    more: Figure | None


def store_ways(evaluation: Evaluation, provider: str) -> tuple[StoreWay, ...]:
    """None where nothing is left to choose."""
    ways, last = [], ""
    for one in evaluation.recommendation.stores:
        ways.append(
            StoreWay(
                choice=one,
                store="" if one.store == last else one.store,
                meaning=WAYS[one.way],
                rpo=figure(one.rpo),
                served=figure(one.served),
                commit=None if one.commit_ms is None else figure(one.commit_ms),
                more=None if one.in_force else _more(one, evaluation, provider),
            )
        )
        last = one.store
    return tuple(ways)


def _more(one: StoreChoice, evaluation: Evaluation, provider: str) -> Figure:
    amount = dollars(abs(one.monthly_usd))
    sign = "" if amount == dollars(0.0) else "+" if one.monthly_usd > 0 else "−"
    how = f"the bill of {provider} with this way, less the bill as laid out"
    return made_of(f"{sign}{amount}", how, one.monthly_usd, evaluation.recommended.provider_usd[provider])
