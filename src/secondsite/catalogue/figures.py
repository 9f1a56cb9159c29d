"""Failure rates, durations and habits: ``data/figures.toml`` as Estimates, keyed by their dotted names.

Times are turned into seconds here, so that nobody downstream converts units.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from attrs import frozen

from secondsite.catalogue.table import with_url
from secondsite.model.errors import InputError
from secondsite.model.estimate import (
    Distribution,
    Estimate,
    Fixed,
    Lognormal,
    Provenance,
    Uniform,
)

_IN_SECONDS = {"min": 60.0}
_KEYS = {
    "fixed",
    "uniform",
    "between",
    "lognormal",
    "unit",
    "provenance",
    "source",
    "plausible",
    "settle",
    "on",
    "as_of",
}


@frozen
class Figures:
    """All figures by name; an unknown name is a fault of the program, not of its input."""

    by_name: Mapping[str, Estimate]

    def __getitem__(self, name: str) -> Estimate:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)


@lru_cache(maxsize=1)
def load_figures() -> Figures:
    """The figures that ship with the package."""
    resource = files("secondsite.catalogue") / "data" / "figures.toml"
    return parse_figures(resource.read_text(encoding="utf-8"), "figures.toml")


def parse_figures(text: str, file: str) -> Figures:
    """Raises InputError for a row that is not a figure."""
    return Figures(dict(_rows(tomllib.loads(text), "", file)))


def _rows(table: Mapping[str, Any], prefix: str, file: str) -> Iterator[tuple[str, Estimate]]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if "unit" in value and "source" in value:
            yield name, _figure(name, value, file)
        elif isinstance(value, Mapping):
            yield from _rows(value, f"{name}.", file)


def _figure(name: str, row: Mapping[str, Any], file: str) -> Estimate:
    unknown = set(row) - _KEYS
    if unknown:
        raise InputError.at(file, f"{name} has unknown keys {sorted(unknown)}", f"write some of {sorted(_KEYS)}")
    factor = _IN_SECONDS.get(row["unit"], 1.0)
    low, high = row.get("plausible", (1.0, 1.0))
    return Estimate(
        name=name,
        unit="s" if row["unit"] in _IN_SECONDS else row["unit"],
        distribution=_distribution(name, row, factor, file),
        provenance=Provenance(row["provenance"]),
        source=_source(name, row, file),
        plausible=(float(low), float(high)),
        settle=row.get("settle", ""),
    )


def _source(name: str, row: Mapping[str, Any], file: str) -> str:
    """A measurement is worth something only with what was measured, and when."""
    source, provenance = with_url(str(row["source"])), Provenance(row["provenance"])
    if provenance is not Provenance.MEASURED:
        return source
    if not row.get("on") or not row.get("as_of"):
        raise InputError.at(file, f"{name} is measured, on nobody knows what or when", "write its `on` and `as_of`")
    return f"{source}; measured on {row['on']}, {row['as_of']}"


def _distribution(name: str, row: Mapping[str, Any], factor: float, file: str) -> Distribution:
    if "fixed" in row:
        return Fixed(float(row["fixed"]) * factor)
    if "uniform" in row:
        low, high = row["uniform"]
        return Uniform(low * factor, high * factor)
    if "between" in row:
        low, high = row["between"]
        return Lognormal.between(low * factor, high * factor)
    if "lognormal" in row:
        mu, sigma = row["lognormal"]
        return Lognormal(mu + math.log(factor), sigma)
    raise InputError.at(file, f"{name} has no distribution", "write one of fixed, uniform, between or lognormal")
