"""The service's records and their health checks, for Route 53 by Terraform or OpenTofu; a plain one for octoDNS, too.

They are the very records that a drill's name server answers with. Addresses are yours: nobody knows them before the
regions' gateways run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from secondsite.model.deployment import Deployment
from secondsite.publish.text.yaml_text import yaml_text
from secondsite.strategies.service_records import (
    RecordCheck,
    RoutingPolicy,
    ServiceRecord,
    ServiceRecords,
    service_records,
)

TERRAFORM = "dns/route53.tf.json"
_FAST_S, _SLOW_S = 10, 30
"""Route 53 checks every 10 or 30 seconds."""


def dns_files(deployment: Deployment) -> Mapping[str, str]:
    """None where nobody knows the service's name."""
    wanted = service_records(deployment)
    if not wanted.host:
        return {}
    rendered = {TERRAFORM: json.dumps(_terraform(wanted), indent=2) + "\n"}
    if wanted.kind is RoutingPolicy.PLAIN:
        rendered[octodns_file(wanted)] = yaml_text(_octodns(wanted))
    return rendered


def octodns_file(wanted: ServiceRecords) -> str:
    return f"dns/octodns/{_zone(wanted.host)}.yaml"


def address_of(region: str) -> str:
    """What stands in the zone file until it is replaced by an address; octoDNS refuses it as it is."""
    return f"ADDRESS_OF_{region.upper().replace('-', '_')}"


def _zone(host: str) -> str:
    """The parent of the name; where yours is another one, move the record there."""
    return host.partition(".")[2] or host


def _octodns(wanted: ServiceRecords) -> dict[str, Any]:
    values = [address_of(record.region) for record in wanted.records]
    return {wanted.host.partition(".")[0]: {"type": "A", "ttl": round(wanted.ttl_s), "values": values}}


def _terraform(wanted: ServiceRecords) -> dict[str, Any]:
    checks = {
        record.region: _check(wanted.host, record.region, record.check) for record in wanted.records if record.check
    }
    if wanted.kind is RoutingPolicy.PLAIN:
        records = {"service": {**_record(wanted), "records": "${flatten(values(var.addresses))}"}}
    else:
        records = {record.region: _checked(wanted, record) for record in wanted.records}
    return {
        "variable": {
            "zone_id": {"type": "string", "description": f"the hosted zone of {wanted.host}"},
            "addresses": {
                "type": "map(list(string))",
                "description": "IPv4 addresses of the gateway in " + ", ".join(each.region for each in wanted.records),
            },
        },
        "resource": {
            **({"aws_route53_health_check": checks} if checks else {}),
            "aws_route53_record": records,
        },
    }


def _record(wanted: ServiceRecords) -> dict[str, Any]:
    return {"zone_id": "${var.zone_id}", "name": wanted.host, "type": "A", "ttl": round(wanted.ttl_s)}


def _checked(wanted: ServiceRecords, record: ServiceRecord) -> dict[str, Any]:
    policy: dict[str, Any]
    if wanted.kind is RoutingPolicy.FAILOVER:
        policy = {"failover_routing_policy": {"type": "PRIMARY" if record.primary else "SECONDARY"}}
    else:
        policy = {"weighted_routing_policy": {"weight": 1}}
    return {
        **_record(wanted),
        "records": f'${{var.addresses["{record.region}"]}}',
        "set_identifier": record.region,
        **policy,
        "health_check_id": f"${{aws_route53_health_check.{record.region}.id}}",
    }


def _check(host: str, region: str, check: RecordCheck) -> dict[str, Any]:
    return {
        "type": "HTTPS",
        "fqdn": host,
        "ip_address": f'${{var.addresses["{region}"][0]}}',
        "port": 443,
        "resource_path": check.path,
        "request_interval": _SLOW_S if check.interval_s >= _SLOW_S else _FAST_S,
        "failure_threshold": check.threshold,
    }
