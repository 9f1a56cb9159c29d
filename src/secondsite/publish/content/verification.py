"""A contract's limits and what was measured of it, in one line each."""

from __future__ import annotations

from secondsite.drill.verdict.verification import ContractVerdict
from secondsite.model.contract import Contract
from secondsite.model.wording import duration, percent
from secondsite.publish.content.measured_words import rpo_words, rto_words


def limits(contract: Contract) -> str:
    """``RTO 5 min, RPO 1 min, at 90 %``."""
    parts = [
        f"{name} {duration(limit)}"
        for name, limit in (("RTO", contract.rto_s), ("RPO", contract.rpo_s))
        if limit is not None
    ]
    return f"{', '.join(parts)}, at {percent(contract.confidence)}"


def measured(row: ContractVerdict) -> str:
    """The worst run, and the bound where enough were run."""
    one = row.measurement
    if one is None:
        return "nothing"
    parts = [rto_words(one, duration)] if row.contract.rto_s is not None else []
    if row.contract.rpo_s is not None and one.loss is not None:
        parts.append(rpo_words(one, duration))
    return ", ".join(parts) or "nothing"
