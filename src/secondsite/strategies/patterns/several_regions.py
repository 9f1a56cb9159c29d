"""The baseline of a system whose NATS stands in several regions already: as it is, nothing added.

The API and the stores run in the first region; elsewhere there are servers, and whatever streams they copy.
"""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import PlacedService, Site, SiteRole
from secondsite.model.procedure import Step, Verb
from secondsite.model.region import Region
from secondsite.strategies.patterns.single_region import SingleRegion
from secondsite.strategies.steps import blocked_step


@frozen
class SeveralRegions(SingleRegion):
    def sites(self) -> tuple[Site, ...]:
        others = self.kit.system.regions_today[1:]
        return (*super().sites(), *(Site(region, SiteRole.WITNESS, self._servers(region)) for region in others))

    def _servers(self, region: Region) -> tuple[PlacedService, ...]:
        here = [c for c in self.kit.system.nats if c.region == region.name and c.service]
        return tuple(PlacedService(cluster.service, cluster.servers) for cluster in here)

    def service_steps(self, after: str) -> tuple[Step, ...]:
        names = ", ".join(region.name for region in self.kit.system.regions_today[1:])
        return (blocked_step(Verb.START_SERVICES, f"nothing but NATS runs in {names}", after),)
