"""What the checks of queues, histories and objects are worth: a loss of each kind, done on purpose after a failover.

A worker acknowledges jobs that it does not do, a bucket forgets all but the last value of each key, and chunks of
objects are deleted.
"""

from __future__ import annotations

import json

from attrs import evolve

from secondsite.drill.faults import region_loss
from secondsite.drill.play.final_reads import stored_messages
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.setup import Setup, make_setup
from secondsite.drill.play.stage import Stage
from secondsite.model.nats import Consumer, Retention, Stream
from secondsite.model.system import System
from secondsite.nats.streams import StreamApi

QUEUE, BUCKET, STORE = "secondsite-jobs", "KV_secondsite-kept", "OBJ_secondsite-files"
CARELESS = 20
"""Of so many jobs the worker does one not."""
_HISTORY, _CHUNKS = 5, 20
_OF_KINDS = (
    Stream(
        QUEUE,
        subjects=("secondsite.jobs.*",),
        retention=Retention.WORKQUEUE,
        consumers=(Consumer("worker"),),
    ),
    Stream(BUCKET, max_messages_per_subject=_HISTORY),
    Stream(STORE),
)


def with_kinds(setup: Setup) -> Setup:
    """The system with a queue, a bucket and an object store beside what it has."""
    first, *others = setup.system.nats
    nats = (evolve(first, streams=(*first.streams, *_OF_KINDS)), *others)
    return of_system(setup, evolve(setup.system, nats=nats))


def of_system(setup: Setup, system: System) -> Setup:
    """As it is, of another system."""
    made = make_setup(
        system,
        setup.catalogue,
        setup.strategy,
        profile_name=setup.profile.name,
        seed=setup.seed,
        nats_version=setup.nats_version,
        rate_per_s=setup.rate_per_s,
    )
    return evolve(made, profile=setup.profile, nats_server=setup.nats_server, reach_s=setup.reach_s)


async def play(stage: Stage) -> None:
    await region_loss.play(stage)
    async with place(stage.lab, stage.away).open() as opened:
        streams = StreamApi(opened)
        await _forget(streams)
        stage.note("chunks-deleted", sequences=await _tear(streams))


async def _forget(streams: StreamApi) -> None:
    look = await streams.stream(BUCKET)
    if look is not None:
        await streams.update({**look.config, "max_msgs_per_subject": 1})


async def _tear(streams: StreamApi) -> list[int]:
    """One chunk of each of the objects that were put last."""
    look = await streams.stream(STORE)
    if look is None:
        return []
    first: dict[str, int] = {}
    named: list[str] = []
    async for message in stored_messages(streams, look):
        words = message.subject.split(".")
        if words[2] == "C":
            first.setdefault(words[3], message.sequence)
        else:
            named.append(str(json.loads(message.data).get("nuid", "")))
    gone = [first[nuid] for nuid in named[-_CHUNKS:] if nuid in first]
    for sequence in gone:
        await streams.jetstream.ask(f"STREAM.MSG.DELETE.{STORE}", {"seq": sequence})
    return gone
