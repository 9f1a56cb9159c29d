"""What runs, and is paid for, while the first region is away (Wood et al., HotCloud 2010): two bills, not one.

Disaster recovery costs what runs in the other 99 % of the time; while it is needed the standby is as large as the first
region was, and nothing is copied anywhere.
"""

from __future__ import annotations

from attrs import evolve

from secondsite.evaluate.bill import standby_region
from secondsite.evaluate.derive import product
from secondsite.evaluate.faults import FaultModel
from secondsite.model.deployment import Deployment, Site, SiteRole
from secondsite.model.estimate import Estimate, fixed
from secondsite.model.fault import Fault


def failed_over(deployment: Deployment) -> Deployment | None:
    """The second region at full size, and whoever only votes; None where there is nowhere to go."""
    there = standby_region(deployment)
    if there is None:
        return None
    home = deployment.primary
    moved = Site(there, SiteRole.PRIMARY, home.services)
    voters = (site for site in deployment.sites[1:] if site.role is SiteRole.WITNESS)
    return evolve(
        deployment,
        system=evolve(deployment.system, region=there, second=home.region),
        sites=(moved, *voters),
        clusters=tuple(
            evolve(cluster, region=there.name)
            for cluster in deployment.clusters
            if (cluster.region or home.region.name) == home.region.name
        ),
        links=(),
        copies=tuple(copy for copy in deployment.copies if copy.region == there.name),
    )


def hours_away(model: FaultModel) -> Estimate:
    """Hours a year in which the first region is lost."""
    lasts = model.natural(Fault.REGION)
    if lasts is None:
        raise ValueError("a lost region has no duration of its own")
    hours = fixed("how long a region is away", lasts.mean / 3600, "h", lasts.source)
    return product("hours failed over", "h/year", model.region_rate(), hours)
