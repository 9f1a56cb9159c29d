"""The part of a bill that is there without any traffic: control planes, nodes, volumes, backups, drills."""

from __future__ import annotations

import math
from collections.abc import Iterator

from secondsite.evaluate.bill import GIB, MONTH_HOURS, SECONDS, USD, Bill, CostItem, gigabytes, standby_region
from secondsite.evaluate.derive import count, product
from secondsite.model.backup import Backup, Content, Where
from secondsite.model.deployment import Site
from secondsite.model.estimate import Estimate
from secondsite.model.region import Region
from secondsite.model.service import Service
from secondsite.model.stated import load_of
from secondsite.strategies.links.archive import METHOD
from secondsite.strategies.services import lives
from secondsite.strategies.sizing import all_streams, store_bytes, stream_bytes, stream_rate_bytes_per_s

_ASKED_EACH = 2
"""Requests of each checkpoint, whatever it ships: the listing that compares sizes, and itself."""


def compute_items(bill: Bill) -> Iterator[CostItem]:
    one = count("control planes", 1, "one a site", unit="control plane")
    for site in bill.deployment.sites:
        if site.control_plane:
            price = bill.price("control_plane_hour", site.region)
            yield bill.item(f"control plane, {site.region.name}", one, MONTH_HOURS, price)
        yield from _nodes(bill, site)
        yield from _volumes(bill, site)
    yield from _backups(bill)
    yield from _archive(bill)
    yield from _drills(bill)


def _nodes(bill: Bill, site: Site) -> Iterator[CostItem]:
    need = bill.need(site)
    if need.count.mean:
        name = f"nodes, {site.region.name}"
        price = bill.price(bill.node_type.item, site.region)
        by_request = product(f"{name}, by request", USD, need.share, MONTH_HOURS, price)
        yield CostItem(name, product(name, USD, need.count, MONTH_HOURS, price), by_request)
        yield from _node_disks(bill, site)


def _node_disks(bill: Bill, site: Site) -> Iterator[CostItem]:
    """The disk that each machine starts from, beside the volumes of what runs on it."""
    nodes, size = bill.need(site).count, bill.node_type.disk_gb
    if size:
        why = f"{nodes.mean:g} machines with {size:g} GB each: {bill.node_type.provider} node_types.csv"
        quantity = count("disks of machines", nodes.mean * size, why, nodes, unit="GB")
        yield bill.item(f"node disks, {site.region.name}", quantity, bill.price("volume_gb_month", site.region))


def _volumes(bill: Bill, site: Site) -> Iterator[CostItem]:
    """A job's volume stays when the job has ended."""
    primary = site is bill.deployment.primary
    size = math.fsum(
        _volume_bytes(service) * (site.replicas(service.name) or (primary and not lives(service)))
        for service in bill.deployment.system.services
    )
    if size:
        quantity = gigabytes("volumes", size, "size × replicas")
        yield bill.item(f"volumes, {site.region.name}", quantity, bill.price("volume_gb_month", site.region))


def _volume_bytes(service: Service) -> float:
    return float(sum(volume.size_bytes for volume in service.volumes))


def _backups(bill: Bill) -> Iterator[CostItem]:
    for backup in bill.deployment.system.backups:
        yield from _existing_backup(bill, backup)
    system = bill.deployment.system
    methods = ("stream backup", "scheduled backup")
    places = {(copy.method, copy.region): copy for copy in bill.deployment.copies if copy.method in methods}
    backed_up = [copy.covers for copy in places.values() if copy.method == "scheduled backup"]
    sizes = {
        "stream backup": stream_bytes(system, bill.figures),
        "scheduled backup": store_bytes(system, backed_up[0] if backed_up else ()),
    }
    for (method, region), copy in sorted(places.items(), key=lambda place: place[0]):
        if sizes[method]:
            days = bill.figures["backup.retention-days"]
            full = method == "stream backup"
            kept = _all_kept(sizes[method], days, copy.interval) if full else _kept(bill, sizes[method], days)
            yield bill.item(f"{method}, {region}", kept, bill.price("object_gb_month", bill.region(region)))


