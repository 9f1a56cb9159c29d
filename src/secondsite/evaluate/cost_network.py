"""The part of a bill that follows the traffic: transfer, load balancers, NAT, DNS and its health checks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from secondsite.evaluate.bill import MONTH_HOURS, SECONDS, Bill, CostItem, gigabytes
from secondsite.evaluate.derive import count, total
from secondsite.model.deployment import Deployment, Site
from secondsite.model.estimate import Estimate
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.stated import load_of
from secondsite.model.strategy import Link, Pattern
from secondsite.model.system import System

FAST_INTERVAL_S = 10
EGRESS_TIERS_GB = (
    ("first_10tb", 10 * 1024.0),
    ("next_40tb", 40 * 1024.0),
    ("next_100tb", 100 * 1024.0),
    ("beyond_150tb", math.inf),
)


def network_items(bill: Bill) -> Iterator[CostItem]:
    yield from _cross_zone(bill)
    yield from _between_regions(bill)
    yield from _egress(bill)
    yield from _entries(bill)
    yield from _nat(bill)
    yield from _addresses(bill)
    yield from _dns(bill)


def stream_rates(system: System) -> dict[str, float]:
    """Bytes a second into each stream: its own rate where known, else an even share of the rest of the load."""
    streams = [stream for cluster in system.nats for stream in cluster.streams]
    known = math.fsum(stream.rate_per_s for stream in streams if stream.rate_per_s is not None)
    unknown = sum(stream.rate_per_s is None for stream in streams)
    share = max(system.load.mean_per_s - known, 0.0) / unknown if unknown else 0.0
    return {
        stream.name: (share if stream.rate_per_s is None else stream.rate_per_s)
        * (stream.message_bytes if stream.message_bytes is not None else system.load.message_bytes)
        for stream in streams
    }


def _cross_zone(bill: Bill) -> Iterator[CostItem]:
    system, serving = bill.deployment.system, bill.deployment.serving
    rates = stream_rates(system)
    hops = bill.figures["request.hops"]
    requests = system.load.mean_per_s * system.load.message_bytes * hops.mean / max(len(serving), 1)
    for site in bill.deployment.sites:
        other_zone = 1 - 1 / max(site.region.zones, 1)
        rate = math.fsum(
            _stream_cross_zone(stream, rates, other_zone)
            for cluster in _own_clusters(bill.deployment, site)
            for stream in cluster.streams
        ) + (requests * other_zone if site in serving else 0.0)
        price = bill.price("transfer_cross_zone_gb", site.region)
        if rate and price.mean:
            why = f"{rate / 1024:.3g} KiB/s of replication, publishes, deliveries and requests to other zones"
            quantity = gigabytes("between zones", rate * SECONDS, why, hops, *load_of(system))
            yield bill.item(f"transfer between zones, {site.region.name}", quantity, price)


def _own_clusters(deployment: Deployment, site: Site) -> Iterator[NatsCluster]:
    """Clusters whose traffic stays in the site's region and is the system's own to pay."""
    if deployment.managed_plan or deployment.strategy.link is Link.STRETCH:
        return
    for cluster in deployment.clusters:
        if (cluster.region or deployment.primary.region.name) == site.region.name:
            yield cluster


def _stream_cross_zone(stream: Stream, rates: dict[str, float], other_zone: float) -> float:
    """Each follower lies in another zone; publishers and consumers in another zone by chance."""
    origin = stream.mirror.stream if stream.mirror else stream.name
    copies = (stream.replicas - 1) * (1.0 if other_zone else 0.0)
    clients = (0 if stream.mirror else 1) + len(stream.consumers)
    return rates.get(origin, 0.0) * (copies + clients * other_zone)


def _between_regions(bill: Bill) -> Iterator[CostItem]:
    """Links of the same kind between the same regions are one item. Inside a managed service its own prices hold."""
    carried: dict[tuple[str, str, str], float] = defaultdict(float)
    for link in bill.deployment.links:
        carried[link.kind, link.source, link.target] += link.bytes_per_s
    for (kind, source, target), rate in carried.items():
        if kind != "managed" and source != target and rate:
            quantity = gigabytes(
                "between regions", rate * SECONDS, f"{rate / 1024:.3g} KiB/s", *load_of(bill.deployment.system)
            )
            yield bill.item(f"transfer {source} → {target}, {kind}", quantity, bill.transfer(source, target))


def _egress(bill: Bill) -> Iterator[CostItem]:
    system = bill.deployment.system
    load, answer = system.load, bill.figures["response.messages"]
    rate = load.mean_per_s * load.message_bytes * answer.mean
    if bill.deployment.managed_plan:
        rate += load.mean_per_s * load.message_bytes
    free = bill.price("egress_free_gb", bill.home).mean
    left = max(rate * SECONDS / 2**30 - free, 0.0)
    parts: list[Estimate] = []
    for tier, size in EGRESS_TIERS_GB:
        if left > 0:
            why = f"{rate / 1024:.3g} KiB/s, {free:g} GB free"
            quantity = count("to the internet", min(left, size), why, answer, *load_of(system), unit="GB")
            parts.append(bill.item(f"egress, {tier}", quantity, bill.price(f"egress_gb:{tier}", bill.home)).monthly_usd)
        left -= size
    if parts:
        yield CostItem("transfer to the internet", total("transfer to the internet", "USD/month", parts))


def _entries(bill: Bill) -> Iterator[CostItem]:
    """One load balancer a site; the traffic is shared by the sites that serve."""
    load, answer = bill.deployment.system.load, bill.figures["response.messages"]
    one = count("load balancers", 1, "one at each site with a gateway or an API", unit="load balancer")
    serving = [site for site in bill.entries if site in bill.deployment.serving]
    for site in bill.entries:
        yield bill.item(f"load balancer, {site.region.name}", one, MONTH_HOURS, bill.price("lb_hour", site.region))
    for site in serving:
        rate = load.mean_per_s * load.message_bytes * (1 + answer.mean) / len(serving)
        asked = (answer, *load_of(bill.deployment.system))
        quantity = gigabytes("through load balancers", rate * SECONDS, "requests and responses", *asked)
        yield bill.item(f"load balancer traffic, {site.region.name}", quantity, bill.price("lb_gb", site.region))


def _nat(bill: Bill) -> Iterator[CostItem]:
    """One gateway a site; billed by gateway or by machine behind it, as the provider does."""
    one, outbound = count("NAT gateways", 1, "one a site", unit="gateway"), bill.figures["nat.bytes"]
    for site in bill.staffed:
        name, region, nodes = f"NAT, {site.region.name}", site.region, bill.need(site).count
        if nodes.mean:
            quantity = gigabytes("through NAT", outbound.mean, outbound.source, outbound)
            parts = (
                bill.item(f"{name}, gateway", one, MONTH_HOURS, bill.price("nat_hour", region)),
                bill.item(f"{name}, machines", nodes, MONTH_HOURS, bill.price("nat_vm_hour", region)),
                bill.item(f"{name}, traffic", quantity, bill.price("nat_gb", region)),
            )
            yield CostItem(
                name, total(name, "USD/month", [part.monthly_usd for part in parts if part.monthly_usd.mean])
            )


def _addresses(bill: Bill) -> Iterator[CostItem]:
    """Public IPv4 addresses: one for a site's NAT gateway (where there is none, one for each machine), and of its load
    balancer one, or on AWS one in each zone."""
    for site in bill.deployment.sites:
        machines = math.ceil(bill.need(site).count.mean)
        doors = (max(site.region.zones, 1) if bill.provider == "aws" else 1) if site in bill.entries else 0
        number = doors + (min(machines, 1) if site in bill.staffed else machines)
        if number:
            why = "one for NAT, or each machine where there is none; of a load balancer one, on AWS one in each zone"
            quantity = count("public IPv4 addresses", number, why, unit="addresses")
            price = bill.price("ipv4_hour", site.region)
            yield bill.item(f"public addresses, {site.region.name}", quantity, MONTH_HOURS, price)


def _dns(bill: Bill) -> Iterator[CostItem]:
    traffic, several = bill.deployment.traffic, len(bill.staffed) > 1
    zone = count("DNS zones", 1, "one", unit="zone")
    yield bill.item("DNS zone", zone, bill.price("dns_zone_month", bill.home))
    resolvers = bill.figures["dns.resolvers"]
    millions = resolvers.mean * SECONDS / max(traffic.ttl_s, 1.0) / 1e6
    why = f"{resolvers.mean:g} resolvers ask every {traffic.ttl_s:g} s (the TTL)"
    queries = count("queries", millions, why, resolvers, unit="million")
    active = bill.deployment.strategy.pattern is Pattern.ACTIVE_ACTIVE
    kind = "dns_queries_million"
    if several and (active or traffic.automatic):
        kind = "dns_failover_queries_million"
    yield bill.item("DNS queries", queries, bill.price(kind, bill.home))
    if several and traffic.automatic:
        yield from _health_checks(bill)


def _health_checks(bill: Bill) -> Iterator[CostItem]:
    checks = count("health checks", len(bill.staffed), "one a site, over HTTPS", unit="check")
    items = ["health_check_month", "health_check_https_month"]
    if bill.deployment.traffic.check_interval_s <= FAST_INTERVAL_S:
        items.append("health_check_fast_month")
    parts = [bill.item(item, checks, bill.price(item, bill.home)).monthly_usd for item in items]
    yield CostItem("health checks", total("health checks", "USD/month", parts))
