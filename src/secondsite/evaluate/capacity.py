"""What a strategy cannot carry at peak load, with the figure that forbids it.

Links are checked where copies are made (a mirror that cannot keep up has no RPO), stretched streams by their round
trip; here every server, disk and network interface that holds streams has a capacity as well, and so have the pods that
answer clients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from attrs import frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.figures import Figures
from secondsite.catalogue.regions import PROVIDERS
from secondsite.model.deployment import Deployment, LinkKind, Site
from secondsite.model.nats import NatsCluster, Storage, Stream
from secondsite.model.service import Role
from secondsite.model.strategy import Link
from secondsite.model.system import System
from secondsite.strategies.services import lives
from secondsite.strategies.sizing import stretch_messages_per_s, write_shares


@frozen
class ServerLoad:
    """What each server of a cluster does at peak, its streams spread evenly over its servers."""

    messages_per_s: float
    disk_bytes_per_s: float
    network_bytes_per_s: float


def overloaded(deployment: Deployment, catalogue: Catalogue) -> str:
    """Why it cannot work; empty where it can."""
    endless = next((copy.propagate.source for copy in deployment.copies if copy.propagate.unbounded), "")
    stretched = _stretched(deployment, catalogue) if deployment.strategy.link is Link.STRETCH else ""
    servers = _servers(deployment, catalogue.figures)
    replicated = _replicated(deployment, catalogue.figures)
    answering = _answering(deployment.system, catalogue)
    return "; ".join(dict.fromkeys(why for why in (endless, stretched, *servers, *replicated, answering) if why))


def server_load(system: System, cluster: NatsCluster) -> ServerLoad:
    """Of one server: each stream of ``cluster``, mirrors too, is stored by as many servers as it has replicas.

    The leader sends each message to its followers and to every consumer; what comes in is what is stored.
    """
    shares, each = write_shares(system), max(cluster.servers, 1)
    rates = [
        (s, shares.get(s.mirror.stream if s.mirror else s.name, 0.0) * system.load.peak_per_s) for s in cluster.streams
    ]
    flows = [(s, rate * _message_bytes(system, s)) for s, rate in rates]
    stored = math.fsum(rate * s.replicas for s, rate in rates)
    written = math.fsum(flow * s.replicas for s, flow in flows if s.storage is Storage.FILE)
    taken = math.fsum(flow * s.replicas for s, flow in flows)
    sent = math.fsum(flow * (s.replicas - 1 + len(s.consumers)) for s, flow in flows)
    return ServerLoad(stored / each, written / each, max(taken, sent) / each)


def traffic_nodes(deployment: Deployment, site: Site, figures: Figures) -> float:
    """How many machines' network the streams of a site fill at peak, not rounded."""
    if deployment.managed_plan:
        return 0.0
    spread = deployment.strategy.link is Link.STRETCH
    here = [
        c for c in deployment.clusters if spread or (c.region or deployment.primary.region.name) == site.region.name
    ]
    bytes_per_s = math.fsum(
        server_load(deployment.system, cluster).network_bytes_per_s * site.replicas(cluster.service) for cluster in here
    )
    return bytes_per_s / (figures["node.network"].mean * 1e6)


def _message_bytes(system: System, stream: Stream) -> float:
    return float(system.load.message_bytes if stream.message_bytes is None else stream.message_bytes)


def _replicated(deployment: Deployment, figures: Figures) -> Iterator[str]:
    """A database sends its log to the replica from one machine."""
    load, takes = deployment.system.load, figures["node.network"].mean * 1e6
    for link in deployment.links:
        at_peak = link.bytes_per_s * load.peak_per_s / max(load.mean_per_s, 1e-9)
        if link.kind is LinkKind.DATABASE and at_peak > takes:
            yield (
                f"the {link.carries} to {link.target} comes to {at_peak / 1e6:,.0f} MB/s at peak, and a machine sends "
                f"{takes / 1e6:,.0f} (node.network)"
            )


def _answering(system: System, catalogue: Catalogue) -> str:
    """The API's pods, of which one region has to carry all once the other is lost: as many as its autoscaler adds, each
    with the cores of its limit, or of its machine where it has none."""
    pods = [
        (service.autoscale.max_replicas if service.autoscale else service.replicas, service.cpu_limit_cores)
        for service in system.with_role(Role.API)
        if lives(service)
    ]
    machine = _machine_cores(system, catalogue)
    cores = math.fsum(count * (machine if limit is None else limit) for count, limit in pods)
    takes = cores * catalogue.figures["api.requests"].mean
    if not pods or system.load.peak_per_s <= takes:
        return ""
    count = sum(count for count, _ in pods)
    return (
        f"the API is asked for {system.load.peak_per_s:,.0f} writes/s at peak, and {count} pods with {cores:g} cores "
        f"together take {takes:,.0f} (api.requests)"
    )


def _machine_cores(system: System, catalogue: Catalogue) -> float:
    provider = system.region.provider
    return catalogue.prices.node_type(provider if provider in PROVIDERS else PROVIDERS[0]).vcpu


def _servers(deployment: Deployment, figures: Figures) -> Iterator[str]:
    """The clusters that are written to, in whichever region; somebody else's are theirs to size."""
    if deployment.managed_plan:
        return
    for cluster in deployment.clusters:
        load = server_load(deployment.system, cluster)
        checks = (
            ("server.messages", load.messages_per_s, 1.0, "messages/s", "stores"),
            ("disk.write", load.disk_bytes_per_s, 1e6, "MB/s", "writes to disk"),
            ("node.network", load.network_bytes_per_s, 1e6, "MB/s", "sends or takes"),
        )
        for name, asked, unit_size, unit, does in checks:
            takes = figures[name].mean
            if asked / unit_size > takes:
                yield (
                    f"each server of {cluster.name} {does} {asked / unit_size:,.0f} {unit} at peak, and it can do "
                    f"{takes:,.0f} ({name})"
                )


def _stretched(deployment: Deployment, catalogue: Catalogue) -> str:
    """Every write waits for the nearer of two other regions."""
    system, home = deployment.system, deployment.primary.region
    others = [site.region for site in deployment.sites if site.region != home]
    trip = min((catalogue.round_trips.of(home, other) for other in others), key=lambda one: one.mean)
    takes = stretch_messages_per_s(catalogue.figures, trip)
    shares = write_shares(system)
    busiest = max(shares, key=lambda name: shares[name], default="")
    asked = shares.get(busiest, 0.0) * system.load.peak_per_s
    if asked <= takes:
        return ""
    return (
        f"{busiest} takes {asked:,.0f} messages/s at peak, and a stream over {trip.mean:.0f} ms takes {takes:,.0f} "
        "(stretch.in-flight)"
    )
