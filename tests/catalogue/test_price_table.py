from __future__ import annotations

import csv
import re
from importlib.resources import files
from pathlib import Path

import pytest

from secondsite.catalogue.figures import load_figures
from secondsite.catalogue.prices import REFERENCE_REGIONS, Prices, load_prices
from secondsite.catalogue.regions import PROVIDERS
from secondsite.catalogue.round_trips import load_round_trips
from secondsite.model.errors import InputError
from secondsite.model.estimate import Provenance

HEADER = "provider,item,region,price,unit,source,as_of,provenance\n"
DATA = files("secondsite.catalogue").joinpath("data")


@pytest.fixture(scope="module")
def prices() -> Prices:
    return load_prices()


def user_table(folder: Path, *lines: str) -> Path:
    (folder / "prices.csv").write_text(HEADER + "\n".join(lines) + "\n", "utf-8")
    return folder


@pytest.mark.parametrize("table", sorted(one.name for one in DATA.iterdir() if one.name.endswith(".csv")))
def test_every_shipped_row_has_source_date_and_provenance(table: str) -> None:
    rows = list(csv.DictReader(DATA.joinpath(table).read_text("utf-8").splitlines()))
    assert rows
    for row in rows:
        assert row["source"], row
        assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", row["as_of"]), row
        assert row["provenance"] in ("measured", "published", "assumed"), row


def test_a_published_figure_says_where_it_is_to_be_found(prices: Prices) -> None:
    published = [row.source for row in prices.rows.values() if row.provenance is Provenance.PUBLISHED]
    published += [row.source for row in prices.transfers.values() if row.provenance is Provenance.PUBLISHED]
    published += [row.source for row in load_round_trips().rows.values() if row.provenance is Provenance.PUBLISHED]
    figures = load_figures()
    published += [figures[name].source for name in figures if figures[name].provenance is Provenance.PUBLISHED]
    assert len(published) > 1000
    assert not {source for source in published if "https://" not in source}


def test_each_item_has_a_price_on_each_provider(prices: Prices) -> None:
    named = {item for provider, item, _ in prices.rows if provider in PROVIDERS and not item.startswith("node_hour")}
    for provider in PROVIDERS:
        for item in (*named, prices.node_type(provider).item):
            assert prices.get(provider, item, REFERENCE_REGIONS[provider]).mean >= 0


def test_a_listed_price_is_published_and_elsewhere_it_is_assumed_and_says_so(prices: Prices) -> None:
    listed = prices.get("aws", "node_hour:m6i.large", "eu-central-1")
    assert (listed.mean, listed.provenance, listed.plausible) == (0.115, Provenance.PUBLISHED, (1.0, 1.0))
    elsewhere = prices.get("aws", "volume_gb_month", "eu-north-1")
    assert (elsewhere.mean, elsewhere.provenance) == (0.08, Provenance.ASSUMED)
    assert "us-east-1" in elsewhere.source
    assert elsewhere.plausible != (1.0, 1.0)


def test_remembered_prices_stay_assumed(prices: Prices) -> None:
    for price in prices.rows.values():
        if "memory" in price.source and price.item != "secret_month":
            assert price.provenance is Provenance.ASSUMED, price
        if "(aged" in price.source or "scaled" in price.source:
            assert price.provenance is Provenance.ASSUMED, price


@pytest.mark.parametrize(
    ("provider", "source", "target", "usd", "provenance"),
    [
        ("aws", "us-east-1", "us-east-2", 0.01, Provenance.PUBLISHED),
        ("aws", "sa-east-1", "us-east-1", 0.138, Provenance.PUBLISHED),
        ("aws", "us-east-1", "il-central-1", 0.02, Provenance.ASSUMED),
        ("aws", "ca-west-1", "us-east-1", 0.02, Provenance.ASSUMED),
        ("gcp", "us-east4", "us-west1", 0.01, Provenance.ASSUMED),
        ("gcp", "us-east4", "europe-west1", 0.08, Provenance.ASSUMED),
        ("azure", "eastus", "westeurope", 0.05, Provenance.ASSUMED),
        ("azure", "japaneast", "eastus", 0.08, Provenance.ASSUMED),
    ],
)
def test_transfer_by_pair_then_by_class(
    prices: Prices, provider: str, source: str, target: str, usd: float, provenance: Provenance
) -> None:
    price = prices.transfer(provider, source, target)
    assert (price.mean, price.provenance, price.unit) == (usd, provenance, "USD/GB")


