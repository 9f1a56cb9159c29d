"""The quantities that no manifest tells and a bill depends on: assumed, with a range and how to settle them."""

from __future__ import annotations

from secondsite.model.estimate import Estimate, Fixed, Provenance


def _assumed(name: str, value: float, unit: str, why: str, plausible: tuple[float, float], settle: str) -> Estimate:
    return Estimate(name, unit, Fixed(value), Provenance.ASSUMED, why, plausible, settle)


SYSTEM_RESERVE = _assumed(
    "share of a node kept for the system",
    0.15,
    "",
    "kubelet, operating system and node agents of a small node",
    (0.7, 1.7),
    "kubectl describe node: capacity less allocatable, and the requests of kube-system",
)
DEFAULT_CPU_CORES = _assumed(
    "CPU of a container that requests none", 0.1, "cores", "a small service", (0.3, 5.0), "kubectl top pod, over a week"
)
DEFAULT_MEMORY_BYTES = _assumed(
    "memory of a container that requests none",
    256 * 2**20,
    "B",
    "a small service",
    (0.3, 4.0),
    "kubectl top pod, over a week",
)
CHANGE_PER_DAY = _assumed(
    "share of backed-up data that changes in a day",
    0.1,
    "1/d",
    "a tenth, as incremental backups are sized",
    (0.2, 4.0),
    "the sizes of a week of backups",
)
USED_SHARE = _assumed(
    "share of a volume in use", 0.5, "", "volumes are filled to a half", (0.4, 1.8), "kubelet_volume_stats_used_bytes"
)
RETENTION_DAYS = _assumed(
    "days that off-region backups are kept", 7.0, "d", "as long as the backups of today", (0.5, 5.0), "decide it"
)
REQUEST_HOPS = _assumed(
    "hops of a request between pods",
    2.0,
    "",
    "gateway to API and back, each the size of a message",
    (0.5, 4.0),
    "bytes between zones in the provider's bill",
)
RESPONSE_MESSAGES = _assumed(
    "size of a response, in messages",
    1.0,
    "",
    "as large as the request",
    (0.2, 10.0),
    "bytes sent by the gateway over a week",
)
NAT_BYTES = _assumed(
    "outbound bytes through NAT, of a site",
    20 * 2**30,
    "B/month",
    "image pulls and calls to outside services",
    (0.2, 10.0),
    "the NAT gateway's byte counter over a month",
)
RESOLVERS = _assumed(
    "resolvers that keep asking for the record",
    200.0,
    "",
    "a few hundred customers' and providers' resolvers",
    (0.05, 20.0),
    "the DNS zone's query count over a month",
)
SECRET_REFRESH_S = _assumed(
    "time between reads of a secret", 300.0, "s", "External Secrets polling every five minutes", (0.2, 12.0), "read it"
)
DRILL_MACHINE_HOURS = _assumed(
    "hours a month that drills run the standby at full size",
    4.0,
    "h/month",
    "a full drill each quarter, a DNS drill each month",
    (0.25, 3.0),
    "the drill calendar",
)
DRILL_PEOPLE_HOURS = _assumed(
    "hours a month that people spend on drills",
    4.0,
    "h/month",
    "two people for half a day each quarter, one for an hour each month",
    (0.25, 3.0),
    "the drill calendar",
)
HOURS_PER_COMPONENT = _assumed(
    "upkeep of a component in a region",
    0.2,
    "h/month",
    "upgrades and alerts of one workload under GitOps",
    (0.25, 4.0),
    "a quarter of tickets, by component",
)
HOURS_PER_LINK = _assumed(
    "upkeep of a link between regions",
    1.0,
    "h/month",
    "certificates, lag alerts, incidents of its own",
    (0.25, 4.0),
    "a quarter of tickets",
)
HOURS_PER_MANUAL_STEP = _assumed(
    "upkeep of a manual step",
    0.25,
    "h/month",
    "keeping the runbook true and people trained",
    (0.25, 4.0),
    "the time spent on runbooks in a quarter",
)
ZONE_ROUND_TRIP_MS = _assumed(
    "round trip between zones",
    0.7,
    "ms",
    "zones of a region lie some tens of kilometres apart",
    (0.4, 2.9),
    "ping between two nodes in different zones for a day",
)
JITTER = _assumed(
    "p99 of a round trip, as a multiple of its median",
    1.5,
    "",
    "long-distance paths vary by route and hour",
    (0.75, 2.0),
    "a week of pings between the regions",
)
MANAGED_ROUND_TRIP_MS = _assumed(
    "round trip to the managed service",
    4.0,
    "ms",
    "the provider has servers in or near the region, reached over the internet",
    (0.3, 5.0),
    "nats rtt from a pod in the region",
)
