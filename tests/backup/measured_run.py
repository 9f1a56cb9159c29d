"""Runs one backup or restore in a process of its own and tells by how much its memory grew, in MiB.

``python measured_run.py backup|restore|verify NATS_URL STORE_URL``; the children it starts are told apart.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from secondsite.backup.codec import Keys
from secondsite.backup.inventory import choose_backup
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage


def status_mib(field: str) -> float:
    """``VmRSS`` is now, ``VmHWM`` the most since this program began: unlike ru_maxrss it knows no parent."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


async def work(verb: str, place: NatsPlace, store: ObjectStorage) -> dict[str, object]:
    begin = time.monotonic()
    if verb == "backup":
        manifest = await run_backup(place, store, BackupPlan(keys=Keys(), parallel=1), Silent())
        return {"messages": manifest.messages, "size": manifest.size_bytes, "seconds": time.monotonic() - begin}
    manifest = await choose_backup(store)
    plan = RestorePlan(parallel=1, prove=verb == "verify")
    (outcome,) = await run_restore(place, store, manifest, plan, Silent())
    told = {"messages": outcome.messages, "verdict": outcome.proof.verdict, "ok": outcome.ok}
    return {**told, "seconds": outcome.transfer_s, "proof_s": outcome.proof_s}


async def warm(place: NatsPlace, store: ObjectStorage) -> float:
    """What libraries take for themselves when they are first used is not the stream's."""
    async with place.open() as jetstream:
        await jetstream.ask("INFO")
    await store.create("warm", bytes(1024))
    await store.read("warm")
    await store.delete(["warm"])
    return status_mib("VmRSS")


def main() -> None:
    verb, nats, url = sys.argv[1:]
    place = NatsPlace(parse_addresses(nats), ConnectOptions())
    store = ObjectStorage(parse_store(url), make=True)
    before = asyncio.run(warm(place, store))
    told = asyncio.run(work(verb, place, store))
    grown = status_mib("VmHWM") - before
    print(
        json.dumps(
            {**told, "grown_mib": grown, "child_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}
        )
    )


if __name__ == "__main__":
    main()
