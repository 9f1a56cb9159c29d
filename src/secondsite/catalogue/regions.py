"""The regions each provider has, and which region of another provider stands in for one when prices are compared.

A region that no table knows is never replaced by one with a similar name: that is an error which says how to
add it. A counterpart is always an assumption, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from attrs import frozen

from secondsite.catalogue.table import USER_FOLDER, shipped, users
from secondsite.model.errors import InputError

PROVIDERS = ("aws", "gcp", "azure")
COUNTERPARTS = "region_counterparts.csv"
COUNTERPART_COLUMNS = ("provider", "region", *PROVIDERS)


@frozen
class Regions:
    """``continents``: of each (provider, region). ``counterparts``: of each (provider, region), by provider."""

    continents: Mapping[tuple[str, str], str]
    counterparts: Mapping[tuple[str, str], Mapping[str, str]]

    def of(self, provider: str) -> tuple[str, ...]:
        return tuple(sorted(region for owner, region in self.continents if owner == provider))

    def provider_of(self, region: str) -> str | None:
        """The one provider that has a region of this name; None when none has, or several have."""
        owners = [owner for owner, name in self.continents if name == region]
        return owners[0] if len(owners) == 1 else None

    def counterpart(self, provider: str, region: str, on: str) -> str:
        """The region of provider ``on`` that stands in for ``region`` of ``provider``."""
        if provider == on:
            return region
        row = self.counterparts.get((provider, region))
        if row is None or on not in row:
            raise InputError.at(
                f"catalogue/data/{COUNTERPARTS}",
                f"no region of {on} is named that stands in for {provider} {region}",
                f"add it to {USER_FOLDER}/{COUNTERPARTS}: secondsite catalogue add-counterpart {provider} {region} "
                "AWS-REGION GCP-REGION AZURE-REGION --source TEXT",
            )
        return row[on]


@lru_cache(maxsize=8)
def load_regions(extra: Path | None = None) -> Regions:
    """``extra`` is the user's catalogue folder."""
    continents = {
        (row["provider"], row["region"]): row["continent"]
        for row in shipped("regions.csv", ("provider", "region", "continent"))
    }
    rows = (*shipped(COUNTERPARTS, COUNTERPART_COLUMNS), *users(extra, COUNTERPARTS, COUNTERPART_COLUMNS))
    return Regions(
        continents=continents,
        counterparts={
            (row["provider"], row["region"]): {provider: row[provider] for provider in PROVIDERS} for row in rows
        },
    )
