"""What a system file says of its own places, in the tables: they are read before what ships, and before a stand-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from secondsite.catalogue.bundle import Catalogue, load_catalogue
from secondsite.catalogue.prices import Price, Prices
from secondsite.catalogue.regions import PROVIDERS, Regions
from secondsite.catalogue.round_trips import RoundTrip, RoundTrips
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.estimate import Provenance
from secondsite.model.premises import Premises

TRANSFER = "transfer_gb"
"""What a place's own line takes for a GB to any other region."""


def beside(catalogue: Catalogue, premises: Sequence[Premises]) -> Catalogue:
    """The same tables with the prices, round trips and stand-ins of these places."""
    if not premises:
        return catalogue
    regions = _regions(catalogue.prices.regions, premises)
    units = {key[1].partition(":")[0]: row.unit for key, row in catalogue.prices.rows.items()} | {TRANSFER: "USD/GB"}
    rows = {price.key: price for place in premises for price in _prices(place, units)}
    trips = {trip.key: trip for place in premises for trip in _round_trips(place)}
    return evolve(
        catalogue,
        prices=_with_regions(catalogue.prices, rows, regions),
        round_trips=RoundTrips({**catalogue.round_trips.rows, **trips}, regions),
    )


def rtt_ms(deployment: Deployment, a: str, b: str) -> float:
    """Between two of its regions by their names, each looked up by its own provider, in the tables that ship."""
    regions = {site.region.name: site.region for site in deployment.sites}
    trips = beside(load_catalogue(), deployment.system.premises).round_trips
    return trips.of(regions[a], regions[b]).mean


def _with_regions(prices: Prices, rows: dict[tuple[str, str, str], Price], regions: Regions) -> Prices:
    return Prices({**prices.rows, **rows}, prices.transfers, regions, prices.node_types, prices.plans)


def _prices(place: Premises, units: Mapping[str, str]) -> list[Price]:
    strange = [own.item for own in place.prices if own.item not in units]
    if strange:
        raise InputError.at(
            f"secondsite.yaml: premises.{place.region}",
            f"{', '.join(strange)} is no item of a bill",
            f"write some of {', '.join(sorted(units))}",
        )
    return [
        Price(place.provider, own.item, place.region, own.usd, units[own.item], _provenance(place), _source(place))
        for own in place.prices
    ]


def _round_trips(place: Premises) -> list[RoundTrip]:
    return [
        RoundTrip(place.provider, place.region, own.to, own.ms, "as written", _provenance(place), _source(place))
        for own in place.round_trips
    ]


def _provenance(place: Premises) -> Provenance:
    """Somebody's contract or measurement is a source; a bare number is an assumption."""
    return Provenance.PUBLISHED if place.source else Provenance.ASSUMED


def _source(place: Premises) -> str:
    return f"{place.source or 'nobody says whose figure'} (secondsite.yaml, premises.{place.region})"


def _regions(regions: Regions, premises: Sequence[Premises]) -> Regions:
    own = {
        (place.provider, place.region): {provider: _stand_in(regions, place, provider) for provider in PROVIDERS}
        for place in premises
        if place.like
    }
    return Regions(regions.continents, {**regions.counterparts, **own})


def _stand_in(regions: Regions, place: Premises, provider: str) -> str:
    if place.like is None:
        raise InputError.at("secondsite.yaml", f"nothing stands in for {place.region}", "write `like:` in its premises")
    return regions.counterpart(place.like.provider, place.like.name, provider)
