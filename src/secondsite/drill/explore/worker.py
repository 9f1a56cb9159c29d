"""Plays one schedule, in a process of its own: ``python -m secondsite.drill.explore.worker ORDER RESULT``.

The lab is small: one server for each region, so that a schedule takes some seconds. Where this process has a mount
namespace of its own, each region's store is a disk of its own, which can be filled.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cattrs
from attrs import evolve, frozen

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.explore.doors import Doors, MemoryRecord
from secondsite.drill.explore.laws import Promise
from secondsite.drill.explore.play import DELAY_MS, Explorer, Played
from secondsite.drill.explore.schedule import FaultSchedule
from secondsite.drill.explore.spoiled import executors
from secondsite.drill.explore.writers import RegionWriter
from secondsite.drill.play.setup import Setup, make_setup
from secondsite.lab.options import LabOptions
from secondsite.lab.world import Lab
from secondsite.model.deployment import Deployment
from secondsite.model.errors import SecondsiteError
from secondsite.model.nats import Retention, Stream
from secondsite.model.operate import Operate, Writers
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import Seconds
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.operate.layout import families, probe_subject
from secondsite.strategies.server_config import servers_of

LEASE_S = 6.0
"""A renewal has a fourteenth of it, and goes through the link."""
_DISK = "size=48m"


@frozen
class Order:
    """``disks``: mount a disk for each store."""

    schedule: FaultSchedule
    system: str
    strategy: str
    folder: str
    rate_per_s: float
    disks: bool


def small(system: System, writers: Writers) -> System:
    """One server for each region, and of its streams those of which nothing goes by itself."""
    operate = evolve(system.operate or Operate(), writers=writers, lease_s=Seconds(LEASE_S), reconcilers=())
    clusters = tuple(
        evolve(cluster, servers=1, streams=tuple(evolve(one, replicas=1) for one in cluster.streams if _kept(one)))
        for cluster in system.nats
    )
    return evolve(system, nats=clusters, operate=operate)


def _kept(stream: Stream) -> bool:
    plain = all(not subject.startswith("$") for subject in stream.subjects)
    return stream.retention is Retention.LIMITS and plain and not (stream.sources or stream.mirror)


def _setup(order: Order) -> Setup:
    system = small(load_system(Path(order.system)), order.schedule.writers)
    return make_setup(system, load_catalogue(), Strategy.parse(order.strategy), seed=order.schedule.seed)


async def play(order: Order) -> Played:
    setup, folder = _setup(order), Path(order.folder)
    deployment = setup.deployment
    if order.disks:
        _mount(folder, [server.name for server in servers_of(deployment)])
    home, *others = [site.region.name for site in deployment.sites]
    rtt_ms = dict.fromkeys(((home, other) for other in others), 2 * DELAY_MS)
    options = LabOptions(
        folder=folder, seed=order.schedule.seed, services=False, positions_s=1.0, rtt_ms=rtt_ms, clocks=True
    )
    async with Lab.up(deployment, options) as lab:
        promises: list[Promise] = []
        subjects = [(family.name, probe_subject(family.subjects[0])) for family in families(deployment)]
        kept_in = _regions_by_stream(deployment)
        every_s = len(subjects) / order.rate_per_s
        writers = {
            region: RegionWriter(region, _clients(lab, region), subjects, promises, every_s, kept_in)
            for region in lab.regions
            if lab.servers(region)
        }
        standby = deployment.standby
        away = standby.region.name if standby else others[-1]
        doors = Doors(lab, away, MemoryRecord((home,)), writers)
        steps = executors(order.schedule.spoiled)
        return await Explorer(order.schedule, lab, setup.kit, doors, promises, folder, steps).play()


def _regions_by_stream(deployment: Deployment) -> dict[str, str]:
    """The region of each stream whose name is no other's."""
    placed = [one for family in families(deployment) for one in (family.origin, *family.copies)]
    names = [one.name for one in placed]
    return {one.name: one.region for one in placed if names.count(one.name) == 1}


def _clients(lab: Lab, region: str) -> NatsPlace:
    """As the application, near its region."""
    return NatsPlace(parse_addresses(lab.nats_url(region)), ConnectOptions(timeout_s=1.0))


def _mount(folder: Path, servers: list[str]) -> None:
    mount = shutil.which("mount") or "mount"
    for name in servers:
        store = folder / "nats" / name / "jetstream"
        store.mkdir(parents=True)
        subprocess.run([mount, "-t", "tmpfs", "-o", _DISK, "tmpfs", str(store)], check=True)  # noqa: S603 - a fixed command


def main() -> None:
    """RESULT holds what was played, or why it could not be."""
    order = cattrs.structure(json.loads(Path(sys.argv[1]).read_text("utf-8")), Order)
    result: Mapping[str, Any]
    try:
        result = {"played": cattrs.unstructure(asyncio.run(play(order)))}
    except SecondsiteError as error:
        result = {"died": "; ".join(str(problem) for problem in error.problems)}
    Path(sys.argv[2]).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main()
