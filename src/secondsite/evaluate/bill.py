"""What every part of a bill is made with: the deployment, whose prices, and the region that stands in for each."""

from __future__ import annotations

from functools import cached_property

from attrs import define, field, frozen

from secondsite.catalogue.figures import Figures
from secondsite.catalogue.own import TRANSFER
from secondsite.catalogue.prices import NodeType, Prices, standing_in
from secondsite.catalogue.regions import PROVIDERS
from secondsite.evaluate.derive import count, product, weakest
from secondsite.evaluate.nodes import NodeNeed, node_need
from secondsite.model.deployment import Deployment, Site, SiteRole
from secondsite.model.economics import Economics
from secondsite.model.estimate import Estimate, Provenance
from secondsite.model.region import Region
from secondsite.model.service import Role
from secondsite.model.strategy import TODAY

GIB = 2.0**30
HOURS = 730.0
SECONDS = HOURS * 3600
MONTH_HOURS = count("hours of a month", HOURS, "365 × 24 / 12", unit="h/month")
USD = "USD/month"


@frozen
class CostItem:
    """One line of a bill. ``by_request`` is what nodes would cost if only requests were billed; no part of a sum."""

    name: str
    monthly_usd: Estimate
    by_request: Estimate | None = None

    @property
    def for_people(self) -> bool:
        """Hours of one's own people, not the provider's invoice."""
        return self.name.startswith("people, ")

    @property
    def hours(self) -> Estimate:
        """Of a line for people: hours a month, what the wage is multiplied with."""
        return self.monthly_usd.inputs[0]

    @property
    def provenance(self) -> Provenance:
        return weakest(self.monthly_usd)

    @property
    def source(self) -> str:
        return self.monthly_usd.source


@define(slots=False)
class Bill:
    """``provider`` is whose list prices are used, whatever the system runs on today."""

    deployment: Deployment
    provider: str
    prices: Prices
    figures: Figures
    economics: Economics
    node_type: NodeType
    _needs: dict[tuple[str, SiteRole], NodeNeed] = field(factory=dict, init=False)

    def price(self, item: str, region: Region) -> Estimate:
        """The place's own price where it is no cloud's, whoever the rest is priced at; else that of the counterpart."""
        own = item.partition(":")[0] if item.startswith("node_hour:") else item
        if region.provider not in PROVIDERS and self.prices.own(region.provider, own, region.name):
            return self.prices.get(region.provider, own, region.name)
        where = self.counterpart(region)
        return standing_in(self.prices.get(self.provider, item, where), where, region)

    def counterpart(self, region: Region) -> str:
        return self.prices.regions.counterpart(region.provider, region.name, self.provider)

    def transfer(self, source: str, target: str) -> Estimate:
        start = self.region(source)
        if start.provider not in PROVIDERS and self.prices.own(start.provider, TRANSFER, source):
            return self.prices.get(start.provider, TRANSFER, source)
        here, there = self.counterpart(start), self.counterpart(self.region(target))
        return standing_in(self.prices.transfer(self.provider, here, there), here, start)

    def region(self, name: str) -> Region:
        """The region of a site by its name; one of the home provider's where no site is there."""
        sites = (site.region for site in self.deployment.sites if site.region.name == name)
        return next(sites, Region(self.home.provider, name))

    @property
    def home(self) -> Region:
        return self.deployment.primary.region

    @property
    def multi_region(self) -> bool:
        return self.deployment.strategy.pattern not in TODAY

    @cached_property
    def staffed(self) -> tuple[Site, ...]:
        """Sites with a cluster of their own: all but vaults and witnesses."""
        return tuple(site for site in self.deployment.sites if site.control_plane)

    @cached_property
    def entries(self) -> tuple[Site, ...]:
        """Sites that clients can reach: a gateway or an API runs there."""
        doors = {s.name for role in (Role.GATEWAY, Role.API) for s in self.deployment.system.with_role(role)}
        open_doors = tuple(site for site in self.staffed if any(site.replicas(door) for door in doors))
        return open_doors if doors else self.deployment.serving

    def need(self, site: Site) -> NodeNeed:
        at = (site.region.name, site.role)
        if at not in self._needs:
            self._needs[at] = node_need(self.deployment, site, self.node_type, self.figures)
        return self._needs[at]

    def item(self, name: str, *factors: Estimate) -> CostItem:
        return CostItem(name, product(name, USD, *factors))


def standby_region(deployment: Deployment) -> Region | None:
    """Where the service would be brought up: the standby, or beside the backups."""
    there = deployment.standby or deployment.site(SiteRole.VAULT)
    return there.region if there else None


def gigabytes(name: str, size_bytes: float, why: str, *inputs: Estimate) -> Estimate:
    """Providers bill binary gigabytes."""
    return count(name, size_bytes / GIB, why, *inputs, unit="GB")
