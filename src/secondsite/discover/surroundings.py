"""What manifests hardly tell: the region, the regions beside it, who uses the system and what it is worth.

Read where a manifest happens to name it, else assumed with the reason, so that a person sees what to correct.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from secondsite.catalogue.regions import load_regions
from secondsite.discover.draft import Draft
from secondsite.discover.placement import placement_of
from secondsite.discover.resources import ResourceInventory, YamlNode
from secondsite.discover.secret_drafts import store_region
from secondsite.discover.workloads import Workload
from secondsite.model.economics import Economics
from secondsite.model.load import Load, Population
from secondsite.model.region import Region

_DEFAULT = ("aws", "us-east-1")
_ZONES = 3
_PROVISIONERS = {"ebs.csi.aws.com": "aws", "pd.csi.storage.gke.io": "gcp", "disk.csi.azure.com": "azure"}
_REGISTRY = re.compile(
    r"\d{12}\.dkr\.ecr\.(?P<ecr>[a-z0-9-]+)\.amazonaws\.com/|(?P<gar>[a-z]+-[a-z]+\d)-docker\.pkg\.dev/"
)

# The pairs that people usually take: far enough apart for most shocks, under one law, and with full service.
_USUAL = {
    "us-east-1": ("us-west-2", "us-east-2"),
    "us-east-2": ("us-west-2", "us-east-1"),
    "us-west-1": ("us-east-2", "us-west-2"),
    "us-west-2": ("us-east-1", "us-east-2"),
    "eu-west-1": ("eu-central-1", "eu-west-2"),
    "eu-central-1": ("eu-west-1", "eu-north-1"),
    "us-central1": ("us-east4", "us-west1"),
    "us-east1": ("us-central1", "us-west1"),
    "us-east4": ("us-central1", "us-west1"),
    "us-west1": ("us-central1", "us-east4"),
    "europe-west1": ("europe-west3", "europe-west4"),
    "europe-west3": ("europe-west4", "europe-west1"),
    "europe-west4": ("europe-west3", "europe-west1"),
    "eastus": ("westus2", "centralus"),
    "eastus2": ("westus2", "centralus"),
    "westus2": ("eastus2", "centralus"),
    "westeurope": ("northeurope", "germanywestcentral"),
    "northeurope": ("westeurope", "germanywestcentral"),
}


def region_draft(inventory: ResourceInventory, workloads: Sequence[Workload]) -> Draft:
    """A draft of the `Region` that the system runs in: read from where things are placed, and from nothing else."""
    draft, placed = Draft(), placement_of(inventory, workloads)
    hint = next(_hints(inventory, workloads), None)
    if placed.region:
        draft.read("name", placed.region, placed.region_at)
        known = load_regions().provider_of(placed.region)
        if known:
            draft.read("provider", known, placed.region_at, "the one provider with a region of this name")
    elif hint:
        name, provider, why = hint
        if provider:
            draft.assume("provider", provider, why)
        draft.assume("name", name, f"{why}; write where the cluster runs")
    else:
        draft.assume("name", _DEFAULT[1], "no manifest says where the cluster runs; write it")
    if "provider" not in draft.values:
        _provider(draft, inventory)
    if placed.zones:
        draft.read("zones", len(placed.zones), placed.zones_at, "the zones that things are placed in")
    else:
        draft.assume("zones", _ZONES, "manifests do not say over how many zones the nodes are spread; three is usual")
    return draft


def _hints(inventory: ResourceInventory, workloads: Sequence[Workload]) -> Iterator[tuple[str, str | None, str]]:
    """Region, provider and why one would think so: what is used is mostly near, and may be anywhere."""
    for image, provider, region in _registries(workloads):
        yield region, provider, f"an image comes from a registry of {provider} in {region} ({image.place})"
    at = store_region(inventory)
    if at.text:
        yield at.text, load_regions().provider_of(at.text), f"the secret store is in {at.text} ({at.place})"


def _registries(workloads: Sequence[Workload]) -> Iterator[tuple[YamlNode, str, str]]:
    """Images are pulled from the region that runs them, mostly: the image, its provider and region."""
    for workload in workloads:
        for container in workload.containers:
            match = _REGISTRY.match(container["image"].text)
            if match and match["ecr"]:
                yield container["image"], "aws", match["ecr"]
            elif match:
                yield container["image"], "gcp", match["gar"]


def _provider(draft: Draft, inventory: ResourceInventory) -> None:
    for storage in inventory.of_kind("StorageClass"):
        provisioner = storage.top["provisioner"]
        if provisioner.text in _PROVISIONERS:
            draft.read("provider", _PROVISIONERS[provisioner.text], provisioner)
            return
    draft.assume("provider", _DEFAULT[0], "no manifest names the provider; write aws, gcp or azure")


def neighbours(region: Region) -> tuple[Region | None, Region | None]:
    """A second and a third region that a person would consider; None where the catalogue knows none."""
    regions = load_regions()
    known = regions.of(region.provider)
    continent = regions.continents.get((region.provider, region.name))
    near = [
        name
        for name in known
        if name != region.name and regions.continents[(region.provider, name)] == continent and continent
    ]
    near.sort(key=lambda name: (Region(region.provider, name).geography != region.geography, name))
    usual = [name for name in _USUAL.get(region.name, ()) if name in known]
    nearby = [Region(region.provider, name) for name in dict.fromkeys([*usual, *near])]
    padded: list[Region | None] = [*nearby[:2], None, None]
    return padded[0], padded[1]


def neighbour_draft(region: Region, beside: Region, use: str) -> Draft:
    draft = Draft()
    why = f"manifests know one region; {beside.name} is a usual choice beside {region.name}, as {use}"
    draft.assume("provider", beside.provider, "the same provider as the first region")
    draft.assume("name", beside.name, why)
    draft.assume("zones", beside.zones, "three zones are usual")
    return draft


def load_draft() -> Draft:
    draft, usual = Draft(), Load()
    why = "manifests hold no load; write what your metrics say"
    draft.assume("mean_per_s", usual.mean_per_s, f"{why} on an average day")
    draft.assume("peak_per_s", usual.peak_per_s, f"{why} at the peak, or what a load test reached")
    draft.assume("message_bytes", usual.message_bytes, f"{why} of the size of a message")
    return draft


def users_of(region: Region) -> tuple[tuple[Population, ...], Draft]:
    draft = Draft()
    why = f"manifests do not say where users are; all near {region.name} until you write their regions and shares"
    draft.assume("", None, why)
    draft.assume("share", None, why)
    return (Population(region.name, 1.0),), draft


def economics_draft() -> Draft:
    draft, usual = Draft(), Economics()
    reasons = {
        "outage_usd_per_hour": "what an hour of outage costs is yours to say; this is a typical value for a small SaaS",
        "lost_message_usd": "what a lost message costs is yours to say",
        "engineer_usd_per_hour": "a loaded hour of an engineer; write yours",
        "budget_usd_per_month": "no budget is known, so none limits the choice",
    }
    for attribute, why in reasons.items():
        draft.assume(attribute, getattr(usual, attribute), why)
    return draft
