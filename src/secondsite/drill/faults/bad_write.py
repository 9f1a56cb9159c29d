"""A release writes wrong messages and overwrites keys: replication carries both to the standby, a backup brings back.

The mirror is as wrong as its origin, and stays wrong under an origin that was restored. What was written between the
backup and the restore is the price; the ledger counts it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from attrs import evolve, frozen

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.ledger.ledger import Ledger, LedgerHeader
from secondsite.drill.ledger.record import Purpose, Status
from secondsite.drill.play.lab_backup import LabBackups
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.lab.world import Moment
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.nats import Stream
from secondsite.nats.direct import direct_messages
from secondsite.nats.streams import StreamApi
from secondsite.operate.layout import StreamPlacement, mirror_config
from secondsite.strategies.stream_config import stream_config

RELEASE = 998
_BUCKET = "KV_settings"
_KEYS = 20
_WRITES = 50
_BETWEEN_S = 3.0
_NOTICED_S = 2.0
_WITHIN_S = 30.0
_GOOD, _WRONG = b"as it should be", b"overwritten by a bad release"


@frozen
class _Copied:
    """A stream where it is written, and its mirror."""

    origin: StreamPlacement
    mirror: StreamPlacement


@frozen
class _Captured:
    """How many wrong messages and overwritten keys a region holds."""

    messages: int
    keys: int

    def __str__(self) -> str:
        return f"{self.messages} of {_WRITES} wrong messages and {self.keys} of {_KEYS} overwritten keys"


_ALL, _NONE = _Captured(_WRITES, _KEYS), _Captured(0, 0)


async def play(stage: Stage) -> None:
    events = _Copied(stage.families[0].origin, _at_standby(stage))
    bucket = await _bucket(stage, events)
    backups = LabBackups(stage.lab, stage.home, (events.origin.name, bucket.origin.name))
    await backups.once()
    backed_up = stage.note("backup", streams=list(backups.streams))
    last = await _last(stage, events.origin)
    await stage.pass_time(_BETWEEN_S, "backed up; good writes go on")
    stage.struck(Moment.now(), f"a release writes {_WRITES} wrong messages and overwrites {_KEYS} keys")
    wrong = await _write_wrong(stage, events.origin)
    await _put(stage, bucket.origin, _WRONG)
    both = (events, bucket)
    await _follows(stage, both)
    captured = await _capture(stage, [copied.mirror for copied in both], wrong)
    stage.observe(f"replication carried it over: the mirror holds {captured}", captured == _ALL)
    await stage.pass_time(_NOTICED_S, "somebody notices, and decides")
    stage.reach(Milestone.DETECTED)
    stage.reach(Milestone.DECIDED, by="a person, played by the drill")
    gone = await _last(stage, events.origin) - last - _WRITES
    refused = await backups.restore(stage.home, backups.streams, overwrite=True)
    if any(refused.values()):
        raise MachineError.at("restore", "; ".join(why for why in refused.values() if why), "see the lab's logs")
    stage.reach(Milestone.EXECUTED)
    captured = await _capture(stage, [copied.origin for copied in both], wrong)
    age_s = (stage.milestones[Milestone.FAULT] - backed_up) / 1e9
    stage.observe(f"restored from the backup of {age_s:.1f} s before: {captured} are left", captured == _NONE)
    stage.observe(f"the price: about {gone} good messages that were written since the backup", None)
    captured = await _capture(stage, [copied.mirror for copied in both], wrong)
    stage.observe(f"the mirror of the restored streams still holds {captured}", None)
    await _mirror_anew(stage, both)
    captured = await _capture(stage, [copied.mirror for copied in both], wrong)
    stage.observe(f"made anew, the mirror holds {captured}", captured == _NONE)
    await stage.settled()


# --- a bucket beside the streams


def _at_standby(stage: Stage) -> StreamPlacement:
    placement = stage.families[0].at(stage.away)
    if placement is None:
        raise MachineError.at("drill", f"{stage.families[0].name} has no mirror in {stage.away}", "see the strategy")
    return placement


async def _bucket(stage: Stage, like: _Copied) -> _Copied:
    """A key-value bucket with its mirror, laid out as the first stream is, full of good values."""
    suffix = like.mirror.name.removeprefix(like.origin.name)
    stream = Stream(
        _BUCKET, (f"$KV.{_BUCKET[3:]}.>",), replicas=like.origin.stream.replicas, max_messages_per_subject=1
    )
    copied = _Copied(
        evolve(like.origin, stream=evolve(stream, placement=like.origin.stream.placement)),
        evolve(like.mirror, stream=evolve(stream, name=_BUCKET + suffix, placement=like.mirror.stream.placement)),
    )
    async with place(stage.lab, stage.home).open() as opened:
        await StreamApi(opened).create(stream_config(copied.origin.stream, copied.origin.cluster))
    await _put(stage, copied.origin, _GOOD)
    await _create_mirror(stage, copied)
    await _follows(stage, [copied])
    return copied


async def _put(stage: Stage, bucket: StreamPlacement, value: bytes) -> None:
    async with place(stage.lab, bucket.region).open() as opened:
        for key in range(_KEYS):
            answer = await StreamApi(opened).publish(_subject(key), value, {})
            if answer.code:
                raise MachineError.at(bucket.name, f"a key was not stored: {answer.why}", "see the lab's logs")


def _subject(key: int) -> str:
    return f"$KV.{_BUCKET[3:]}.{key}"


# --- wrong writes


async def _write_wrong(stage: Stage, stream: StreamPlacement) -> frozenset[str]:
    """In a ledger of its own; the ids."""
    config = stage.load.clients[0]
    number = [each.name for each in config.streams].index(stream.name)
    header = LedgerHeader(config.run, RELEASE, config.streams)
    path, ids = stage.writer.ledgers / "release.ledger", set()
    async with place(stage.lab, stage.home).open() as opened:
        with Ledger.create(path, header) as ledger:
            for key in range(_WRITES):
                sequence = ledger.intend(number, key, len(_WRONG), purpose=Purpose.WRONG)
                headers = {"Nats-Msg-Id": header.message_id(sequence)}
                answer = await StreamApi(opened).publish(header.subject(number, key), _WRONG, headers)
                status = Status.REFUSED if answer.code else Status.STORED
                ledger.outcome(sequence, number, key, status, stream_sequence=answer.sequence)
                ids.add(header.message_id(sequence))
    stage.extra_ledgers.append(path)
    return frozenset(ids)


async def _capture(stage: Stage, placements: Iterable[StreamPlacement], wrong: frozenset[str]) -> _Captured:
    events, bucket = placements
    async with place(stage.lab, events.region).open() as opened:
        state = await StreamApi(opened).stream(events.name)
        messages = direct_messages(opened, events.name, state.first_seq, state.last_seq) if state else None
        ids = {message.headers.get("Nats-Msg-Id", "") async for message in messages} if messages else set()
        values = [await StreamApi(opened).newest(bucket.name, _subject(key)) for key in range(_KEYS)]
    return _Captured(len(ids & wrong), sum(value is None or value.data != _GOOD for value in values))


# --- mirrors


async def _create_mirror(stage: Stage, copied: _Copied) -> None:
    async with place(stage.lab, copied.mirror.region).open() as opened:
        await StreamApi(opened).create(mirror_config(copied.mirror, copied.origin))


async def _mirror_anew(stage: Stage, both: Iterable[_Copied]) -> None:
    for copied in both:
        async with place(stage.lab, copied.mirror.region).open() as opened:
            await StreamApi(opened).delete(copied.mirror.name)
        await _create_mirror(stage, copied)
    await _follows(stage, both)


async def _last(stage: Stage, placement: StreamPlacement) -> int:
    async with place(stage.lab, placement.region).open() as opened:
        state = await StreamApi(opened).stream(placement.name)
    return state.last_seq if state else 0


async def _follows(stage: Stage, copies: Iterable[_Copied]) -> None:
    """Until each mirror holds what its origin held when this was asked; the reported lag is not believed."""
    for copied in copies:
        wanted, end = await _last(stage, copied.origin), time.monotonic() + _WITHIN_S
        while await _last(stage, copied.mirror) < wanted:
            if time.monotonic() > end:
                what = f"the mirror does not hold what {copied.origin.name} held {_WITHIN_S:g} s ago"
                raise MachineError.at(copied.mirror.name, what, "see the lab's logs")
            await asyncio.sleep(0.2)


def _replicated(deployment: Deployment) -> str:
    if any(stream.mirror for cluster in deployment.clusters for stream in cluster.streams):
        return ""
    return "no stream is mirrored: a wrong write is carried nowhere"


DRILL = Drill(
    "bad-write",
    "wrong messages and overwritten keys are replicated",
    Fault.BAD_WRITE,
    play,
    _replicated,
    moves=False,
    subjects=(),
)
