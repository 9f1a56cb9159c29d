"""A running cluster keeps what it is called and where it stores; an operator's accounts are not replaced."""

from __future__ import annotations

import re
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


SERVERS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats, namespace: bus}
spec:
  replicas: 3
  serviceName: nats
  template: {spec: {containers: [{name: nats, image: "nats:2.14.6", args: [-c, /etc/unread.conf]}]}}
"""


def test_a_name_or_a_store_that_nobody_read_is_refused_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "nats.yaml").write_text(SERVERS)
    file, strategy = str(tmp_path / "secondsite.yaml"), "warm-standby/leafnode-mirror"
    options = ("--file", file, "--strategy", strategy, "--domain", "nats.example.com")
    secondsite("init", str(tmp_path / "nats.yaml"), "--file", file, "--yes")
    _, refused = secondsite("render", str(tmp_path / "out"), *options, code=2)
    for key in ("cluster_name", "store_dir"):
        why = "the server's configuration /etc/unread.conf was not read"
        assert f"the {key} of the running servers of nats is not known: {why}" in " ".join(refused.split())
    text = Path(file).read_text()
    for key, value in (("cluster_name", "acme"), ("store_dir", "/js")):
        text = re.sub(rf"(?m)^(    {key}:).*$", rf"\1 {value}", text)
    Path(file).write_text(text)
    secondsite("render", str(tmp_path / "out"), *options)
    conf = (tmp_path / "out" / "us-east-1" / "nats" / "nats-0.conf").read_text()
    assert 'store_dir: "/js"' in conf
    assert 'name: "acme"' in conf


def test_operator_mode_is_refused_at_its_place(tmp_path: Path) -> None:
    _, told = rendered(tmp_path, "A11-operator-mode", "warm-standby/leafnode-mirror", code=2)
    assert "the accounts of nats are JWTs; its operator, resolver and system account were not all read" in told
