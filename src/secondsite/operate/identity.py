"""Which region it is that answers: told by the server's own words, never by the option that led there.

An address that was written under the wrong region's name would be fenced and promoted in its place. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from secondsite.model.deployment import Deployment

_TAG = "region:"


@frozen
class Identity:
    """What the deployment gives the servers of a region; a cluster over several regions tells none of them."""

    region: str
    domains: frozenset[str]
    clusters: frozenset[str]


def identities(deployment: Deployment) -> Mapping[str, Identity]:
    """By region."""
    home = deployment.primary.region.name
    regions = {site.region.name for site in deployment.sites} | {c.region or home for c in deployment.clusters}
    by_server = {}
    for region in regions:
        clusters = [cluster for cluster in deployment.clusters if (cluster.region or home) == region]
        domains = frozenset(cluster.domain for cluster in clusters if cluster.domain)
        by_server[region] = Identity(region, domains, frozenset(cluster.name for cluster in clusters))
    return by_server


def mismatch(region: str, known: Mapping[str, Identity], info: Mapping[str, Any]) -> str:
    """Why the server with this INFO is not one of the region; empty where nothing speaks against it."""
    expected = known.get(region)
    if expected is None:
        return ""
    domain, cluster = str(info.get("domain") or ""), str(info.get("cluster") or "")
    tags = [str(tag).removeprefix(_TAG) for tag in info.get("tags") or () if str(tag).startswith(_TAG)]
    if tags and region.lower() not in (tag.lower() for tag in tags):
        return f"its servers are tagged {_TAG}{tags[0]}, not {_TAG}{region}"
    if expected.domains and domain not in expected.domains:
        domain_shown = f"its JetStream domain is {domain}" if domain else "it has no JetStream domain"
        return f"{domain_shown}, that of {region} is {' or '.join(sorted(expected.domains))}"
    elsewhere = {name for one in known.values() if one.region != region for name in one.clusters}
    if cluster and cluster in elsewhere and cluster not in expected.clusters:
        return f"its cluster is {cluster}, which is not in {region}"
    return ""
