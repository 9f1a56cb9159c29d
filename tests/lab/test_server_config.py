"""The configuration that is deployed: taken by real servers, and no way between regions but the named one."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from secondsite.lab.addresses import LabAddresses
from secondsite.lab.gates import Gates
from secondsite.lab.meta import meta_groups
from secondsite.lab.nats_binary import find
from secondsite.model.deployment import Deployment
from secondsite.model.strategy import Link
from secondsite.strategies.registry import STRATEGIES
from secondsite.strategies.server_config import GATEWAY_PORT, ROUTE_PORT, Login, NatsServer, server_configs, servers_of
from secondsite.strategies.write_gate import gated_subjects

LOGIN = Login("one", "secret")
RUNNABLE = [strategy.id for strategy in STRATEGIES if strategy.link is not Link.MANAGED]


def book(deployment: Deployment, folder: str = "/stores") -> LabAddresses:
    regions = tuple(dict.fromkeys([site.region.name for site in deployment.sites]))
    return LabAddresses(0, regions, folder)


@pytest.mark.parametrize("strategy", RUNNABLE)
def test_servers_take_it(strategy: str, laid_out: Callable[[str], Deployment], tmp_path: Path) -> None:
    deployment = laid_out(strategy)
    configs = server_configs(deployment, book(deployment, str(tmp_path)))
    assert set(configs) == {server.name for server in servers_of(deployment)}
    for is_open in (True, False):
        for site in deployment.sites:
            Gates(deployment, tmp_path, lambda _region: "", LOGIN).set(site.region.name, is_open=is_open)
        for name, text in configs.items():
            path = tmp_path / "nats" / f"{name}.conf"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            done = subprocess.run([find("2.15.1"), "-t", "-c", path], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("strategy", RUNNABLE)
def test_only_a_primary_that_is_mirrored_starts_behind_a_gate(
    strategy: str, laid_out: Callable[[str], Deployment]
) -> None:
    deployment = laid_out(strategy)
    texts = server_configs(deployment, book(deployment))
    gated = {server.region for server in servers_of(deployment) if "include" in texts[server.name]}
    assert gated == ({"us-east-1"} if "mirror" in strategy else set())
    if gated:
        assert {"events.>", "kgent.>"} <= set(gated_subjects(deployment, "us-east-1"))


@pytest.mark.parametrize("strategy", RUNNABLE)
def test_names_no_address_of_another_region(strategy: str, laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out(strategy)
    addresses = book(deployment)
    for server in servers_of(deployment):
        text = server_configs(deployment, addresses)[server.name]
        networks = {".".join(found.split(".")[:2]) for found in re.findall(r"127(?:\.\d+){3}", text)}
        assert networks == {addresses.network(server.region)}


def test_leaf_link_denies_every_subject(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("warm-standby/leafnode-mirror")
    text = server_configs(deployment, book(deployment))["nats-us-west-2-0"]
    for which in ("deny_imports", "deny_exports"):
        denied = re.search(which + r": \[(.*?)\]", text, re.DOTALL)
        assert denied
        assert {"events.>", "kgent.>"} <= set(re.findall(r'"(.*?)"', denied[1]))
    assert "remotes" not in server_configs(deployment, book(deployment))["nats-0"]


@pytest.mark.parametrize("link", ["leafnode-mirror", "supercluster-mirror", "supercluster-mirror-witness"])
def test_a_server_names_every_server_it_votes_with(link: str, laid_out: Callable[[str], Deployment]) -> None:
    """A new JetStream group is as large as routes and gateway URLs say; one short, and a region elects alone."""
    deployment = laid_out(f"warm-standby/{link}")
    configs = server_configs(deployment, book(deployment))
    for group in meta_groups(servers_of(deployment)):
        for server in group:
            named = re.findall(rf'"nats://(?:\w+:\w+@)?([^"@]+:(?:{ROUTE_PORT}|{GATEWAY_PORT}))"', configs[server.name])
            assert len(set(named)) == len(named) == len(group)


def dialled_regions(deployment: Deployment, text: str, server: NatsServer) -> set[str]:
    """Other regions that the configuration names an address of."""
    addresses = book(deployment)
    others = [each for each in servers_of(deployment) if each.region != server.region]
    return {each.region for each in others if addresses.reached_from(server.region, each) in text}


def test_a_route_between_regions_is_dialled_from_one_side(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("warm-standby/stretch")
    configs = server_configs(deployment, book(deployment))
    pairs = [
        frozenset({server.region, region})
        for server in servers_of(deployment)
        for region in dialled_regions(deployment, configs[server.name], server)
    ]
    assert len(pairs) == len(set(pairs)) == 3


@pytest.mark.parametrize("link", ["leafnode-mirror", "supercluster-mirror", "stretch"])
def test_an_isolated_region_has_no_way_out_or_in(link: str, laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out(f"warm-standby/{link}")
    addresses = book(deployment)
    joined = server_configs(deployment, addresses)
    lost = [server for server in servers_of(deployment) if server.region == "us-west-2"]
    alone = server_configs(deployment, addresses, isolated=frozenset({"us-west-2"}))
    for server in lost:
        assert dialled_regions(deployment, joined[server.name], server)
        assert not dialled_regions(deployment, alone[server.name], server)
        assert not re.search(r"leafnodes|gateway \{", alone[server.name])
