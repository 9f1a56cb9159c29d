"""What is rendered for Kubernetes, as kustomize builds it and merges it into a StatefulSet of today."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from needed import kubectl
from ruamel.yaml import YAML

from secondsite.model.deployment import Deployment
from secondsite.model.operate import Operate, Writers
from secondsite.model.strategy import Strategy
from secondsite.publish.deploy.tree import files
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
__all__ = ["kubectl"]

LEAF = "warm-standby/leafnode-mirror"
TODAY = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats}
spec:
  serviceName: nats
  replicas: 5
  selector: {matchLabels: {app: nats}}
  template:
    metadata: {labels: {app: nats}}
    spec:
      containers:
        - name: nats
          image: nats:2.15.1-alpine
          args: ["--config", "/etc/nats/nats.conf"]
          livenessProbe: {httpGet: {path: /healthz, port: 8222}}
          env: [{name: GOMEMLIMIT, value: 900MiB}]
          volumeMounts: [{name: config, mountPath: /etc/nats}, {name: data, mountPath: /data}]
        - {name: metrics, image: exporter}
      volumes: [{name: config, configMap: {name: nats-config}}]
"""


@pytest.fixture
def folder(laid_out: Callable[[str], Deployment], tmp_path: Path) -> Path:
    _write(laid_out(LEAF), tmp_path)
    return tmp_path


def _write(deployment: Deployment, folder: Path) -> None:
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    for name, text in files(deployment, book, "secondsite render", "registry.example/secondsite:1").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def built(kubectl: str, folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return list(YAML(typ="safe").load_all(done.stdout))


def patched(kubectl: str, folder: Path, region: str, *names: str) -> dict[str, Any]:
    """The pod of a StatefulSet of today, and its replicas, after the patches."""
    own = folder / "own"
    own.mkdir(exist_ok=True)
    (own / "today.yaml").write_text(TODAY)
    for name in names:
        (own / name).write_text((folder / region / "kubernetes" / name).read_text())
    listed = "".join(f"\n  - path: {name}" for name in names)
    (own / "kustomization.yaml").write_text(f"resources: [today.yaml]\npatches:{listed}\n")
    (found,) = built(kubectl, own)
    spec = found["spec"]
    return {**spec["template"]["spec"], "replicas": spec["replicas"]}


def server(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in pod["containers"] if each["name"] == "nats")
    return found


def mounts(container: dict[str, Any]) -> dict[str, str]:
    return {each["mountPath"]: each["name"] for each in container["volumeMounts"]}


@pytest.mark.parametrize(("region", "prefix"), [("us-east-1", "nats"), ("us-west-2", "nats-us-west-2")])
def test_each_pod_finds_its_configuration_under_its_own_name(
    folder: Path, kubectl: str, region: str, prefix: str
) -> None:
    found, policy = sorted(built(kubectl, folder / region), key=lambda each: str(each["kind"]))
    assert (found["kind"], found["metadata"]) == ("ConfigMap", {"name": "nats-servers", "namespace": "default"})
    assert (policy["kind"], policy["metadata"]) == ("NetworkPolicy", {"name": "nats-servers", "namespace": "default"})
    for number in range(3):
        text = (folder / region / "nats" / f"{prefix}-{number}.conf").read_text()
        assert found["data"][f"nats-{number}.conf"] == text
    assert set(found["data"]) - {"gate.conf", "gate.json"} == {f"nats-{number}.conf" for number in range(3)}


def test_a_statefulset_of_today_runs_the_rendered_servers(folder: Path, kubectl: str) -> None:
    pod = patched(kubectl, folder, "us-west-2", "nats.patch.yaml")
    container = server(pod)
    assert pod["replicas"] == 3
    assert container["args"] == ["--config", "/etc/nats/$(POD_NAME).conf"]
    assert mounts(container) == {"/etc/nats": "servers", "/etc/nats-tls": "tls", "/data": "data"}
    assert {"metrics", "nats"} == {each["name"] for each in pod["containers"]}
    names = [each["name"] for each in container["env"]]
    assert names.index("NATS_LEAF_PASSWORD") < names.index("NATS_LEAF_URL_NATS_0"), (
        "Kubernetes knows what stands before"
    )
    assert "GOMEMLIMIT" in names
    url = next(each["value"] for each in container["env"] if each["name"] == "NATS_LEAF_URL_NATS_2")
    assert url == "nats-leaf://leaf:$(NATS_LEAF_PASSWORD)@nats-2.us-east-1.nats.example.com:7422"


def test_the_gate_is_open_and_read_only_until_its_keeper_takes_over(folder: Path, kubectl: str) -> None:
    first = patched(kubectl, folder, "us-east-1", "nats.patch.yaml")
    assert mounts(server(first))["/etc/nats/gate"] == "gate-open"
    volume = next(each for each in first["volumes"] if each["name"] == "gate-open")
    assert volume["configMap"]["items"] == [{"key": "gate.conf", "path": "us-east-1.conf"}]
    assert "initContainers" not in first
    then = patched(kubectl, folder, "us-east-1", "nats.patch.yaml", "nats-gate.patch.yaml")
    assert mounts(server(then))["/etc/nats/gate"] == "gate"
    (before,) = then["initContainers"]
    beside = next(each for each in then["containers"] if each["name"] == "gate")
    assert before["args"] == [*beside["args"], "--shut"]
    assert {each["image"] for each in (before, beside)} == {"registry.example/secondsite:1"}
    folder_of = beside["args"][beside["args"].index("--folder") + 1]
    assert mounts(beside)[f"{folder_of}/gate"] == "gate"
    assert "emptyDir" in next(each for each in then["volumes"] if each["name"] == "gate")
    assert server(then)["args"] == server(first)["args"]


def test_one_writer_is_kept_by_the_parent_of_the_server(kubectl: str, kit: Kit, tmp_path: Path) -> None:
    """The container of today runs the gate, which starts the server; what is left of the old probe would be refused."""
    system = evolve(kit.system, operate=Operate(writers=Writers.ONE))
    deployment = lay_out(Strategy.parse(LEAF), evolve(kit, system=system))
    _write(deployment, tmp_path)
    then = patched(kubectl, tmp_path, "us-east-1", "nats.patch.yaml", "nats-gate.patch.yaml")
    container = server(then)
    assert (container["image"], container["command"]) == ("registry.example/secondsite:1", ["secondsite"])
    args = container["args"]
    assert args[0] == "gate"
    assert args[args.index("--server") + 1] == "/nats-server/nats-server --config /etc/nats/$(POD_NAME).conf"
    assert mounts(container)["/etc/nats/gate"] == "gate"
    assert set(container["livenessProbe"]) == {"exec", "initialDelaySeconds", "periodSeconds"}
    (copied,) = then["initContainers"]
    assert copied["image"].startswith("nats:")
    assert "gate" not in {each["name"] for each in then["containers"]}
    (config,) = (each for each in built(kubectl, tmp_path / "us-east-1") if each["kind"] == "ConfigMap")
    kept = json.loads(config["data"]["gate.json"])
    assert kept["lease"]["prefix"] == "$JS.us-west-2.API"
    assert kept["lease"]["config"]["name"] == "secondsite-writers"
