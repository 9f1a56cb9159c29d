"""``secondsite catalogue``: what regions are known, and rows that the shipped tables lack."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from attrs import frozen
from cyclopts import App, Parameter
from cyclopts.types import NonNegativeFloat

from secondsite.catalogue.additions import add_row
from secondsite.catalogue.prices import PRICES
from secondsite.catalogue.regions import COUNTERPARTS, load_regions
from secondsite.catalogue.round_trips import ROUND_TRIPS
from secondsite.catalogue.table import USER_FOLDER
from secondsite.model.errors import InputError


@frozen
class RowSource:
    """Where a row comes from, and the folder it goes to."""

    source: Annotated[str, Parameter(help="Source of the figure.")]
    provenance: Annotated[
        Literal["measured", "published", "assumed"],
        Parameter(help="Provenance: measured (by you), published or assumed."),
    ] = "assumed"
    as_of: Annotated[str, Parameter(help="Date of the figure; today by default.")] = ""
    catalogue: Annotated[Path, Parameter(help="The folder beside secondsite.yaml that holds your rows.")] = Path(
        USER_FOLDER
    )

    def add(self, table: str, cells: tuple[str, ...]) -> int:
        as_of = self.as_of or datetime.now(UTC).date().isoformat()
        print(f"written to {add_row(self.catalogue, table, cells, (self.source, as_of, self.provenance))}")
        return 0


Provider = Annotated[str, Parameter(help="Provider, such as aws, gcp, azure or your own.")]
RegionOf = Annotated[str, Parameter(help="Region of the provider.")]
From = Annotated[RowSource, Parameter(name="*")]

app = App(name="catalogue", help="Look up and extend prices, round-trip times and regions.")


@app.command(name="add-rtt")
def add_rtt(
    src: Annotated[str, Parameter(help="From this region.")],
    dst: Annotated[str, Parameter(help="To this region.")],
    ms: Annotated[NonNegativeFloat, Parameter(help="Median round-trip time in milliseconds.")],
    *,
    origin: From,
    provider: str = "",
) -> int:
    """Add the round-trip time between two regions, in milliseconds.

    Parameters
    ----------
    provider
        Provider of the two regions; not needed if only one provider has a region named SRC.
    """
    owner = provider or load_regions().provider_of(src)
    if not owner:
        raise InputError.at(
            "--provider", f"several providers or none have a region named {src}", "name it: --provider PROVIDER"
        )
    return origin.add(ROUND_TRIPS, (owner, src, dst, repr(ms), "p50"))


@app.command(name="add-price")
def add_price(
    provider: Provider,
    item: Annotated[str, Parameter(help="Item of the price list, such as lb_hour.")],
    region: RegionOf,
    price: Annotated[NonNegativeFloat, Parameter(help="Price of one unit in US dollars.")],
    unit: Annotated[str, Parameter(help="Unit, such as USD/h or USD/GB.")],
    *,
    origin: From,
) -> int:
    """Add the price of an item in US dollars, such as ``aws lb_hour us-east-1 0.0225 USD/h``."""
    return origin.add(PRICES, (provider, item, region, repr(price), unit))


@app.command(name="add-counterpart")
def add_counterpart(
    provider: Provider,
    region: RegionOf,
    aws: Annotated[str, Parameter(help="AWS region, such as eu-central-1.")],
    gcp: Annotated[str, Parameter(help="Google Cloud region, such as europe-west3.")],
    azure: Annotated[str, Parameter(help="Azure region, such as germanywestcentral.")],
    *,
    origin: From,
) -> int:
    """Set the AWS, Google Cloud and Azure regions that stand in for a region."""
    return origin.add(COUNTERPARTS, (provider, region, aws, gcp, azure))


@app.command
def regions(provider: Annotated[str, Parameter(help="Only the regions of this provider.")] = "") -> int:
    """List the known regions, of one provider or of all."""
    by_provider: dict[str, list[str]] = defaultdict(list)
    for owner, region in sorted(load_regions().continents):
        by_provider[owner].append(region)
    if provider and provider not in by_provider:
        raise InputError.at("PROVIDER", f"no region of {provider} is known", f"name one of {', '.join(by_provider)}")
    for owner in [provider] if provider else by_provider:
        for region in by_provider[owner]:
            print(f"{owner} {region}")
    return 0
