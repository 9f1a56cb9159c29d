"""What the file says to somebody who opens it for the first time."""

from __future__ import annotations

from collections.abc import Mapping

HEADER = """\
# What runs today, and what is promised. secondsite works from this file alone: edit it freely.
#
#   # read FILE:LINE    found there; `secondsite init` keeps it up to date
#   # assumed: WHY      not known from any source: check it, then delete the comment or change the value
#   no such comment     written by a person; `secondsite init` leaves it alone
#
# Durations are written 90s, 5m, 1h30m, 7d; sizes 512Mi, 10Gi; cores 250m, 2. What is left out has its default.
"""

EDITORS = "# yaml-language-server: $schema=.secondsite/secondsite.schema.json"
"""Editors check the file with the schema at this path, which is relative to the file."""

# Stands above a section of the file.
SECTIONS: Mapping[str, str] = {
    "region": "Where it runs. A region fails as a unit.",
    "second": "Where a second site may stand (and a third, for a vote).",
    "contracts": (
        "What is promised after a fault: when the service is back (rto), what may be lost (rpo), and how surely.\n"
        "subject: api, nats (or nats/STREAM), state (or state/STORE), observability. "
        "fault: process, node, zone, region, deletion, ..."
    ),
    "traffic": "How clients find the service, and what detects that it is down.",
    "load": "How much load it has to carry.",
    "users": "Where its users are; the shares sum to 1.",
    "economics": "What an outage costs, what people cost, and the budget; US dollars.",
    "premises": (
        "Places that are not a cloud region: their own prices and round trips; "
        "`like` names the cloud region that supplies the rest."
    ),
    "services": "Every workload. Details of NATS, stores, gateways and backups are below.",
    "nats": "NATS clusters, and the streams and consumers on them.",
    "stores": "Data outside NATS. loss: `data` is gone for good, a `cache` refills itself.",
    "secrets": "Names and keys only, never values. store: the external store it comes from.",
    "gateways": "Where requests of clients arrive.",
    "external_services": (
        "Third-party services that your services call: payments, metering, mail. A failover does not move them.\n"
        "allow_list: it accepts listed addresses only. webhooks: it calls you back. fallback: what you do without it."
    ),
    "backups": "content: what can be restored from it. where: the smallest failure that also destroys the backup.",
    "alerts": "Alerting rules that guard a contract.",
    "waivers": "Hazards that somebody has reviewed and accepted.",
}

# Stands in place of a section of which nothing is known.
EXAMPLES: Mapping[str, str] = {
    "second": "second: {provider: aws, name: eu-west-1}",
    "contracts": (
        "contracts:\n"
        "  - {subject: api, fault: region, rto: 5m, rpo: 1m, confidence: 0.9}\n"
        "  - {subject: nats, fault: region, rto: 15m, rpo: 5m}\n"
        "  - {subject: state, fault: region, rto: 30m, rpo: 1h}"
    ),
    "traffic": "traffic:\n  host: api.example.com\n  ttl: 60s\n  automatic: false",
    "load": "load:\n  mean_per_s: 40\n  peak_per_s: 478\n  message: 1Ki",
    "users": "users:\n  - {region: us-east-1, share: 0.7}\n  - {region: eu-west-1, share: 0.3}",
    "economics": "economics:\n  outage_usd_per_hour: 5000\n  engineer_usd_per_hour: 100\n  budget_usd_per_month: 900",
    "waivers": "waivers:\n  - rule: RULE-ID\n    reason: why it is accepted, by whom, until when",
}


def commented(text: str) -> list[str]:
    return [f"# {line}" for line in text.splitlines()]
