"""The rendered NetworkPolicies: who reaches which port of a server's pod."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ruamel.yaml import YAML

from secondsite.model.deployment import Deployment
from secondsite.publish.deploy.kubernetes import kubernetes_files
from secondsite.publish.deploy.network_policy import LABEL
from secondsite.strategies.deployed_addresses import DeployedAddresses

FILE = "us-east-1/kubernetes/nats.network-policy.yaml"


def policy(deployment: Deployment) -> Mapping[str, Any]:
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    found: Mapping[str, Any] = YAML(typ="safe").load(kubernetes_files(deployment, book, "image")[FILE])
    return found


def reached(found: Mapping[str, Any], port: int, labels: Mapping[str, str]) -> bool:
    """As the Kubernetes documentation tells the rules: one that lists nobody lets everybody in."""

    def matches(rule: Mapping[str, Any]) -> bool:
        ports = any(each["port"] <= port <= each.get("endPort", each["port"]) for each in rule["ports"])
        peers = rule.get("from", [{"podSelector": {}}])
        wanted = [peer["podSelector"].get("matchLabels", {}) for peer in peers]
        return ports and any(each.items() <= labels.items() for each in wanted)

    return any(matches(rule) for rule in found["spec"]["ingress"])


@pytest.mark.parametrize(
    ("strategy", "outside"),
    [
        ("warm-standby/leafnode-mirror", set()),
        ("warm-standby/supercluster-mirror", {7222}),
        ("warm-standby/stretch", {6222}),
    ],
)
def test_a_stranger_reaches_no_port_of_the_servers_own(
    strategy: str, outside: set[int], laid_out: Callable[[str], Deployment]
) -> None:
    found = policy(laid_out(strategy))
    own, stranger = {LABEL: "nats", "app": "nats"}, {"app": "api"}
    assert {port for port in (6222, 7222, 8222) if reached(found, port, stranger)} == outside
    assert all(reached(found, port, own) for port in (6222, 7222, 8222))
    assert all(reached(found, port, stranger) for port in (1, 4222, 7422, 7777, 8221, 8223, 65535))


def test_it_selects_the_pods_that_the_patch_labels(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("warm-standby/leafnode-mirror")
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    texts = kubernetes_files(deployment, book, "image")
    patch = YAML(typ="safe").load(texts["us-east-1/kubernetes/nats.patch.yaml"])
    labels = patch["spec"]["template"]["metadata"]["labels"]
    assert policy(deployment)["spec"]["podSelector"] == {"matchLabels": labels}
