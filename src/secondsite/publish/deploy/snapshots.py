"""What saves a store that follows no other, and what loads it in the region that waits: what a drill starts, too.

The bucket lies in the other region. No file holds its keys: they come from a Secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from secondsite.backup.pod import PodSpec, pod
from secondsite.model.deployment import Deployment
from secondsite.model.service import Service
from secondsite.operate.shell import word
from secondsite.publish.deploy.deploy_step import DeployStep
from secondsite.publish.deploy.texts import file_name
from secondsite.publish.text.markdown import Md, code, fence, text
from secondsite.publish.text.yaml_text import yaml_text
from secondsite.strategies.snapshots import (
    QDRANT_PORT,
    follower,
    load_arguments,
    loaded_stores,
    save_arguments,
    save_every_s,
    saved_stores,
    saver,
    snapshots_url,
)
from secondsite.strategies.stores import StoreReplica

_HEAD = "# Written by `secondsite render`.\n"


def snapshot_files(deployment: Deployment, image: str) -> Mapping[str, str]:
    """By path; none where no store is saved so."""
    return dict(_files(deployment, image))


def snapshot_steps(deployment: Deployment) -> Iterator[DeployStep]:
    loaded = {each.store.name for each in loaded_stores(deployment)}
    for replica, service in _saved(deployment):
        home, away = (f"kubectl --context {word(one)} -n {word(service.namespace)}" for one in _regions(replica))
        first, second = (f"./{path}" for path in _paths(replica))
        lines = [f"{home} apply -f {word(first)}"]
        lines += [f"{away} apply -f {word(second)}"] if replica.store.name in loaded else []
        name, url = text(replica.store.name), snapshots_url(replica, deployment.system.name)
        about = (
            f"No server follows {name} in another region: a snapshot is saved every {save_every_s(deployment):g} s, "
            f"to {code(url)}. The Secret {code(_secret(service))}, in both regions, holds the keys of that bucket."
        )
        if replica.store.name in loaded:
            about += (
                f" {text(replica.standby)} loads each, until a failover: scale {code(follower(service))} to 0 before "
                "clients come."
            )
        check = Md(f"{code(f'{home} logs deployment/{saver(service)}')} counts the points of each collection")
        yield DeployStep(Md(f"Save snapshots of {name} to {text(replica.standby)}"), Md(about), fence(lines), check)


def _files(deployment: Deployment, image: str) -> Iterator[tuple[str, str]]:
    loaded = {each.store.name for each in loaded_stores(deployment)}
    for replica, service in _saved(deployment):
        server = f"http://{service.object_name}:{QDRANT_PORT}"
        url, every_s = snapshots_url(replica, deployment.system.name), save_every_s(deployment)
        first, second = _paths(replica)
        yield first, _HEAD + yaml_text(_runs(saver(service), service, image, save_arguments(server, url, every_s)))
        if replica.store.name in loaded:
            words = load_arguments(server, url, every_s)
            yield second, _HEAD + yaml_text(_runs(follower(service), service, image, words))


def _saved(deployment: Deployment) -> Iterator[tuple[StoreReplica, Service]]:
    for replica in saved_stores(deployment):
        if service := deployment.system.service(replica.store.service):
            yield replica, service


def _paths(replica: StoreReplica) -> tuple[str, str]:
    label = file_name(replica.store.name)
    home, away = (f"{file_name(region)}/stores/{label}" for region in _regions(replica))
    return f"{home}.save.yaml", f"{away}.follow.yaml"


def _regions(replica: StoreReplica) -> tuple[str, str]:
    return replica.primary, replica.standby


def _secret(service: Service) -> str:
    return f"{service.object_name}-snapshots"


def _runs(name: str, service: Service, image: str, words: tuple[str, ...]) -> dict[str, Any]:
    """One of it, as two would load beside each other; a snapshot passes through a folder of its own."""
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "secondsite"}
    spec = pod(PodSpec(words[0], image, words[1:], environment_secret=_secret(service)))
    spec["volumes"] = [*spec.get("volumes", ()), {"name": "aside", "emptyDir": {}}]
    spec["containers"][0]["volumeMounts"] = [{"name": "aside", "mountPath": "/tmp"}]  # noqa: S108 - the pod's own
    spec["terminationGracePeriodSeconds"] = 600
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": service.namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {"metadata": {"labels": dict(labels)}, "spec": spec},
        },
    }
