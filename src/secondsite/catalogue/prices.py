"""List prices of AWS, Google Cloud, Azure and Synadia Cloud, in US dollars, one item a row.

The items have the same names on every provider, so that a deployment is priced by the same code on each. A
price that is listed for one region only is taken for the provider's other regions as an assumption that says
so; a region that the provider is not known to have is an error that says how to add its price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from attrs import evolve, field, frozen

from secondsite.catalogue.regions import PROVIDERS, Regions, load_regions
from secondsite.catalogue.table import USER_FOLDER, TableRow, parse_all, shipped, users
from secondsite.model.errors import InputError, SecondsiteError
from secondsite.model.estimate import Estimate, Fixed, Provenance
from secondsite.model.region import Region

PRICES = "prices.csv"
PRICE_COLUMNS = ("provider", "item", "region", "price", "unit")
REFERENCE_REGIONS = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus"}
ANY = "*"
ASSUMED_RANGE = (0.7, 1.5)
ELSEWHERE_RANGE = (0.9, 1.6)


@frozen
class Price:
    provider: str
    item: str
    region: str
    usd: float
    unit: str
    provenance: Provenance
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.provider, self.item, self.region


@frozen
class NodeType:
    provider: str
    name: str
    vcpu: float
    memory_gb: float
    disk_gb: float = 0.0

    @property
    def item(self) -> str:
        return f"node_hour:{self.name}"


@frozen
class ManagedPlan:
    """Limits of a month on the plan; sizes in GiB."""

    provider: str
    name: str
    network_gb: float
    standard_storage_gb: float
    ha_storage_gb: float
    streams: int
    ha_streams: int

    @property
    def item(self) -> str:
        return f"plan_month:{self.name}"


@frozen
class Prices:
    rows: Mapping[tuple[str, str, str], Price]
    transfers: Mapping[tuple[str, str, str], Price]
    regions: Regions
    node_types: Mapping[str, NodeType]
    plans: tuple[ManagedPlan, ...]
    _known: dict[tuple[str, str, str], Estimate] = field(factory=dict, eq=False, repr=False, init=False)

    def own(self, provider: str, item: str, region: str) -> bool:
        """Whether this very region has a price of its own."""
        return (provider, item, region) in self.rows

    def get(self, provider: str, item: str, region: str = ANY) -> Estimate:
        """In USD by the Estimate's unit. Raises InputError for an item or region that no table has."""
        key = (provider, item, region)
        if key not in self._known:
            self._known[key] = self._estimate(*key)
        return self._known[key]

    def transfer(self, provider: str, source: str, target: str) -> Estimate:
        """What sending a GB from one region to another costs, in USD/GB."""
        key = (provider, f"transfer_gb:{target}", source)
        if key not in self._known:
            self._known[key] = self._transfer(provider, source, target)
        return self._known[key]

    def node_type(self, provider: str) -> NodeType:
        """The machine type that nodes are priced as: 2 vCPU and 8 GB on each of the three."""
        if provider not in self.node_types:
            raise InputError.at(
                "catalogue/data/node_types.csv",
                f"no machine type is known for provider {provider or '(none)'}",
                f"price the system on one of {', '.join(sorted(self.node_types))}",
            )
        return self.node_types[provider]

    def _estimate(self, provider: str, item: str, region: str) -> Estimate:
        listed = self.rows.get((provider, item, region)) or self.rows.get((provider, item, ANY))
        if listed:
            return _as_estimate(listed, region)
        reference = self.rows.get((provider, item, REFERENCE_REGIONS.get(provider, "")))
        if reference is None or not self._has_region(provider, region):
            raise _missing(provider, item, region)
        return Estimate(
            name=f"{item} on {provider} in {region}",
            unit=reference.unit,
            distribution=Fixed(reference.usd),
            provenance=Provenance.ASSUMED,
            source=f"the price of {reference.region}, taken for {region}: {reference.source}",
            plausible=ELSEWHERE_RANGE,
            settle=f"look up the price in {region}: secondsite catalogue add-price {provider} {item} {region} ...",
        )

    def _has_region(self, provider: str, region: str) -> bool:
        return (provider, region) in self.regions.continents or any(
            owner == provider and where == region for owner, _, where in self.rows
        )

    def _transfer(self, provider: str, source: str, target: str) -> Estimate:
        item = f"transfer_gb:{target}"
        own = self.rows.get((provider, item, source))
        if own:
            return _as_estimate(own, source)
        for key in self._transfer_keys(provider, source, target):
            listed = self.transfers.get(key)
            if listed:
                return _as_estimate(listed, source, f"{item} on {provider} in {source}")
        raise _missing(provider, item, source)

    def _transfer_keys(self, provider: str, source: str, target: str) -> Iterator[tuple[str, str, str]]:
        """From the pair itself to the widest class that holds both."""
        here = self.regions.continents.get((provider, source))
        there = self.regions.continents.get((provider, target))
        yield provider, source, target
        if here and there:
            yield provider, source, ANY
            yield provider, here, there
            yield provider, here, ANY
            yield provider, ANY, ANY


