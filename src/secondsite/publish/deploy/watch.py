"""The watch as it is deployed: an observer in every region that `operate: watch:` names one in, and a watch in each
region that is not the first, where whatever is lost with the first one is not.

What an observer looks at in its own region is filled in; of other regions it is what the system file says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve

from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.watching import WatchObserver, WatchPolicy
from secondsite.operate.observer_config import ObserverConfig, observer_config, observer_text
from secondsite.operate.watch_commands import (
    DEFAULT_EVERY_S,
    JudgedBy,
    judge_command,
    observe_command,
    watch_command,
)
from secondsite.publish.deploy.kubernetes import CREDENTIALS_MOUNT, CREDENTIALS_VOLUME, program_login
from secondsite.publish.deploy.texts import file_name
from secondsite.publish.text.yaml_text import yaml_text
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.server_config import CLIENT_PORT, NatsServer, servers_of

OBSERVER_PORT, PAGE_PORT = 8090, 8088
SECRET = "secondsite-watch"  # noqa: S105 # its name
"""With SECONDSITE_WATCH_TOKEN, and for the watch whatever else the references of the system file name."""
WATCH, JUDGE, JUDGE_FILE = "secondsite-watch", "secondsite-judge", "judge.yaml"
_ANYWHERE = "0.0.0.0"  # noqa: S104 # of a pod, behind a Service
_CONFIGS, _JOURNALS = "/etc/secondsite", "/var/lib/secondsite"
_NONROOT_UID = 65532

Yaml = dict[str, Any]


def watch_folder(region: str) -> str:
    return f"{file_name(region)}/watch"


def observers_in(deployment: Deployment, region: str) -> tuple[WatchObserver, ...]:
    operate = deployment.system.operate
    observers = operate.watch.observers if operate and operate.watch else ()
    return tuple(one for one in observers if one.region == region)


def watches_from(deployment: Deployment, region: str) -> bool:
    """Whether a watch is deployed there."""
    operate = deployment.system.operate
    set_up = bool(operate and operate.watch and operate.watch.observers)
    return set_up and region != deployment.primary.region.name


def judged_by(deployment: Deployment) -> JudgedBy | None:
    """None where nobody set a watch up, or an observer has no address yet."""
    operate = deployment.system.operate
    policy = operate.watch if operate and operate.watch else WatchPolicy()
    if not policy.observers or not all(one.at for one in policy.observers):
        return None
    regions = tuple(dict.fromkeys(site.region.name for site in deployment.sites))
    return JudgedBy(regions, policy.observers, policy.window_s, policy.quorum)


def watch_files(deployment: Deployment, book: DeployedAddresses, image: str) -> Mapping[str, str]:
    """By path; none where nobody set a watch up."""
    files: dict[str, str] = {}
    for region in dict.fromkeys(server.region for server in servers_of(deployment)):
        servers = [each for each in servers_of(deployment) if each.region == region]
        folder, resources, configs = watch_folder(region), [], []
        for observer in observers_in(deployment, region):
            name = file_name(observer.name)
            files[f"{folder}/{name}.json"] = observer_text(_looks_at(deployment, book, observer.name, region, servers))
            files[f"{folder}/{name}.yaml"] = _text(*_observer(name, image, book))
            resources.append(f"{name}.yaml")
            configs.append({"name": _of(name), "files": [f"observer.json={name}.json"]})
        if watches_from(deployment, region):
            files[f"{folder}/watch.yaml"] = _text(*_watch(region, image))
            resources.append("watch.yaml")
            if by := judged_by(deployment):
                files[f"{folder}/{JUDGE_FILE}"] = _text(*_judge(by, region, image))
        if resources:
            files[f"{folder}/kustomization.yaml"] = _text(_kustomization(resources, configs, book, servers))
    return files


def _looks_at(
    deployment: Deployment, book: DeployedAddresses, name: str, region: str, servers: Sequence[NatsServer]
) -> ObserverConfig:
    """Its login is the agent's, which may ask no other domain: that is no signal of this observer."""
    near = [each for each in servers if each.cluster.name == servers[0].cluster.name]
    urls = ",".join(f"nats://{book.inside(each)}:{CLIENT_PORT}" for each in near)
    config = observer_config(deployment, name, DEFAULT_EVERY_S)
    regions = tuple(evolve(one, domain="", nats=urls if one.region == region else one.nats) for one in config.regions)
    return evolve(config, regions=regions, path=None)  # a client's login is none of an observer's


