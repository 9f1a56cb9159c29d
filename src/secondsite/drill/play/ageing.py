"""Old writes for the drills of a design, made once in a lab of their own and kept in the user's cache."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from attrs import asdict

from secondsite.drill.evidence.fingerprint import fingerprint
from secondsite.drill.ledger.envelope import disk_error
from secondsite.drill.ledger.history import read_history
from secondsite.drill.play.aged import AgedWrites, boot_id, read_aged, save_aged
from secondsite.drill.play.clients import LoadClients, writers_before
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.load_streams import load_clients, load_streams
from secondsite.drill.play.scene import ReportProgress
from secondsite.drill.play.setup import Setup
from secondsite.lab.aged import AgedStream, keep_stream
from secondsite.lab.folders import cache
from secondsite.lab.options import LabOptions
from secondsite.lab.postgres_files import tools
from secondsite.lab.postgres_fleet import programs_of
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError
from secondsite.model.nats import Retention
from secondsite.operate.layout import families
from secondsite.strategies.stream_config import stream_config

_MOST_AGE_S = 86400.0


def can_be_kept(setup: Setup) -> bool:
    """A stream that sources others holds more than its own clients wrote, and a work queue what waits."""
    origins = {family.name: family.origin.stream for family in families(setup.deployment)}
    mine = [origins[each.name] for each in load_streams(setup)]
    return all(not (each.sources or each.mirror) and each.retention is Retention.LIMITS for each in mine)


def old_writes(setup: Setup, options: LabOptions, report: ReportProgress) -> AgedWrites:
    """Those that are kept, or new ones. Raises MachineError where the machine cannot hold a lab."""
    folder = cache() / "aged" / kept_as(setup, options)
    if kept := read_aged(folder, _most_age_s(setup)):
        return kept
    report("writing messages that have to be old at the fault")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        asyncio.run(_write_aside(setup, options, aside, report))
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    except OSError as error:
        raise disk_error(folder, error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    made = read_aged(folder, _most_age_s(setup))
    if made is None:
        raise MachineError.at(
            str(folder), "old writes were not retained", "do not touch the cache during the drill, and run it again"
        )
    return made


async def _write_aside(setup: Setup, options: LabOptions, folder: Path, report: ReportProgress) -> None:
    run = f"old{uuid.uuid4().hex[:10]}"
    home = setup.deployment.primary.region.name
    async with Lab.up(setup.deployment, options, report) as lab:
        clients = LoadClients(lab.supervisor, writers_before(load_clients(setup, lab, run, folder)))
        await clients.write()
        names = [stream.name for stream in load_streams(setup)]
        async with place(lab, home).open() as jetstream:
            streams = tuple([await keep_stream(jetstream, name, folder / f"{name}.archive") for name in names])
        stores = {store: folder / f"{store}.files" for store in lab.databases.stores}
        for store, archive in stores.items():
            await asyncio.to_thread(lab.databases.keep, store, home, archive)
        for fleet in (lab.stores.redis, lab.stores.qdrant):
            for store in fleet.stores:
                stores[store] = folder / f"{store}.files"
                lab.kill(fleet.find(store, home).name)
                await asyncio.to_thread(fleet.keep, store, home, stores[store])
    newest_ns = int(read_history(clients.ledgers).intent_ns.max())
    stored_at = datetime.fromtimestamp(time.time() - (time.monotonic_ns() - newest_ns) / 1e9, UTC)
    for client in clients.clients:
        (folder / f"{client.name}.json").unlink()  # where that lab's servers were
    save_aged(folder, run, newest_ns, stored_at.isoformat(timespec="seconds"), _named(streams), stores)


def _named(streams: tuple[AgedStream, ...]) -> tuple[AgedStream, ...]:
    return tuple(sorted(streams, key=lambda each: each.name))


def _most_age_s(setup: Setup) -> float:
    """A stream forgets what is older than its own limit: what is half as old is written anew."""
    limits = [family.origin.stream.max_age_s for family in families(setup.deployment)]
    return min([_MOST_AGE_S, *(limit / 2 for limit in limits if limit)])


def kept_as(setup: Setup, options: LabOptions) -> str:
    """Of the machine since its start, the design, what its streams are configured to, and what is written to them.

    No server reads the files of a database of another major version.
    """
    design = fingerprint(setup.deployment.system, setup.production, ())
    configured = [stream_config(stream, cluster) for cluster in setup.deployment.clusters for stream in cluster.streams]
    written = [asdict(stream) for stream in load_streams(setup)]
    servers = [setup.nats_version, str(setup.nats_server or ""), options.databases]
    servers += sorted({str(each) for each in programs_of(setup.deployment).values()} - {str(tools())})
    servers += ["vectors"] if options.vectors else []
    whole = [boot_id(), design.whole, *servers, configured, written]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:16]
