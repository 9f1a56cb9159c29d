"""Moving one record, at Route 53 and at Cloudflare, as commands that can be typed; nothing secret is in them."""

from __future__ import annotations

import json

from attrs import frozen

from secondsite.model.deployment import Deployment
from secondsite.model.traffic import Traffic
from secondsite.operate.shell import word
from secondsite.strategies.service_records import RoutingPolicy, ServiceRecords, service_records


@frozen
class DnsSteps:
    """``look`` reads, ``change`` writes ``$TARGET``, ``check`` shows that it was taken."""

    provider: str
    needs: tuple[str, ...]
    look: tuple[str, ...]
    change: tuple[str, ...]
    check: tuple[str, ...]


def steps_for(deployment: Deployment) -> tuple[DnsSteps, ...]:
    """How a person moves clients; none where nobody knows the name that they use."""
    wanted = service_records(deployment)
    if not wanted.host:
        return ()
    return dns_steps(deployment.traffic) if wanted.kind is RoutingPolicy.PLAIN else (_checked(wanted),)


def _checked(wanted: ServiceRecords) -> DnsSteps:
    """Records with health checks move clients by themselves, and beside them Route 53 takes no plain record.

    What forces them can only make a check fail: inverting it would lead clients back to a region that is down.
    """
    home = next(record.region for record in wanted.records if record.primary)
    listed = 'aws route53 list-resource-record-sets --hosted-zone-id "$ZONE_ID"'
    named = f"Name==`{_dotted(wanted.host)}`"
    sets = f"ResourceRecordSets[?{named}].[SetIdentifier, Failover, Weight, HealthCheckId]"
    mine = f"ResourceRecordSets[?{named} && SetIdentifier==`{home}`].HealthCheckId | [0]"
    return DnsSteps(
        "Route 53, records with health checks",
        (
            "ZONE_ID: the hosted zone",
            f"HEALTH_CHECK_ID: the check of {home}, set below; changing it needs route53:UpdateHealthCheck",
        ),
        (
            f"{listed} --query {word(sets)}",
            f"HEALTH_CHECK_ID=$({listed} --query {word(mine)} --output text)",
            'aws route53 get-health-check-status --health-check-id "$HEALTH_CHECK_ID" '
            "--query 'HealthCheckObservations[].StatusReport.Status'",
        ),
        (
            "# only if that check still passes: check a port on which nothing listens",
            "# (at the failback, to lead clients back: the same with --port 443)",
            'aws route53 update-health-check --health-check-id "$HEALTH_CHECK_ID" --port 9',
        ),
        (_answers(wanted.host),),
    )


def dns_steps(traffic: Traffic) -> tuple[DnsSteps, ...]:
    host = traffic.host or "service.example.com"
    return (_route53(host, traffic), _cloudflare(host, traffic))


def _route53(host: str, traffic: Traffic) -> DnsSteps:
    batch = {
        "Changes": [
            {
                "Action": "UPSERT",
                "ResourceRecordSet": {
                    "Name": host,
                    "Type": "CNAME",
                    "TTL": round(traffic.ttl_s),
                    "ResourceRecords": [{"Value": "$TARGET"}],
                },
            }
        ]
    }
    show = 'aws route53 list-resource-record-sets --hosted-zone-id "$ZONE_ID"'
    return DnsSteps(
        "Route 53",
        ("ZONE_ID: the hosted zone", "TARGET: the load balancer's name in the region to serve"),
        (f"{show} --query {word(f'ResourceRecordSets[?Name==`{_dotted(host)}`]')}",),
        (
            f"envsubst '$TARGET' > change.json <<'JSON'\n{json.dumps(batch, indent=1)}\nJSON",
            'CHANGE=$(aws route53 change-resource-record-sets --hosted-zone-id "$ZONE_ID" '
            "--change-batch file://change.json --query ChangeInfo.Id --output text)",
        ),
        (
            'aws route53 wait resource-record-sets-changed --id "$CHANGE"',
            _answers(host),
        ),
    )


def _cloudflare(host: str, traffic: Traffic) -> DnsSteps:
    api = '"https://api.cloudflare.com/client/v4/zones/$ZONE_ID/dns_records'
    authorised = '-H "Authorization: Bearer $CLOUDFLARE_API_TOKEN"'
    by_name = f"-G --data-urlencode name={word(host)}"
    as_json = "-H 'Content-Type: application/json' --data @-"
    body = f"jq -n --arg to \"$TARGET\" '{{content: $to, ttl: {max(60, round(traffic.ttl_s))}, proxied: false}}'"
    return DnsSteps(
        "Cloudflare",
        (
            "ZONE_ID: the zone",
            "TARGET: the load balancer's name in the region to serve",
            "CLOUDFLARE_API_TOKEN: may edit DNS of this zone, and nothing else",
        ),
        (
            f"RECORD_ID=$(curl -fsS {authorised} {by_name} {api}\" | jq -r '.result[0].id')",
            f"curl -fsS {authorised} {api}/$RECORD_ID\" | jq '.result | {{name, type, content, ttl, proxied}}'",
        ),
        (f'{body} | curl -fsS -X PATCH {authorised} {as_json} {api}/$RECORD_ID" | jq -e .success',),
        (_answers(host),),
    )


def _answers(host: str) -> str:
    return f"for ns in $(dig +short NS {word(_zone(host))}); do dig +noall +answer {word(host)} @$ns; done"


def _dotted(host: str) -> str:
    return host if host.endswith(".") else f"{host}."


def _zone(host: str) -> str:
    """The last two labels: good enough to ask for its servers; a deeper zone answers the same."""
    return ".".join(host.rstrip(".").split(".")[-2:])
