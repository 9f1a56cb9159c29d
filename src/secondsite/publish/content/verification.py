"""A contract's limits and what was measured of it, in one line each."""

from __future__ import annotations

from secondsite.drill.verdict.verification import ContractVerdict
from secondsite.model.contract import Contract
from secondsite.model.wording import duration, percent


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
    parts = []
    if row.contract.rto_s is not None:
        parts.append(f"RTO {duration(one.rto_s['total'])}" if one.rto_s else "RTO unbounded")
        if one.upper_rto_s is not None:
            parts[-1] += f" (at most {duration(one.upper_rto_s)})"
        if one.projected and one.rto_s:
            parts[-1] += ", projected"
    if row.contract.rpo_s is not None and one.loss is not None:
        parts.append(f"RPO {duration(one.loss.seconds)}, {one.loss.messages:,} messages, {one.loss.bytes:,} bytes")
    return ", ".join(parts) or "nothing"
