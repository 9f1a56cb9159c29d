"""What runs in a Kubernetes cluster has no right there: no token, no root, nothing that it may write to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attrs import evolve
from ruamel.yaml import YAML

from secondsite.archive.manifests import ArchiverSpec
from secondsite.archive.manifests import deployment as archiver_deployment
from secondsite.backup.cronjob import CronJobSpec, cron_job
from secondsite.backup.pod import PodSpec
from secondsite.model.deployment import Deployment
from secondsite.model.operate import Operate, Writers
from secondsite.model.strategy import Strategy
from secondsite.publish.deploy.kubernetes import kubernetes_files
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit


@pytest.fixture(params=["agent", "backup", "archive"])
def pod(request: pytest.FixtureRequest, laid_out: Callable[[str], Deployment]) -> Mapping[str, Any]:
    if request.param == "backup":
        spec = CronJobSpec("backup", "nats", "image", 3600, ("--to", "s3://b"), service_account="backup")
        job: Mapping[str, Any] = cron_job(spec)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        return job
    if request.param == "archive":
        archiver = ArchiverSpec("archive", "nats", PodSpec("archive", "image", ("--to", "s3://b")))
        shipping: Mapping[str, Any] = archiver_deployment(archiver)["spec"]["template"]["spec"]
        return shipping
    deployment = laid_out("warm-standby/leafnode-mirror")
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    text = kubernetes_files(deployment, book, "image")["us-west-2/agent/deployment.yaml"]
    found: Mapping[str, Any] = YAML(typ="safe").load(text)["spec"]["template"]["spec"]
    return found


def test_it_has_no_token_of_the_cluster(pod: Mapping[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False


def test_it_is_nobody_and_may_become_nobody_else(pod: Mapping[str, Any]) -> None:
    """What the profile «restricted» of the Pod Security Standards asks."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_it_mounts_nothing_of_the_machine(pod: Mapping[str, Any]) -> None:
    kinds = {kind for volume in pod.get("volumes", ()) for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "secret", "emptyDir"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


@pytest.mark.parametrize("writers", list(Writers))
def test_servers_and_gates_have_no_token_either(kit: Kit, writers: Writers) -> None:
    """Every patch of a StatefulSet says so, whichever of them is applied."""
    deployment = lay_out(
        Strategy.parse("warm-standby/leafnode-mirror"),
        evolve(kit, system=evolve(kit.system, operate=Operate(writers=writers))),
    )
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    texts = kubernetes_files(deployment, book, "image")
    patches = [YAML(typ="safe").load(text) for path, text in texts.items() if path.endswith(".patch.yaml")]
    assert len(patches) == (4 if writers is Writers.ONE else 3)  # with one, the other region's server as well
    assert all(patch["spec"]["template"]["spec"]["automountServiceAccountToken"] is False for patch in patches)
