"""What the file says to somebody who opens it for the first time."""

from __future__ import annotations

from collections.abc import Mapping

HEADER = """\
# What runs today, and what is promised. secondsite reads nothing but this file: correct it freely.
#
#   # read FILE:LINE    found there; `secondsite init` keeps it up to date
#   # assumed: WHY      nobody knows yet: check it, then delete the comment or change the value
#   no such comment     written by a person; `secondsite init` leaves it alone
#
# Durations are written 90s, 5m, 1h30m, 7d; sizes 512Mi, 10Gi; cores 250m, 2. What is left out has its default.
"""

# Stands above a section of the file.
SECTIONS: Mapping[str, str] = {
    "region": "Where it runs. A region is what fails as one.",
    "second": "Where a second site may stand (and a third, for a vote).",
    "contracts": (
        "What is promised: after which fault the service (rto) and the data (rpo) are back, and how surely.\n"
        "subject: api, nats (or nats/STREAM), state (or state/STORE), observability. "
        "fault: process, node, zone, region, deletion, ..."
    ),
    "traffic": "How clients find the service, and who notices that it is gone.",
    "load": "How much load it has to carry.",
    "users": "From where it is used; the shares sum to 1.",
    "economics": "What failing costs, what people cost, what may be spent; US dollars.",
    "premises": (
        "Places that are not a cloud region: their own prices and round trips; "
        "`like` names the cloud region that supplies the rest."
    ),
    "services": "Every workload. What makes one special stands below: nats, stores, gateways, backups.",
    "nats": "NATS clusters, and the streams and consumers on them.",
    "stores": "Data outside NATS. loss: `data` is gone for good, a `cache` refills itself.",
    "secrets": "Names and keys only, never values. store: the external store it comes from.",
    "gateways": "What clients reach first.",
    "external_services": (
        "Services of others that yours call: payments, metering, mail. A failover does not move them.\n"
        "allow_list: it accepts listed addresses only. webhooks: it calls you back. fallback: what you do without it."
    ),
    "backups": "content: what one could get back. where: the smallest failure that takes the backup along.",
    "alerts": "Alerting rules, as far as they guard a promise.",
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