def _as_estimate(price: Price, region: str, name: str = "") -> Estimate:
    assumed = price.provenance is Provenance.ASSUMED
    where = "" if region == ANY else f" in {region}"
    return Estimate(
        name=name or f"{price.item} on {price.provider}{where}",
        unit=price.unit,
        distribution=Fixed(price.usd),
        provenance=price.provenance,
        source=price.source,
        plausible=ASSUMED_RANGE if assumed else (1.0, 1.0),
        settle="look it up in the provider's price list" if assumed else "",
    )


def _missing(provider: str, item: str, region: str) -> SecondsiteError:
    return InputError.at(
        f"catalogue/data/{PRICES}",
        f"the price of {item} on {provider or 'an unnamed provider'} in region {region} is not known",
        f"add it to {USER_FOLDER}/{PRICES}: secondsite catalogue add-price {provider or 'PROVIDER'} {item} {region} "
        "PRICE UNIT --source TEXT",
    )


def load_prices(extra: Path | None = None) -> Prices:
    """``extra`` is the user's catalogue folder; one of its rows replaces the shipped one of the same key."""
    added = parse_all(users(extra, PRICES, PRICE_COLUMNS), parse_price)
    return Prices(
        rows={**_shipped(), **{price.key: price for price in added}},
        transfers=_transfers(),
        regions=load_regions(extra),
        node_types=_node_types(),
        plans=_plans(),
    )


def parse_price(row: TableRow) -> Price:
    if not all(row[column] for column in ("provider", "item", "region", "unit")):
        raise row.wrong("names no provider, item, region or unit", "write all four; region * is every region")
    return Price(
        provider=row["provider"],
        item=row["item"],
        region=row["region"],
        usd=row.number("price"),
        unit=row["unit"],
        provenance=row.provenance,
        source=row.source,
    )


@lru_cache(maxsize=1)
def _shipped() -> Mapping[tuple[str, str, str], Price]:
    return {price.key: price for price in parse_all(shipped(PRICES, PRICE_COLUMNS), parse_price)}


@lru_cache(maxsize=1)
def _transfers() -> Mapping[tuple[str, str, str], Price]:
    rows = shipped("transfer.csv", ("provider", "src", "dst", "price", "unit"))
    keys = [(row["provider"], row["src"], row["dst"]) for row in rows]
    return dict(zip(keys, parse_all(rows, _transfer_price), strict=True))


def _transfer_price(row: TableRow) -> Price:
    return Price(
        provider=row["provider"],
        item=f"transfer_gb:{row['dst']}",
        region=row["src"],
        usd=row.number("price"),
        unit=row["unit"],
        provenance=row.provenance,
        source=row.source,
    )


@lru_cache(maxsize=1)
def _node_types() -> Mapping[str, NodeType]:
    sizes = ("vcpu", "memory_gb", "disk_gb")
    rows = shipped("node_types.csv", ("provider", "type", *sizes, "default"))
    return {
        row["provider"]: NodeType(row["provider"], row["type"], *(row.number(size) for size in sizes))
        for row in rows
        if row["default"]
    }


@lru_cache(maxsize=1)
def _plans() -> tuple[ManagedPlan, ...]:
    sizes = ("network_gb", "standard_storage_gb", "ha_storage_gb")
    return tuple(
        ManagedPlan(
            provider=row["provider"],
            name=row["plan"],
            network_gb=row.number("network_gb"),
            standard_storage_gb=row.number("standard_storage_gb"),
            ha_storage_gb=row.number("ha_storage_gb"),
            streams=int(row["streams"]),
            ha_streams=int(row["ha_streams"]),
        )
        for row in shipped("managed_plans.csv", ("provider", "plan", "connections", *sizes, "streams", "ha_streams"))
    )


def standing_in(listed: Estimate, where: str, region: Region) -> Estimate:
    """A cloud's price is published for the cloud; for a place of one's own it is what somebody took it to be like."""
    if region.provider in PROVIDERS:
        return listed
    return evolve(
        listed,
        provenance=Provenance.ASSUMED,
        source=f"the price of {where}, taken for {region.name}: {listed.source}",
        plausible=listed.plausible if listed.provenance is Provenance.ASSUMED else ELSEWHERE_RANGE,
        settle=f"write what it costs in {region.name} under `premises: prices:`",
    )
