"""Round-trip times between regions, in milliseconds.

A pair that nobody measured has the time of the AWS regions that stand in for the two, marked as assumed; where nothing
stands in for them it is an error that says how to add it. Where both directions are known their mean is taken, so that
the table is symmetric.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from attrs import field, frozen

from secondsite.catalogue.regions import Regions, load_regions
from secondsite.catalogue.table import USER_FOLDER, TableRow, parse_all, shipped, users
from secondsite.model.errors import InputError, SecondsiteError
from secondsite.model.estimate import Estimate, Fixed, Provenance
from secondsite.model.region import Region

ROUND_TRIPS = "round_trips.csv"
ROUND_TRIP_COLUMNS = ("provider", "src", "dst", "rtt_ms", "statistic")
ANY = "*"
ASSUMED_RANGE = (0.7, 1.5)
_TABLE = "aws"
"""The provider whose pairs the table has all of."""


@frozen
class RoundTrip:
    provider: str
    src: str
    dst: str
    ms: float
    statistic: str
    provenance: Provenance
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.provider, self.src, self.dst


@frozen
class RoundTrips:
    rows: Mapping[tuple[str, str, str], RoundTrip]
    regions: Regions = field(factory=load_regions, eq=False, repr=False)
    _known: dict[tuple[str, str, str], Estimate] = field(factory=dict, eq=False, repr=False, init=False)

    def between(self, provider: str, a: str, b: str) -> Estimate:
        """In ms. Raises InputError for a pair that is not in the table."""
        first, second = sorted((a, b))
        key = (provider, first, second)
        if key not in self._known:
            self._known[key] = self._estimate(provider, first, second)
        return self._known[key]

    def of(self, a: Region, b: Region) -> Estimate:
        """In ms, each region by its own provider. Raises InputError where neither the pair nor a stand-in is known."""
        if a.provider == b.provider:
            return self.between(a.provider, a.name, b.name)
        for owner in (a.provider, b.provider):
            if self.known(owner, a.name, b.name):
                return self.between(owner, a.name, b.name)
        return self._stand_in((a.provider, a.name), (b.provider, b.name))

    def known(self, provider: str, a: str, b: str) -> bool:
        return bool(self._rows(provider, a, b))

    def _rows(self, provider: str, a: str, b: str) -> list[RoundTrip]:
        keys = {(provider, a, b), (provider, b, a)}
        rows = [self.rows[key] for key in sorted(keys) if key in self.rows]
        inside = self.rows.get((provider, ANY, ANY))
        return rows or ([inside] if inside and a == b else [])

    def _estimate(self, provider: str, a: str, b: str) -> Estimate:
        rows = self._rows(provider, a, b)
        if not rows:
            return self._stand_in((provider, a), (provider, b))
        assumed = any(row.provenance is Provenance.ASSUMED for row in rows)
        return Estimate(
            name=f"round trip {a} - {b}",
            unit="ms",
            distribution=Fixed(sum(row.ms for row in rows) / len(rows)),
            provenance=Provenance.ASSUMED if assumed else rows[0].provenance,
            source="; ".join(sorted({f"{row.statistic}, {row.source}" for row in rows})),
            plausible=ASSUMED_RANGE if assumed else (1.0, 1.0),
            settle=f"ping between a machine in {a} and one in {b} for a day" if assumed else "",
        )

    def _stand_in(self, a: tuple[str, str], b: tuple[str, str]) -> Estimate:
        """The round trip of the AWS regions that stand in for the two, as an assumption that says so."""
        try:
            here, there = (self.regions.counterpart(provider, region, _TABLE) for provider, region in (a, b))
        except InputError:
            raise _missing(a[0], a[1], b[1]) from None
        rows = self._rows(_TABLE, here, there)
        if not rows or (a[0] == _TABLE == b[0]):
            raise _missing(a[0], a[1], b[1])
        return Estimate(
            name=f"round trip {a[1]} - {b[1]}",
            unit="ms",
            distribution=Fixed(sum(row.ms for row in rows) / len(rows)),
            provenance=Provenance.ASSUMED,
            source=f"that of {_TABLE} {here} and {there}, which stand in for them: {rows[0].source}",
            plausible=ASSUMED_RANGE,
            settle=f"ping between a machine in {a[1]} and one in {b[1]} for a day",
        )


def _missing(provider: str, a: str, b: str) -> SecondsiteError:
    return InputError.at(
        f"catalogue/data/{ROUND_TRIPS}",
        f"the round-trip time between {a} and {b} on {provider or 'an unnamed provider'} is not known",
        f"measure it and add it to {USER_FOLDER}/{ROUND_TRIPS}: secondsite catalogue add-rtt {a} {b} MS "
        f"--provider {provider or 'PROVIDER'} --source TEXT",
    )


def parse_round_trip(row: TableRow) -> RoundTrip:
    if not row["provider"] or not row["src"] or not row["dst"]:
        raise row.wrong("names no provider or no region", "write provider, src and dst")
    return RoundTrip(
        provider=row["provider"],
        src=row["src"],
        dst=row["dst"],
        ms=row.number("rtt_ms"),
        statistic=row["statistic"],
        provenance=row.provenance,
        source=row.source,
    )


def load_round_trips(extra: Path | None = None) -> RoundTrips:
    """``extra`` is the user's catalogue folder; one of its rows replaces the shipped ones of both directions."""
    rows = dict(_shipped())
    added = parse_all(users(extra, ROUND_TRIPS, ROUND_TRIP_COLUMNS), parse_round_trip)
    for row in added:
        rows.pop(row.key, None)
        rows.pop((row.provider, row.dst, row.src), None)
    rows.update({row.key: row for row in added})
    return RoundTrips(rows, load_regions(extra))


@lru_cache(maxsize=1)
def _shipped() -> Mapping[tuple[str, str, str], RoundTrip]:
    return {row.key: row for row in parse_all(shipped(ROUND_TRIPS, ROUND_TRIP_COLUMNS), parse_round_trip)}
