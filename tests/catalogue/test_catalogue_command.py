from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from secondsite.catalogue.prices import load_prices
from secondsite.catalogue.regions import load_regions
from secondsite.catalogue.round_trips import load_round_trips
from secondsite.cli.__main__ import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "secondsite-catalogue"


def test_a_pair_that_was_missing_is_known_after_the_command_its_error_names(folder: Path) -> None:
    assert run(["catalogue", "add-rtt", "us-east4", "us-south1", "33.5", "--source", "ping, a day"]) == 0
    trip = load_round_trips(folder).between("gcp", "us-south1", "us-east4")
    assert trip.mean == 33.5
    assert "ping, a day (20" in trip.source
    assert trip.provenance.value == "assumed"


def test_adding_again_replaces(folder: Path) -> None:
    for price in ("0.3", "0.2"):
        words = ["catalogue", "add-price", "aws", "lb_hour", "mars-1", price, "USD/h", "--source", "contract"]
        assert run([*words, "--provenance", "published", "--as-of", "2026-10-01"]) == 0
    assert load_prices(folder).get("aws", "lb_hour", "mars-1").mean == 0.2
    assert len((folder / "prices.csv").read_text("utf-8").splitlines()) == 2


def test_a_counterpart_makes_an_unknown_provider_priceable(folder: Path) -> None:
    words = "catalogue add-counterpart hetzner fsn1 eu-central-1 europe-west3 germanywestcentral --source near"
    assert run(words.split()) == 0
    assert load_regions(folder).counterpart("hetzner", "fsn1", "gcp") == "europe-west3"


@pytest.mark.parametrize(
    "words",
    [
        "add-rtt mars venus 3 --source x",
        "add-rtt us-east-1 us-west-2 inf --source x",
        "add-rtt us-east-1 us-west-2 nan --source x",
        "add-rtt us-east-1 us-west-2 -5 --source x",
        "add-rtt us-east-1 us-west-2 5",
        "add-price aws lb_hour us-east-1 cheap USD/h --source x",
        "regions mars",
    ],
)
def test_bad_input_is_exit_2_and_writes_nothing(folder: Path, words: str) -> None:
    assert run(["catalogue", *words.split()]) == 2
    assert not folder.exists()


def test_an_empty_source_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["catalogue", "add-rtt", "us-east-1", "us-west-2", "5", "--source", " "]) == 2
    assert "name where the figure comes from" in capsys.readouterr().err
    assert not folder.exists()


def test_a_broken_table_is_left_as_it_is(folder: Path) -> None:
    folder.mkdir()
    (folder / "round_trips.csv").write_text("not,a,table\n", "utf-8")
    assert run(["catalogue", "add-rtt", "us-east-1", "us-west-2", "5", "--source", "x"]) == 2
    assert (folder / "round_trips.csv").read_text("utf-8") == "not,a,table\n"


def test_regions_lists_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["catalogue", "regions", "azure"]) == 0
    assert "azure westeurope\n" in capsys.readouterr().out


@pytest.mark.slow
def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from secondsite.cli.__main__ import run; run(['--help']); "
        "print([m for m in sys.modules if m.startswith(('numpy', 'httpx', 'nats.', 'secondsite.catalogue'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert out.rstrip().endswith("[]")


def test_a_folder_that_cannot_be_written_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.write_text("a file where the folder should be", "utf-8")
    assert run(["catalogue", "add-rtt", "us-east4", "us-south1", "33.5", "--source", "ping"]) == 4
    assert "secondsite-catalogue" in (said := capsys.readouterr().err)
    assert "make the folder writable" in said
