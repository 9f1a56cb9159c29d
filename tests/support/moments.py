"""An archive shipped and restored in a test's own process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from secondsite.archive.chain import Chain
from secondsite.archive.daemon import archive_once
from secondsite.archive.plan import ArchivePlan, Shipped
from secondsite.archive.travel import Wanted, reader_of, travel
from secondsite.backup.codec import Keys
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, restore_from
from secondsite.backup.signing import ANYBODY, Trust
from secondsite.backup.stream_restore import StreamOutcome
from secondsite.backup.target import Changes
from secondsite.nats.place import NatsPlace
from secondsite.objects.store import ObjectStorage

PLAIN, NEWEST, NO_KEYS = ArchivePlan(), Wanted(), Keys()


async def ship(place: NatsPlace, store: ObjectStorage, plan: ArchivePlan = PLAIN) -> Shipped:
    """Everything that is there; what the last look brought."""
    return (await archive_once(place, store, plan))[-1]


async def bring_back(
    place: NatsPlace,
    store: ObjectStorage,
    wanted: Wanted = NEWEST,
    *,
    keys: Keys = NO_KEYS,
    trust: Trust = ANYBODY,
    streams: Sequence[str] = (),
    replicas: int | None = None,
) -> dict[str, StreamOutcome]:
    """By name of the stream."""
    chain = await Chain(store, trust).read()
    reader = reader_of(chain, keys, await travel(chain, keys, wanted, streams))
    outcomes = await restore_from(
        place, reader, RestorePlan(keys=keys, parallel=4, changes=Changes(replicas)), Silent()
    )
    return {outcome.stream: outcome for outcome in outcomes}


def now() -> datetime:
    """A moment of its own: nothing else happens at it."""
    time.sleep(0.01)
    at = datetime.now(UTC)
    time.sleep(0.01)
    return at
