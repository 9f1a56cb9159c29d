"""What of a deployment can be laid out on one machine."""

from __future__ import annotations

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.strategy import Link


def check_runnable(deployment: Deployment) -> None:
    if deployment.strategy.link is Link.MANAGED:
        raise MachineError.at(
            deployment.strategy.id,
            "a managed service cannot run on this machine",
            "drill warm-standby/supercluster-mirror-witness instead, which is how the service places streams",
        )


def regions_of(deployment: Deployment) -> tuple[str, ...]:
    """In the order of the sites, then those of clusters without one."""
    sites = [site.region.name for site in deployment.sites]
    return tuple(dict.fromkeys([*sites, *(cluster.region for cluster in deployment.clusters if cluster.region)]))
