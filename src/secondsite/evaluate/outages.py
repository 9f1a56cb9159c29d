"""Downtime and availability as figures: simulated, and explained by what each fault is expected to bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from secondsite.evaluate.derive import count, product, total
from secondsite.evaluate.draws import Draws, mean
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.recovery import rto
from secondsite.evaluate.years import YEAR_S, YearlyDowntime, failing_s, outage_s
from secondsite.model.contract import Subject
from secondsite.model.estimate import Estimate, Provenance, Quantiles, fixed
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure


def outages(
    procedures: Mapping[Fault, Procedure], serving: int, model: FaultModel, draws_of: Callable[[Fault], Draws]
) -> tuple[Estimate, ...]:
    """Minutes of full outage a year that each fault is expected to bring, the largest first."""
    parts = [
        _by_fault(procedures, fault, serving, model, draws_of(fault))
        for fault, procedure in procedures.items()
        if Subject.API in procedure.milestones
    ]
    return tuple(sorted(parts, key=lambda part: -part.mean))


def _by_fault(
    procedures: Mapping[Fault, Procedure], fault: Fault, serving: int, model: FaultModel, draws: Draws
) -> Estimate:
    natural = model.natural(fault)
    causes = (rto(procedures, fault, Subject.API, draws), *([natural] if natural else []))
    length_s = mean(outage_s(procedures, fault, model, draws))
    ends = "until the procedure or the fault itself ends, whichever is first"
    outage = count(f"an outage by {fault}", length_s / 60, ends, *causes, unit="min")
    sites = range(1 if fault.per_system else serving)
    failing_share = mean(failing_s(procedures, fault, model, draws)) / max(length_s, 1e-9)
    share = fixed("share of requests", failing_share, "", "deployment")
    rates = dict.fromkeys(model.rate(fault, site) for site in sites)
    if len(rates) > 1:
        return product(
            f"by {fault}", "min", total(f"rate of {fault}, all sites", "per year", list(rates)), share, outage
        )
    number = fixed("sites that may fail", len(sites), "", "deployment")
    return product(f"by {fault}", "min", next(iter(rates)), number, share, outage)


def downtime_minutes(downtime: YearlyDowntime, parts: tuple[Estimate, ...]) -> Estimate:
    """Minutes a year, over simulated years; the inputs say where they come from."""
    p05, p50, p95 = (downtime.quantile_s(p) / 60 for p in (0.05, 0.5, 0.95))
    expected = " + ".join(f"{part.mean:.1f} {part.name}" for part in parts)
    return Estimate(
        "downtime a year",
        "min",
        Quantiles(p05, p50, p95, downtime.mean_s / 60),
        Provenance.DERIVED,
        f"{downtime.years:,} simulated years, overlapping outages counted once, by share of requests",
        formula=f"union of the outages; expected: {expected}",
        inputs=parts,
    )


def availability(downtime: YearlyDowntime, minutes: Estimate) -> Estimate:
    """Share of requests answered, over simulated years."""

    def share(down_s: float) -> float:
        return 1 - down_s / YEAR_S

    spread = Quantiles(
        share(downtime.quantile_s(0.95)),
        share(downtime.quantile_s(0.5)),
        share(downtime.quantile_s(0.05)),
        share(downtime.mean_s),
    )
    source, how = f"{downtime.years:,} simulated years", "1 − downtime / year"
    return Estimate("availability", "share", spread, Provenance.DERIVED, source, formula=how, inputs=(minutes,))
