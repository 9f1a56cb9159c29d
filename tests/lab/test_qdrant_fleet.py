"""Which Qdrant a lab runs: a server of it where one is at hand, else its engine, and it says which."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgres_pair import EXAMPLE

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.qdrant_fleet import QdrantFleet
from secondsite.model.strategy import Strategy
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit


def _fleet(folder: Path, strategy: str = "warm-standby/leafnode-mirror") -> QdrantFleet:
    deployment = lay_out(Strategy.parse(strategy), Kit.of(load_system(EXAMPLE), load_catalogue()))
    regions = tuple(dict.fromkeys(site.region.name for site in deployment.sites))
    return QdrantFleet(deployment, LabAddresses(0, regions, str(folder)), folder, True)


def test_the_engine_says_that_it_is_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECONDSITE_QDRANT", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    fleet = _fleet(tmp_path)
    (words,) = fleet.instead.values()
    assert words.startswith("Qdrant's engine (qdrant-edge 0.9")
    assert words.endswith("without its server")
    assert list(fleet.digests()) == [fleet.runs]
    (line,) = fleet.replaced()
    assert line == f"qdrant runs qdrant/qdrant:v1.12.4: {fleet.runs} is used instead"
    (spec,) = fleet.specs("us-east-1")
    assert "secondsite.lab.qdrant_process" in spec.command


def test_a_server_that_is_at_hand_runs_by_its_own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "qdrant"
    program.write_text("#!/bin/sh\necho qdrant 1.12.4\n")
    program.chmod(0o755)
    monkeypatch.setenv("SECONDSITE_QDRANT", str(program))
    fleet = _fleet(tmp_path / "lab")
    assert (fleet.runs, fleet.instead) == ("Qdrant server 1.12.4", {})
    (spec,) = fleet.specs("us-west-2")
    assert spec.command == (str(program),)
    at = fleet.endpoint(fleet.find("qdrant", "us-west-2"))
    assert spec.environment["QDRANT__SERVICE__HOST"] == at.host
    assert spec.environment["QDRANT__SERVICE__HTTP_PORT"] == str(at.port)


def test_nothing_runs_where_no_second_region_waits(tmp_path: Path) -> None:
    assert _fleet(tmp_path, "single-region/none/manual").databases == ()
