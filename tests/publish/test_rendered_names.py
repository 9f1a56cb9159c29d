"""A running cluster keeps what it is called and where it stores; an operator's accounts are not replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import secondsite

from cases import case
from secondsite.discover.system_file.saving import save
from secondsite.discover.system_file.writing import write_system


def rendered(folder: Path, name: str, strategy: str, code: int = 0) -> tuple[Path, str]:
    """The region's folder, and what was told as an error."""
    save(folder / "secondsite.yaml", write_system(case(name).system))
    options = ("--strategy", strategy, "--domain", "nats.example.com", "--file", str(folder / "secondsite.yaml"))
    _, told = secondsite("render", str(folder / "out"), *options, code=code)
    return folder / "out" / "us-east-1", told


@pytest.mark.parametrize(
    ("strategy", "name"), [("warm-standby/leafnode-mirror", "acme-main"), ("warm-standby/supercluster-mirror", "bus")]
)
def test_service_store_and_name_are_those_of_the_running_cluster(tmp_path: Path, strategy: str, name: str) -> None:
    """With gateways the plan's names are those that placements go by."""
    region, _ = rendered(tmp_path, "V1-headless-name", strategy)
    conf = (region / "nats" / "bus-0.conf").read_text()
    assert 'store_dir: "/var/lib/js"' in conf
    assert f'name: "{name}"' in conf
    patch = (region / "kubernetes" / "bus.patch.yaml").read_text()
    assert "@bus-0.bus-headless.msg.svc.cluster.local:6222" in patch


def test_operator_mode_is_refused_at_its_place(tmp_path: Path) -> None:
    _, told = rendered(tmp_path, "A11-operator-mode", "warm-standby/leafnode-mirror", code=2)
    assert "the accounts of nats are JWTs; its operator, resolver and system account were not all read" in told