def test_an_unknown_region_names_the_file_and_the_command(prices: Prices) -> None:
    with pytest.raises(InputError, match=r"prices\.csv.*catalogue add-price aws lb_hour mars-1 PRICE UNIT --source"):
        prices.get("aws", "lb_hour", "mars-1")
    with pytest.raises(InputError, match=r"catalogue add-price aws transfer_gb:mars-1 us-east-1"):
        prices.transfer("aws", "us-east-1", "mars-1")
    with pytest.raises(InputError, match=r"region_counterparts\.csv.*add-counterpart hetzner fsn1"):
        prices.regions.counterpart("hetzner", "fsn1", "gcp")


def test_every_known_aws_region_has_counterparts_that_exist(prices: Prices) -> None:
    for region in prices.regions.of("aws"):
        for provider in PROVIDERS:
            assert prices.regions.counterpart("aws", region, provider) in prices.regions.of(provider)


def test_a_users_row_replaces_and_extends(tmp_path: Path) -> None:
    folder = user_table(
        tmp_path,
        "aws,lb_hour,us-east-1,0.5,USD/h,our contract,2026-11-01,published",
        "aws,node_hour:m6i.large,mars-1,0.2,USD/h,our contract,2026-11-01,published",
        "aws,transfer_gb:mars-1,us-east-1,9,USD/GB,our contract,2026-11-01,measured",
    )
    prices = load_prices(folder)
    assert prices.get("aws", "lb_hour", "us-east-1").mean == 0.5
    assert prices.get("aws", "node_hour:m6i.large", "mars-1").provenance is Provenance.PUBLISHED
    assert prices.get("aws", "lb_hour", "mars-1").mean == 0.5
    assert prices.transfer("aws", "us-east-1", "mars-1").provenance is Provenance.MEASURED
    assert load_prices(None).get("aws", "lb_hour", "us-east-1").mean == 0.0225


def test_all_bad_rows_are_told_with_file_and_line(tmp_path: Path) -> None:
    folder = user_table(
        tmp_path,
        "aws,lb_hour,us-east-1,cheap,USD/h,x,2026-11-01,published",
        "aws,lb_hour,us-east-2,1,USD/h,x,2026-11-01,published",
        "aws,lb_hour,us-west-1,-1,USD/h,x,2026-11-01,published",
        "aws,lb_hour,us-west-2,1,,x,2026-11-01,published",
    )
    with pytest.raises(InputError) as raised:
        load_prices(folder)
    assert [(p.place.file, p.place.line) for p in raised.value.problems] == [
        (str(folder / "prices.csv"), line) for line in (2, 4, 5)
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("aws,lb_hour,us-east-1,1,USD/h,,2026-11-01,published", "no source"),
        ("aws,lb_hour,us-east-1,1,USD/h,x,,published", "no date"),
        ("aws,lb_hour,us-east-1,1,USD/h,x,2026-11-01,derived", "provenance 'derived' is unknown"),
        ("aws,lb_hour,us-east-1", "has 3 cells, not 8"),
    ],
)
def test_a_row_without_origin_is_refused(tmp_path: Path, line: str, what: str) -> None:
    with pytest.raises(InputError, match=rf"prices\.csv:2: .*{what}"):
        load_prices(user_table(tmp_path, line))


def test_a_table_with_another_header_or_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("item,price\n", "utf-8")
    with pytest.raises(InputError, match=r"prices\.csv:1: the first line is not the header; write provider,item"):
        load_prices(tmp_path)
    (tmp_path / "prices.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"cannot be read"):
        load_prices(tmp_path)
