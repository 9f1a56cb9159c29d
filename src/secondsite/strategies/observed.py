"""Who sees the service once a region is gone: the Prometheus of the other one, which watches the API of both.

A Prometheus looks at its own region by nature, and is lost with it. So each scrapes the API in every region, with the
region in a label; one rule then tells in whichever region is left that another is gone.
"""

from __future__ import annotations

import json
import re

from attrs import frozen

from secondsite.model.deployment import Deployment, Site
from secondsite.model.service import Role, Service
from secondsite.model.system import System

HOLD_S = 30
"""A scrape that fails is none; half a minute of them is a region, or the way to it."""
_PROMETHEUS = re.compile(r"(^|/)prometheus($|[:@])")


@frozen
class RegionRule:
    """``value`` is a region's, and the alert fires once it has been ``fires`` for ``hold_s``."""

    name: str
    value: str
    fires: str
    hold_s: int

    @property
    def expression(self) -> str:
        return f"{self.value} {self.fires}"


def region_unseen(api: Service) -> RegionRule:
    return RegionRule("RegionUnseen", f"max by (region) (up{{job={json.dumps(api.object_name)}}})", "== 0", HOLD_S)


def prometheus(system: System) -> Service | None:
    """The first that runs it, by its image."""
    return next((each for each in system.services if _PROMETHEUS.search(each.image)), None)


def why_invisible(deployment: Deployment) -> str:
    """Why nobody could see the service in the other region; empty where somebody can."""
    watching, apis = prometheus(deployment.system), deployment.system.with_role(Role.API)
    if watching is None:
        return "no Prometheus is known to run"
    if not apis:
        return "no API is known to run, and there is nothing to watch"
    return next((why for site in deployment.sites for why in [_missing(site, watching, apis[0])] if why), "")


def _missing(site: Site, watching: Service, api: Service) -> str:
    absent = [each.name for each in (watching, api) if not site.replicas(each.name)]
    return f"{' and '.join(absent)} does not run in {site.region.name}" if absent else ""