def _observer(name: str, image: str, book: DeployedAddresses) -> Iterator[Yaml]:
    token = {"secretKeyRef": {"name": SECRET, "key": "SECONDSITE_WATCH_TOKEN"}}
    container = {
        "name": "observer",
        "image": image,
        "args": list(observe_command(f"{_CONFIGS}/observer.json", Endpoint(_ANYWHERE, OBSERVER_PORT))),
        "env": [
            *program_login(book.agent, book),
            {"name": "SECONDSITE_WATCH_TOKEN", "valueFrom": token},
        ],
        "volumeMounts": [
            {"name": "config", "mountPath": _CONFIGS, "readOnly": True},
            *([CREDENTIALS_MOUNT] if book.account_key else []),
        ],
    }
    volumes = [
        {"name": "config", "configMap": {"name": _of(name)}},
        *([CREDENTIALS_VOLUME] if book.account_key else []),
    ]
    yield _deployment(_of(name), container, OBSERVER_PORT, volumes)
    yield _service(_of(name), OBSERVER_PORT)


def _watch(region: str, image: str) -> Iterator[Yaml]:
    """Journals outlive the pod where the volume does; a copy is in the standby's domain in any case."""
    container = {
        "name": "watch",
        "image": image,
        "args": list(watch_command(f"{_JOURNALS}/secondsite.yaml", region, Endpoint(_ANYWHERE, PAGE_PORT))),
        "envFrom": [{"secretRef": {"name": SECRET}}],
        "volumeMounts": [
            {"name": "journals", "mountPath": _JOURNALS},
            {"name": "config", "mountPath": f"{_JOURNALS}/secondsite.yaml", "subPath": "secondsite.yaml"},
        ],
    }
    volumes = [{"name": "journals", "emptyDir": {}}, {"name": "config", "configMap": {"name": WATCH}}]
    yield _deployment(WATCH, container, PAGE_PORT, volumes)
    yield _service(WATCH, PAGE_PORT)


def _judge(by: JudgedBy, region: str, image: str) -> Iterator[Yaml]:
    """By itself, not with the watch: applied before there is one, and for a game day."""
    token = {"secretKeyRef": {"name": SECRET, "key": "SECONDSITE_WATCH_TOKEN"}}
    container = {
        "name": "judge",
        "image": image,
        "args": list(judge_command(by, region, Endpoint(_ANYWHERE, PAGE_PORT))),
        "env": [{"name": "SECONDSITE_WATCH_TOKEN", "valueFrom": token}],
    }
    yield _deployment(JUDGE, container, PAGE_PORT, [])
    yield _service(JUDGE, PAGE_PORT)


def _deployment(name: str, container: Yaml, port: int, volumes: Sequence[Yaml]) -> Yaml:
    label = {"app.kubernetes.io/name": name}
    alive = {"httpGet": {"path": "/alive", "port": port}, "initialDelaySeconds": 15, "periodSeconds": 10}
    secure = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NONROOT_UID,
            "fsGroup": _NONROOT_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {**container, "ports": [{"containerPort": port}], "livenessProbe": alive, "securityContext": secure}
        ],
        "volumes": list(volumes),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": label},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},  # two of one name are one watch too many
            "selector": {"matchLabels": label},
            "template": {"metadata": {"labels": label}, "spec": pod},
        },
    }


def _service(name: str, port: int) -> Yaml:
    selector = {"app.kubernetes.io/name": name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": selector},
        "spec": {"selector": selector, "ports": [{"port": port}]},
    }


def _kustomization(
    resources: Sequence[str], configs: Sequence[Yaml], book: DeployedAddresses, servers: Sequence[NatsServer]
) -> Yaml:
    """In the servers' namespace, where the Secret with the logins is."""
    namespace = book.namespace(servers[0].cluster)
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **({"namespace": namespace} if namespace else {}),
        "resources": list(resources),
        **({"configMapGenerator": list(configs)} if configs else {}),
        "generatorOptions": {"disableNameSuffixHash": True},
    }


def _of(name: str) -> str:
    return f"secondsite-observer-{name}"


def _text(*contents: Yaml) -> str:
    return "# Written by `secondsite render`.\n" + "---\n".join(yaml_text(content) for content in contents)
