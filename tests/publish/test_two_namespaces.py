"""Two workloads of one name in two namespaces: an object has its own name, and a label in the system beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import case
from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import read_system
from secondsite.discover.system_file.updating import plan
from secondsite.model.deployment import Deployment
from secondsite.model.strategy import Strategy
from secondsite.operate.shell import scaled
from secondsite.publish.deploy.tree import files
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    """By way of the file, as everything is."""
    update = plan(Path("never-written.yaml"), case("B8-two-namespaces").system, live=False)
    kit = Kit.of(read_system(update.after, "written"), load_catalogue(None))
    return lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)


def test_what_is_rendered_names_the_objects(deployment: Deployment) -> None:
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    texts = files(deployment, book, "secondsite render", "secondsite:1")
    patches = {path: text for path, text in texts.items() if path.endswith(".patch.yaml") and "gate" not in path}
    assert {"us-east-1/kubernetes/nats.patch.yaml", "us-east-1/kubernetes/production-nats.patch.yaml"} <= set(patches)
    assert all("metadata:\n  name: nats\n" in text for text in patches.values())
    kustomization = texts["us-east-1/kustomization.yaml"]
    for namespace, label in (("staging", "nats"), ("production", "production-nats")):
        assert f"namespace: {namespace}\n    files:\n      - nats-0.conf=nats/{label}-0.conf" in kustomization
    assert "production/nats-0" not in "".join(texts.values())
    hosts = "".join(texts.values())
    assert "production-nats-0.us-east-1.nats.example.com" in hosts  # two servers are not one name
    assert "nats-0.nats.production.svc.cluster.local" in hosts


def test_a_command_names_object_and_namespace_apart(deployment: Deployment) -> None:
    commands = [scaled("west", service, 3) for service in deployment.system.services]
    assert [command.split("-n ", 1)[1] for command in commands] == [
        "staging scale statefulset/nats --replicas=3",
        "production scale statefulset/nats --replicas=3",
    ]
