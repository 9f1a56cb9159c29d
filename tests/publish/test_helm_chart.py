"""The Helm chart deploys what `render` writes and a drill starts: the same containers, by Helm itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from helm import ROOT, helm, rendered
from kube_api import ADMIN, KubeApi, kube_api
from ruamel.yaml import YAML

from secondsite import __version__
from secondsite.model.deployment import Deployment
from secondsite.model.operate import Operate, RegionEntrance
from secondsite.model.strategy import Strategy
from secondsite.model.watching import WatchObserver, WatchPolicy
from secondsite.publish.deploy.tree import files
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit

__all__ = ["helm"]

CHART = ROOT / "charts" / "secondsite"
HOME, AWAY = "us-east-1", "us-west-2"
IMAGE = "registry.example/secondsite"
Objects = Mapping[tuple[str, str], dict[str, Any]]


def texts_of(deployment: Deployment) -> Mapping[str, str]:
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    return files(deployment, book, "secondsite render", f"{IMAGE}:{__version__}")


@pytest.fixture(scope="module")
def shipped(kit: Kit) -> Mapping[str, str]:
    """A standby with mirrors and a watch; and the archiver of a standby that is restored from one."""
    observers = (WatchObserver("east", HOME, "https://e:1"), WatchObserver("west", AWAY, "https://w:1"))
    policy = WatchPolicy((*observers, WatchObserver("office", "", "https://o:1")))
    entrances = (RegionEntrance(HOME, "east.example.com"), RegionEntrance(AWAY, "west.example.com"))
    watched = evolve(kit, system=evolve(kit.system, operate=Operate(watch=policy, entrances=entrances)))
    leaf, archive = Strategy.parse("warm-standby/leafnode-mirror"), Strategy.parse("warm-standby/archive")
    archiver = f"{HOME}/archive/deployment.yaml"
    return {**texts_of(lay_out(leaf, watched)), archiver: texts_of(lay_out(archive, kit))[archiver]}


@pytest.fixture(scope="module")
def chart_of(shipped: Mapping[str, str], helm: str, tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """All parts, with the files that `render` wrote."""
    folder = tmp_path_factory.mktemp("values")
    return rendered(helm, CHART, *options(shipped, folder))


def options(shipped: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    archived = containers(shipped[f"{HOME}/archive/deployment.yaml"])["archive"]["args"]
    system = folder / "secondsite.yaml"
    system.write_text("schema: secondsite/system/1\nname: shop\n", "utf-8")
    values = {
        "image": {"repository": IMAGE},
        "nats": {"urls": archived[archived.index("--nats") + 1].split(",")},
        "agent": {"enabled": True},
        "archive": {"enabled": True, "to": archived[archived.index("--to") + 1], "options": more(archived)},
        "watch": {"decider": {"enabled": True, "name": AWAY}},
        "gate": {"enabled": True},
    }
    (folder / "values.json").write_text(json.dumps(values), "utf-8")
    given = ["--values", str(folder / "values.json"), "--set-file", f"watch.decider.system={system}"]
    wanted = {
        "agent.config": f"{HOME}/agent/agent.json",
        "watch.observers.east": f"{HOME}/watch/east.json",
        "gate.config": f"{HOME}/nats/gate.json",
    }
    for value, path in wanted.items():
        (folder / value).write_text(shipped[path], "utf-8")
        given += ["--set-file", f"{value}={folder / value}"]
    return tuple(given)


def more(arguments: list[str]) -> list[str]:
    """What an archiver is told beside where from, where to, and its metrics."""
    rest = arguments[1:]
    for option in ("--nats", "--to", "--metrics-host", "--metrics-port"):
        at = rest.index(option)
        rest = rest[:at] + rest[at + 2 :]
    return rest


def containers(text: str, kind: str = "containers") -> dict[str, dict[str, Any]]:
    documents = list(YAML(typ="safe").load_all(text))
    return {each["name"]: each for each in documents[0]["spec"]["template"]["spec"][kind]}


def told(container: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only the chart says."""
    return {key: value for key, value in container.items() if key != "imagePullPolicy" and value is not None}


