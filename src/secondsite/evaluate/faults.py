"""How often each fault comes, and how long it would last if nobody did anything."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen

from secondsite.catalogue.figures import Figures
from secondsite.evaluate.draws import Draws, Samples
from secondsite.model.estimate import Estimate, Fixed, Provenance
from secondsite.model.fault import Fault

OF_REGION = "fault.region.rate-"
"""What the rate of a region that has one of its own is named with."""
_SHARES = {
    Fault.CONTROL_PLANE: "share.control-plane",
    Fault.CAPACITY: "share.capacity",
    Fault.OBSERVABILITY: "share.observability",
}
_NATURAL = {
    Fault.WAN_PARTITION: "duration.wan-partition",
    Fault.GRAY: "duration.region.other",
}


@frozen
class FaultModel:
    """Rates are per serving site and year, except for what happens to the system as a whole.

    ``regions``: where the sites are, the first one first; a region that is lost more often than others has a rate of
    its own.
    """

    figures: Figures
    provider: str
    regions: tuple[str, ...] = ()

    def region_rate(self, site: int = 0) -> Estimate:
        own = f"{OF_REGION}{self.regions[site]}" if site < len(self.regions) else ""
        return self.figures.by_name.get(own, self.figures["fault.region.rate"])

    def rate(self, fault: Fault, site: int = 0) -> Estimate:
        """A region's losses are split: plain ones, and those that come with one of three aggravations."""
        region = self.region_rate(site)
        shares = {f: self.figures[name] for f, name in _SHARES.items()}
        if fault in shares:
            share = shares[fault]
            return _derived(
                f"rate of {fault}", region.mean * share.mean, f"{region.name} × {share.name}", region, share
            )
        if fault is Fault.REGION:
            plain = region.mean * (1 - sum(share.mean for share in shares.values()))
            return _derived("rate of region", plain, f"{region.name} × (1 − the shares)", region, *shares.values())
        return self.figures[f"fault.{fault}.rate"]

    def kinds(self, fault: Fault) -> Mapping[Fault, Estimate]:
        """The kinds that a fault comes in beside the plain one, with their shares of its events."""
        return {kind: self.figures[name] for kind, name in _SHARES.items()} if fault is Fault.REGION else {}

    def weights(self, fault: Fault, draws: Draws) -> Mapping[Fault, Samples | float]:
        """The share of each kind, the plain one first under the fault's own name; they sum to 1."""
        aggravated = {kind: share.mean * draws.factor(share.name) for kind, share in self.kinds(fault).items()}
        if not aggravated:
            return {fault: 1.0}
        whole = np.maximum(1.0, sum(aggravated.values()))
        return {fault: 1 - sum(aggravated.values()) / whole, **{k: w / whole for k, w in aggravated.items()}}

    def rate_per_year(self, fault: Fault, draws: Draws, site: int = 0) -> Samples | float:
        """The rate with every factor of a sensitivity study applied."""
        losses = self.region_rate(site)
        region = losses.mean * draws.factor(losses.name)
        shares = {f: self.figures[name].mean * draws.factor(name) for f, name in _SHARES.items()}
        if fault in shares:
            return region * shares[fault]
        if fault is Fault.REGION:
            return region * np.maximum(0.0, 1 - sum(shares.values()))
        row = self.figures[f"fault.{fault}.rate"]
        return row.mean * draws.factor(row.name)

    def natural(self, fault: Fault) -> Estimate | None:
        """How long the fault itself lasts; None where a repair ends it, or its steps wait for its end anyway."""
        if fault.loses_region:
            known = self.provider if self.provider in ("aws", "gcp", "azure") else "other"
            return self.figures[f"duration.region.{known}"]
        return self.figures[_NATURAL[fault]] if fault in _NATURAL else None


def _derived(name: str, value: float, formula: str, *inputs: Estimate) -> Estimate:
    return Estimate(
        name, "per region and year", Fixed(value), Provenance.DERIVED, "catalogue", formula=formula, inputs=inputs
    )