def _archive(bill: Bill) -> Iterator[CostItem]:
    """What is there and what comes in while a moment can be asked for, and the requests that put it there."""
    system = bill.deployment.system
    for copy in (copy for copy in bill.deployment.copies if copy.method == METHOD):
        region, days = bill.region(copy.region), bill.figures["backup.retention-days"]
        size, rate = stream_bytes(system, bill.figures), stream_rate_bytes_per_s(system)
        why = f"{size / GIB:.3g} GB, and {days.mean:g} days of {rate / 1024:.3g} KiB/s, before compression"
        kept = gigabytes("archive", size + rate * 86400 * days.mean, why, days, *load_of(system))
        yield bill.item(f"{METHOD}, {region.name}", kept, bill.price("object_gb_month", region))
        asked = SECONDS / copy.interval.mean * (_ASKED_EACH + len(all_streams(system))) / 1000
        why = "each interval a checkpoint, a listing, and a segment of each stream"
        requests = count("requests that write", asked, why, copy.interval, unit="1000 requests")
        yield bill.item(f"{METHOD} requests, {region.name}", requests, bill.price("object_put_1k", region))


def _existing_backup(bill: Bill, backup: Backup) -> Iterator[CostItem]:
    """What lies on a volume of the cluster is in the volumes already; configuration weighs nothing."""
    if backup.where is Where.CLUSTER or backup.content not in (Content.MESSAGES, Content.DATA, Content.VOLUMES):
        return
    services, used = bill.deployment.system.services, bill.figures["volume.used-share"]
    covered = [s for s in services if not backup.covers or s.name in backup.covers]
    size = math.fsum(_volume_bytes(s) * max(s.replicas, 1) for s in covered) * used.mean
    if not size:
        return
    days = bill.figures["backup.retention-days"]
    if backup.retention_s is not None:
        days = count("days kept", backup.retention_s / 86400, f"retention of {backup.name}", unit="d")
    item = "snapshot_gb_month" if backup.content is Content.VOLUMES else "object_gb_month"
    yield bill.item(f"backup {backup.name}", _kept(bill, size, days, used), bill.price(item, bill.home))


def _all_kept(size_bytes: float, days: Estimate, interval: Estimate) -> Estimate:
    """A JetStream snapshot is a full one: each that is taken is kept whole."""
    copies = max(1.0, days.mean * 86400 / interval.mean) if interval.mean else 1.0
    why = f"{size_bytes / GIB:.3g} GB × {copies:.0f} full copies in {days.mean:g} days"
    return gigabytes("backups", size_bytes * copies, why, days, interval)


def _kept(bill: Bill, size_bytes: float, days: Estimate, *inputs: Estimate) -> Estimate:
    """One full copy and each day's changes."""
    change = bill.figures["backup.change-per-day"]
    kept = size_bytes * (1 + change.mean * days.mean)
    why = f"{size_bytes / GIB:.3g} GB × (1 + {change.mean:g} a day × {days.mean:g} days)"
    return gigabytes("backups", kept, why, change, days, *inputs)


def _drills(bill: Bill) -> Iterator[CostItem]:
    """The machines that a drill adds to bring the standby to full size; people's hours are an item of their own."""
    region: Region | None = standby_region(bill.deployment)
    if region is None or not bill.multi_region:
        return
    full, standby = bill.need(bill.deployment.primary), bill.deployment.standby
    there = bill.need(standby).count.mean if standby else 0.0
    missing = max(full.count.mean - there, 0.0)
    if missing:
        nodes = count(
            "nodes added", missing, "nodes at home less nodes in the standby", *full.count.inputs, unit="nodes"
        )
        hours = bill.figures["drill.machine-hours"]
        yield bill.item("drills, machines", nodes, hours, bill.price(bill.node_type.item, region))
