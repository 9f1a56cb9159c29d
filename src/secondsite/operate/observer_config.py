"""What one observer looks at: a file that stands beside it, so that it needs neither the system file nor its secrets.

References only: ``env:NAME`` or ``file:PATH``, followed when they are needed.
"""

from __future__ import annotations

import json
from pathlib import Path

from attrs import asdict, frozen

from secondsite.backup.strict import MisfitError, parse, structure
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.operate import Operate, WritePath

SCHEMA = "secondsite/observer/1"


@frozen
class RegionTargets:
    """What is looked at in one region; an empty one is not looked at, and is no signal.

    ``api``: a URL of the region's own entrance, asked as the public name ``host``. ``nats``: its servers. ``domain``:
    its JetStream domain, asked through the servers of the others. ``kube``: URL of its API server; ``kube_ca`` is a
    file, ``kube_token`` a reference. ``status``: the provider's own page, in the format of Statuspage.
    """

    region: str
    api: str = ""
    host: str = ""
    nats: str = ""
    domain: str = ""
    kube: str = ""
    kube_ca: str = ""
    kube_token: str = ""
    status: str = ""


@frozen
class ObserverConfig:
    """``path`` is one write as a client makes it, a signal of the region ``home``, where it leads while all is well."""

    name: str
    regions: tuple[RegionTargets, ...]
    every_s: float = 10.0
    timeout_s: float = 5.0
    home: str = ""
    path: WritePath | None = None


def observer_config(deployment: Deployment, name: str, every_s: float) -> ObserverConfig:
    """What the system file knows of each region; a context of the nats command is a thing of this machine."""
    operate = deployment.system.operate or Operate()
    traffic, domains = deployment.traffic, {one.region: one.domain for one in deployment.clusters if one.domain}
    regions = []
    for site in deployment.sites:
        region = site.region.name
        place, at = operate.place(region), operate.entrances_written.get(region, "")
        nats = place.nats.url if place and place.nats else ""
        api = f"https://{at}{traffic.check_path}" if at else ""
        regions.append(RegionTargets(region, api, traffic.host if at else "", nats, domains.get(region, "")))
    timeout_s = min(5.0, every_s)
    return ObserverConfig(name, tuple(regions), every_s, timeout_s, deployment.primary.region.name, operate.path)


def observer_text(config: ObserverConfig) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(config)}, indent=2, ensure_ascii=False) + "\n"


def read_observer(path: Path) -> ObserverConfig:
    """Raises InputError for what is none."""
    try:
        content = parse(path.read_bytes())
        if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
            raise InputError.at(str(path), f"its schema is not {SCHEMA}", _REMEDY)
        config = structure(content, ObserverConfig)
    except OSError as error:
        raise InputError.at(str(path), f"cannot be read ({error.strerror})", _REMEDY) from None
    except MisfitError as error:
        raise InputError.at(str(path), f"not an observer configuration: {error}", _REMEDY) from None
    if not (config.name and config.regions and config.every_s > 0 and config.timeout_s > 0):
        raise InputError.at(str(path), "a name, regions, or a time above 0 is missing", _REMEDY)
    return config


_REMEDY = "docs/watch.md shows its format"
