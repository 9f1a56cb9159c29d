"""Everything that is looked up, in one hand."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from secondsite.catalogue.figures import Figures, load_figures
from secondsite.catalogue.prices import Prices, load_prices
from secondsite.catalogue.round_trips import RoundTrips, load_round_trips


@frozen
class Catalogue:
    figures: Figures
    prices: Prices
    round_trips: RoundTrips


def load_catalogue(extra: Path | None = None) -> Catalogue:
    """The tables that ship with the package, and a person's own rows in the folder ``extra`` where it exists."""
    own = extra if extra and extra.is_dir() else None
    return Catalogue(load_figures(), load_prices(own), load_round_trips(own))
