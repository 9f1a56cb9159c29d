"""The records by which clients find the service, and the checks that move them: a lab answers with what ships."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.deployment import Deployment
from secondsite.model.service import Role
from secondsite.model.strategy import Switch

WRITES = "/writes"
"""Below the path of the health check: answers 200 only while the region takes writes."""


class RoutingPolicy(StrEnum):
    """``plain``: somebody changes it. The others hold every region, and checks decide which of them is answered."""

    PLAIN = "plain"
    FAILOVER = "failover"
    WEIGHTED = "weighted"


@frozen
class RecordCheck:
    """From outside, over HTTPS: ``threshold`` times in a row bad is bad."""

    path: str
    interval_s: float
    threshold: int


@frozen
class ServiceRecord:
    """Of one region. ``primary``: it is answered as long as its check is good."""

    region: str
    primary: bool = False
    check: RecordCheck | None = None


@frozen
class ServiceRecords:
    host: str
    ttl_s: float
    kind: RoutingPolicy
    records: tuple[ServiceRecord, ...]


def service_records(deployment: Deployment) -> ServiceRecords:
    """The first region's check fails while it takes no writes; a standby takes none before it is promoted."""
    traffic, switch = deployment.traffic, deployment.strategy.switch
    alive = RecordCheck(traffic.check_path, float(traffic.check_interval_s), traffic.check_threshold)
    writes = RecordCheck(f"{traffic.check_path.rstrip('/')}{WRITES}", alive.interval_s, alive.threshold)
    home, standby = deployment.primary.region.name, deployment.standby
    if switch is Switch.WEIGHTED:
        kind = RoutingPolicy.WEIGHTED
        records = tuple(ServiceRecord(name, name == home, alive) for name in _serving(deployment))
    elif switch is Switch.FAILOVER_RECORD and standby is not None:
        kind = RoutingPolicy.FAILOVER
        records = (ServiceRecord(home, True, writes), ServiceRecord(standby.region.name, False, alive))
    else:
        kind = RoutingPolicy.PLAIN
        records = tuple(ServiceRecord(name, name == home) for name in _serving(deployment))
    return ServiceRecords(traffic.host, float(traffic.ttl_s), kind, records)


def _serving(deployment: Deployment) -> tuple[str, ...]:
    """Those in which something runs that clients reach; the first region where nothing is known of that."""
    apis = [service.name for service in deployment.system.with_role(Role.API)]
    running = tuple(site.region.name for site in deployment.serving if any(site.replicas(name) for name in apis))
    return running or (deployment.primary.region.name,)
