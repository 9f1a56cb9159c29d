from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.catalogue.regions import load_regions
from secondsite.catalogue.round_trips import load_round_trips
from secondsite.model.errors import InputError
from secondsite.model.estimate import Provenance
from secondsite.model.region import Region

ROUND_TRIPS = load_round_trips()
AWS = st.sampled_from([region for region in load_regions().of("aws") if region != "us-gov-east-1"])
HEADER = "provider,src,dst,rtt_ms,statistic,source,as_of,provenance\n"


@given(AWS, AWS)
def test_symmetric_and_between_its_two_directions(a: str, b: str) -> None:
    there, back = ROUND_TRIPS.rows["aws", a, b].ms, ROUND_TRIPS.rows["aws", b, a].ms
    trip = ROUND_TRIPS.between("aws", a, b)
    assert trip == ROUND_TRIPS.between("aws", b, a)
    assert min(there, back) - 1e-9 <= trip.mean <= max(there, back) + 1e-9
    assert trip.provenance is Provenance.PUBLISHED


def test_the_mean_of_both_directions_by_hand() -> None:
    assert ROUND_TRIPS.between("aws", "ap-south-1", "il-central-1").mean == pytest.approx((135.236 + 147.0138) / 2)
    assert ROUND_TRIPS.between("aws", "us-east-1", "us-east-1").mean == pytest.approx(5.349)


def test_a_pair_known_in_one_direction_is_known_in_both() -> None:
    assert ROUND_TRIPS.between("azure", "eastus", "westus2").mean == 76
    assert ROUND_TRIPS.between("azure", "westus2", "eastus").source.startswith("p95, Microsoft")


def test_pairs_of_gcp_are_in_the_table_with_their_source() -> None:
    """Of us-west1 and us-east4 the table has, in ms: 48.8, 56.1, 56.4, 56.5, 57.4, 57.5, 66.0 and 91.2."""
    found = ROUND_TRIPS.between("gcp", "us-west1", "us-east4")
    assert (found.mean, found.provenance) == (57, Provenance.PUBLISHED)
    assert found.source.startswith("p50, Skyplane")
    assert ROUND_TRIPS.between("azure", "eastus", "westeurope").source.startswith("p95, Microsoft")


def test_inside_a_region_of_gcp_and_azure() -> None:
    assert ROUND_TRIPS.between("gcp", "us-east4", "us-east4").mean == 1
    assert ROUND_TRIPS.between("azure", "eastus", "eastus").provenance is Provenance.ASSUMED


@pytest.mark.parametrize(("provider", "a", "b"), [("gcp", "us-east4", "mars1"), ("aws", "us-east-1", "mars-1")])
def test_an_unknown_pair_is_not_guessed(provider: str, a: str, b: str) -> None:
    first, second = sorted((a, b))
    command = f"secondsite catalogue add-rtt {first} {second} MS --provider {provider} --source TEXT"
    with pytest.raises(InputError) as raised:
        ROUND_TRIPS.between(provider, a, b)
    assert "round_trips.csv" in str(raised.value)
    assert command in str(raised.value)
    assert not ROUND_TRIPS.known(provider, a, b)


def test_a_users_row_replaces_both_directions(tmp_path: Path) -> None:
    (tmp_path / "round_trips.csv").write_text(
        HEADER + "aws,us-west-2,us-east-1,10,p50,ping for a day,2026-11-01,measured\n", "utf-8"
    )
    trip = load_round_trips(tmp_path).between("aws", "us-east-1", "us-west-2")
    assert (trip.mean, trip.provenance, trip.source) == (10, Provenance.MEASURED, "p50, ping for a day (2026-11-01)")
    assert ROUND_TRIPS.between("aws", "us-east-1", "us-west-2").mean > 50


def test_a_bad_row_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "round_trips.csv").write_text(HEADER + "aws,a,b,soon,p50,x,2026-11,measured\n", "utf-8")
    with pytest.raises(InputError, match=r"round_trips\.csv:2: rtt_ms 'soon' is not a number"):
        load_round_trips(tmp_path)


@pytest.mark.parametrize("row", [",a,b", "aws,,b", "aws,a,"])
def test_a_row_without_a_region_is_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "round_trips.csv").write_text(f"{HEADER}{row},5,p50,x,2026-11,measured\n", "utf-8")
    with pytest.raises(InputError, match=r"round_trips\.csv:2: names no provider or no region; write provider"):
        load_round_trips(tmp_path)


def test_a_table_that_is_no_csv_is_refused(tmp_path: Path) -> None:
    (tmp_path / "round_trips.csv").write_text(f"{HEADER}aws,a,{'b' * 200_000},5,p50,x,2026-11,measured\n", "utf-8")
    with pytest.raises(InputError, match=r"round_trips\.csv: is not CSV \(field larger"):
        load_round_trips(tmp_path)


def test_an_unmeasured_pair_has_its_stand_ins_round_trip_as_an_assumption() -> None:
    table = load_round_trips()
    found = table.between("gcp", "us-east4", "us-west2")
    assert found.mean == table.between("aws", "us-east-1", "us-west-1").mean
    assert found.provenance is Provenance.ASSUMED
    assert found.plausible == (0.7, 1.5)
    across = table.of(Region("gcp", "us-east4"), Region("aws", "us-west-1"))
    assert across.mean == found.mean, "each region by its own provider"
