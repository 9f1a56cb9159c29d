"""What ships a region's streams to the archive: where it runs, its store, and the one command line of it. Pure."""

from __future__ import annotations

from secondsite.model.deployment import Deployment
from secondsite.model.region import Region
from secondsite.model.strategy import Link

EVERY_S = 5.0
"""How often it looks for what is new."""
LOOK_BYTES = "8Mi"
METRICS_PORT = 9090
_LONGEST_BUCKET = 63
_SCHEMES = {"gcp": "gs", "azure": "az"}


def archived(deployment: Deployment, region: str) -> bool:
    """Whether the streams of the region are shipped to an archive."""
    return deployment.strategy.link is Link.ARCHIVE and region == deployment.primary.region.name


def archive_arguments(nats: str, store: str) -> tuple[str, ...]:
    """Of `secondsite`: the same wherever it runs."""
    return ("archive", "--nats", nats, "--to", store, "--every", f"{EVERY_S:g}s", "--bytes", LOOK_BYTES, "--json")


def vault_of(deployment: Deployment) -> Region:
    """Where the archive lies: never in the region whose streams it holds."""
    return deployment.sites[1].region


def bucket_of(deployment: Deployment) -> str:
    """By what is in it and where it lies; names of buckets are shared by everybody, so a team may need another."""
    return bucket_name(deployment.system.name, "archive", vault_of(deployment).name)


def bucket_name(system: str, *parts: str) -> str:
    """Letters, digits and dashes, 63 of them at most, as S3 has it."""
    plain = ["".join(c if c.isascii() and c.isalnum() else "-" for c in each.lower()) for each in (system, *parts)]
    first, *rest = (each.strip("-") for each in plain)
    return "-".join(filter(None, (first or "system", *rest)))[:_LONGEST_BUCKET].strip("-")


def store_url(deployment: Deployment) -> str:
    scheme = _SCHEMES.get(vault_of(deployment).provider, "s3")
    return f"{scheme}://{bucket_of(deployment)}/{deployment.primary.region.name}"
