"""The records that are rendered are those that a drill's name server answers with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from ruamel.yaml import YAML

from secondsite.catalogue.bundle import load_catalogue
from secondsite.drill.play.profile import profile, with_profile
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.options import LabOptions
from secondsite.lab.services import LabProcesses
from secondsite.model.deployment import Deployment
from secondsite.publish.deploy.dns import TERRAFORM, dns_files
from secondsite.publish.deploy.tree import files
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.service_records import RoutingPolicy, service_records

LaidOut = Callable[[str], Deployment]
LEAF, RECORD = "warm-standby/leafnode-mirror", "warm-standby/leafnode-mirror/failover-record"
BOTH = "active-active/stretch/weighted"
HOME, AWAY = "us-east-1", "us-west-2"


def _terraform(deployment: Deployment) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = json.loads(dns_files(deployment)[TERRAFORM])
    return plain


def _resources(deployment: Deployment, kind: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _terraform(deployment)["resource"].get(kind, {})
    return found


def _in_the_lab(deployment: Deployment, folder: Path) -> Mapping[str, Any]:
    """What a drill's name server is started with."""
    regions = tuple(dict.fromkeys(site.region.name for site in deployment.sites))
    processes = LabProcesses(deployment, LabAddresses(0, regions, str(folder)), LabOptions(), folder, {}, {}, "")
    processes._dns()
    plain: Mapping[str, Any] = json.loads((folder / "dns.json").read_text())
    return plain


def test_failover_records_have_a_check_each(laid_out: LaidOut) -> None:
    deployment = laid_out(RECORD)
    traffic = deployment.traffic
    records, checks = (_resources(deployment, f"aws_route53_{kind}") for kind in ("record", "health_check"))
    policies = {region: record["failover_routing_policy"]["type"] for region, record in records.items()}
    assert policies == {HOME: "PRIMARY", AWAY: "SECONDARY"}
    for region, record in records.items():
        assert (record["name"], record["ttl"]) == (traffic.host, traffic.ttl_s)
        assert record["health_check_id"] == f"${{aws_route53_health_check.{region}.id}}"
        assert record["records"] == f'${{var.addresses["{region}"]}}'
    told = {region: (each["resource_path"], each["request_interval"]) for region, each in checks.items()}
    assert told == {HOME: ("/health/writes", 10), AWAY: ("/health", 10)}
    assert {each["failure_threshold"] for each in checks.values()} == {traffic.check_threshold}


def test_weighted_records_are_equal(laid_out: LaidOut) -> None:
    records = _resources(laid_out(BOTH), "aws_route53_record")
    assert {region: each["weighted_routing_policy"] for region, each in records.items()} == {
        HOME: {"weight": 1},
        AWAY: {"weight": 1},
    }


def test_a_record_that_somebody_changes_is_plain(laid_out: LaidOut) -> None:
    deployment = laid_out(LEAF)
    (record,) = _resources(deployment, "aws_route53_record").values()
    assert record["ttl"] == 60
    assert not _resources(deployment, "aws_route53_health_check")
    (path,) = [path for path in dns_files(deployment) if path.endswith(".yaml")]
    name, _, zone = deployment.traffic.host.partition(".")
    assert path == f"dns/octodns/{zone}.yaml"
    assert YAML(typ="safe").load(dns_files(deployment)[path]) == {
        name: {"type": "A", "ttl": 60, "values": ["ADDRESS_OF_US_EAST_1"]}
    }


@pytest.mark.parametrize("strategy", [LEAF, RECORD, BOTH, "warm-standby/stretch/failover-record"])
def test_what_the_lab_answers_with_is_what_ships(strategy: str, laid_out: LaidOut, tmp_path: Path) -> None:
    """Names, TTL, order, paths and thresholds; a quick drill checks more often, and says so."""
    deployment = laid_out(strategy)
    wanted, lab = service_records(deployment), _in_the_lab(deployment, tmp_path)
    gateway = LabAddresses(0, (HOME, AWAY), "").gateway
    if wanted.kind is RoutingPolicy.PLAIN:
        assert lab["checked"] == {}
        (record,) = lab["records"].values()
        assert record == {"ttl_s": wanted.ttl_s, "addresses": [gateway(each.region).host for each in wanted.records]}
        return
    (checked,) = lab["checked"].values()
    rendered = _resources(deployment, "aws_route53_health_check")
    assert (checked["ttl_s"], checked["one"]) == (wanted.ttl_s, wanted.kind is RoutingPolicy.FAILOVER)
    started = {each["at"][0]: (each["path"], each["interval_s"], each["threshold"]) for each in checked["addresses"]}
    shipped = {
        gateway(region).host: (each["resource_path"], each["request_interval"], each["failure_threshold"])
        for region, each in rendered.items()
    }
    assert started == shipped
    assert list(started) == [gateway(each.region).host for each in wanted.records]
    quick = with_profile(deployment, profile("quick", deployment, load_catalogue().figures))
    assert {each.check and each.check.interval_s for each in service_records(quick).records} == {1.0}


def test_without_a_name_there_is_no_record(laid_out: LaidOut) -> None:
    deployment = laid_out(RECORD)
    assert dns_files(evolve(deployment, traffic=evolve(deployment.traffic, host=""))) == {}


def test_the_readme_says_what_the_path_of_the_first_check_has_to_tell(laid_out: LaidOut) -> None:
    deployment = laid_out(RECORD)
    made = files(deployment, DeployedAddresses(deployment.system.services, "nats.example.com"), "render", "image:1")
    readme = " ".join(made["README.md"].split())
    assert TERRAFORM in made
    assert "`/health/writes` with 200 only while its region accepts writes" in readme