@pytest.mark.parametrize(
    ("name", "container", "path"),
    [
        ("secondsite-agent", "agent", f"{HOME}/agent/deployment.yaml"),
        ("secondsite-archive", "archive", f"{HOME}/archive/deployment.yaml"),
        ("secondsite-observer-east", "observer", f"{HOME}/watch/east.yaml"),
        ("secondsite-watch", "watch", f"{AWAY}/watch/watch.yaml"),
    ],
)
def test_a_part_is_what_render_writes(
    chart_of: Objects, shipped: Mapping[str, str], name: str, container: str, path: str
) -> None:
    document = next(YAML(typ="safe").load_all(shipped[path]))
    wanted, made = document["spec"], chart_of["Deployment", name]["spec"]
    assert (made["replicas"], made.get("strategy")) == (wanted["replicas"], wanted.get("strategy"))
    (ours,), (theirs,) = made["template"]["spec"]["containers"], wanted["template"]["spec"]["containers"]
    urls = ours["args"].index("--nats") + 1 if "--nats" in ours["args"] else None
    if urls:  # the example's own servers; the archiver of another strategy has others
        assert ours["args"][urls].startswith("nats://")
        ours, theirs = ({**each, "args": [*each["args"][:urls], *each["args"][urls + 1 :]]} for each in (ours, theirs))
    assert told(ours) == told(theirs) | {"name": container}
    pods = made["template"]["spec"], wanted["template"]["spec"]
    security = [{k: v for k, v in pod["securityContext"].items() if k != "fsGroup"} for pod in pods]
    assert security[0] == security[1]
    assert [pod["automountServiceAccountToken"] for pod in pods] == [False, False]
    assert [pod.get("serviceAccountName") for pod in pods][:1] == [pods[1].get("serviceAccountName")]


@pytest.mark.parametrize(
    ("name", "key", "path"),
    [
        ("secondsite-agent", "agent.json", f"{HOME}/agent/agent.json"),
        ("secondsite-observer-east", "observer.json", f"{HOME}/watch/east.json"),
        ("secondsite-gate", "gate.json", f"{HOME}/nats/gate.json"),
    ],
)
def test_configurations_arrive_whole(
    chart_of: Objects, shipped: Mapping[str, str], name: str, key: str, path: str
) -> None:
    assert json.loads(chart_of["ConfigMap", name]["data"][key]) == json.loads(shipped[path])


def test_a_chart_of_servers_takes_the_gate_in(helm: str, shipped: Mapping[str, str], tmp_path: Path) -> None:
    """Its containers are those of the patch; only the ConfigMap of gate.json is another."""
    parent = servers_chart(tmp_path)
    (tmp_path / "gate.json").write_text(shipped[f"{HOME}/nats/gate.json"], "utf-8")
    values = {"secondsite": {"image": {"repository": IMAGE}, "gate": {"enabled": True}}}
    (tmp_path / "values.json").write_text(json.dumps(values), "utf-8")
    given = ("--values", str(tmp_path / "values.json"), "--set-file", f"secondsite.gate.config={tmp_path}/gate.json")
    pod = rendered(helm, parent, *given)["StatefulSet", "nats"]["spec"]["template"]["spec"]
    patch = shipped[f"{HOME}/kubernetes/nats-gate.patch.yaml"]
    for kind, name in (("initContainers", "gate-shut"), ("containers", "gate")):
        ours, theirs = next(each for each in pod[kind] if each["name"] == name), containers(patch, kind)[name]
        renamed = [{**each, "name": each["name"].replace("servers", "gate-config")} for each in theirs["volumeMounts"]]
        assert told(ours) == told(theirs) | {"volumeMounts": renamed}
    assert {volume["name"] for volume in pod["volumes"]} == {"gate", "gate-config"}


def servers_chart(folder: Path) -> Path:
    """A chart of NATS servers with this one as its dependency, as docs/render.md shows it."""
    chart = folder / "servers"
    (chart / "templates").mkdir(parents=True)
    (chart / "charts").mkdir()
    (chart / "charts" / "secondsite").symlink_to(CHART)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: servers\nversion: 1.0.0\n", "utf-8")
    page = (ROOT / "docs" / "render.md").read_text("utf-8")
    template = page.split("```yaml helm\n")[1].split("```")[0]
    (chart / "templates" / "nats.yaml").write_text(template, "utf-8")
    return chart


def test_it_lints_and_says_what_is_missing(helm: str) -> None:
    lint = subprocess.run([helm, "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout
    for given, told in (
        ("agent.enabled=true", "give the client URLs of this region's servers"),
        ("nats.urls={nats://user:word@host}", "nats"),
        ("agent.enable=true", "additional properties 'enable' not allowed"),
    ):
        refused = subprocess.run(
            [helm, "template", "x", str(CHART), "--set-file", f"agent.config={CHART}/Chart.yaml", "--set", given],
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode != 0
        assert told in refused.stderr


def test_its_version_is_the_package_s() -> None:
    chart = YAML(typ="safe").load((CHART / "Chart.yaml").read_text("utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


@pytest.mark.slow
def test_a_real_api_server_takes_it(chart_of: Objects, tmp_path_factory: pytest.TempPathFactory) -> None:
    with kube_api(tmp_path_factory.mktemp("kube"), {}) as kube:
        created(kube, chart_of)


def created(kube: KubeApi, objects: Objects) -> None:
    kube.done(ADMIN, "create", "namespace", "nats")
    for each in objects.values():
        kube.done(ADMIN, "-n", "nats", "create", "-f", "-", stdin=json.dumps(each))
    assert len(kube.done(ADMIN, "-n", "nats", "get", "deployments", "-o", "name").split()) == 4
