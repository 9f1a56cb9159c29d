"""What the tables have to know of a system before it can be evaluated, asked for all at once."""

from __future__ import annotations

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.regions import PROVIDERS
from secondsite.catalogue.table import USER_FOLDER
from secondsite.model.errors import InputError
from secondsite.model.region import Region
from secondsite.model.system import System


def require(system: System, catalogue: Catalogue) -> None:
    """Raises InputError with every region that no table knows and nothing stands in for, and the command for each."""
    unknown = [region for region in _regions(system) if not _known(region, catalogue)]
    if not unknown:
        return
    names = ", ".join(f"{region.provider or '(no provider)'} {region.name}" for region in unknown)
    commands = "; ".join(
        f"secondsite catalogue add-counterpart {region.provider or 'PROVIDER'} {region.name} AWS-REGION GCP-REGION "
        "AZURE-REGION --source TEXT"
        for region in unknown
    )
    raise InputError.at(
        "secondsite.yaml",
        f"no prices and no round trips are known of {names}",
        f"name the regions that stand in for them, in {USER_FOLDER}: {commands}",
    )


def unseen_streams(system: System) -> str:
    """Why nothing can be said of the streams; empty where some are known, or where there can be none."""
    with_jetstream = [cluster.name for cluster in system.nats if cluster.jetstream]
    if not with_jetstream or any(cluster.streams for cluster in system.nats):
        return ""
    return f"JetStream is on in {', '.join(with_jetstream)}, and no stream is known: read them with `init --nats URL`"


def _regions(system: System) -> tuple[Region, ...]:
    return tuple(dict.fromkeys(region for region in (system.region, system.second, system.third) if region))


def _known(region: Region, catalogue: Catalogue) -> bool:
    regions = catalogue.prices.regions
    return region.provider in PROVIDERS or (region.provider, region.name) in regions.counterparts
