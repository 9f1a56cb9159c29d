"""A release writes wrong messages and overwrites keys: replication carries both to the standby, a backup brings back.

The mirror is as wrong as its origin, and stays wrong under an origin that was restored. What was written between the
backup and the restore is the price; the ledger counts it. Where an archive goes on, nothing has to be given up but what
came after the first wrong message: see `wrong_write_undone.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from attrs import evolve, frozen

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.faults import wrong_write_undone
from secondsite.drill.play.lab_backup import LabBackups
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.drill.play.wrong_writes import (
    ALL,
    BUCKET,
    KEYS,
    NONE,
    WRITES,
    WRONG,
    captured,
    create_bucket,
    last_of,
    put,
    write_wrong,
)
from secondsite.lab.moment import Moment
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.nats.streams import StreamApi
from secondsite.operate.layout import StreamPlacement, mirror_config
from secondsite.strategies.archiver import archived

_BETWEEN_S = 3.0
_NOTICED_S = 2.0
_WITHIN_S = 30.0


@frozen
class _Copied:
    """A stream where it is written, and its mirror."""

    origin: StreamPlacement
    mirror: StreamPlacement


async def play(stage: Stage) -> None:
    if archived(stage.setup.deployment, stage.home):
        await wrong_write_undone.play(stage)
        return
    events = _Copied(stage.families[0].origin, _at_standby(stage))
    bucket = await _bucket(stage, events)
    backups = LabBackups(stage.lab, stage.home, (events.origin.name, bucket.origin.name))
    await backups.once()
    backed_up = stage.note("backup", streams=list(backups.streams))
    last = await last_of(stage, events.origin)
    await stage.pass_time(_BETWEEN_S, "backed up; good writes go on")
    stage.struck(Moment.now(), f"a release writes {WRITES} bad messages and overwrites {KEYS} keys")
    wrong = await write_wrong(stage, events.origin)
    await put(stage, bucket.origin, WRONG)
    both = (events, bucket)
    await _follows(stage, both)
    held = await captured(stage, [copied.mirror for copied in both], wrong)
    stage.observe(f"replication copied it: the mirror holds {held}", held == ALL)
    await stage.pass_time(_NOTICED_S, "somebody detects it and decides")
    stage.reach(Milestone.DETECTED)
    stage.reach(Milestone.DECIDED, by="a person, simulated by the drill")
    gone = await last_of(stage, events.origin) - last - WRITES
    refused = await backups.restore(stage.home, backups.streams, overwrite=True)
    if any(refused.values()):
        raise MachineError.at("restore", "; ".join(why for why in refused.values() if why), "check the lab's logs")
    stage.reach(Milestone.EXECUTED)
    held = await captured(stage, [copied.origin for copied in both], wrong)
    age_s = (stage.milestones[Milestone.FAULT] - backed_up) / 1e9
    stage.observe(f"restored from the backup of {age_s:.1f} s before: {held} are left", held == NONE)
    stage.observe(f"the cost: about {gone} good messages that were written since the backup", None)
    held = await captured(stage, [copied.mirror for copied in both], wrong)
    stage.observe(f"the mirror of the restored streams still holds {held}", None)
    await _mirror_anew(stage, both)
    held = await captured(stage, [copied.mirror for copied in both], wrong)
    stage.observe(f"after it was recreated, the mirror holds {held}", held == NONE)
    await stage.settled()


# --- a bucket beside the streams


def _at_standby(stage: Stage) -> StreamPlacement:
    placement = stage.families[0].at(stage.away)
    if placement is None:
        raise MachineError.at("drill", f"{stage.families[0].name} has no mirror in {stage.away}", "check the strategy")
    return placement


async def _bucket(stage: Stage, like: _Copied) -> _Copied:
    """With its mirror, laid out as the first stream is."""
    made = await create_bucket(stage, like.origin)
    name = BUCKET + like.mirror.name.removeprefix(like.origin.name)
    mirror = evolve(made.stream, name=name, placement=like.mirror.stream.placement)
    copied = _Copied(made, evolve(like.mirror, stream=mirror))
    await _create_mirror(stage, copied)
    await _follows(stage, [copied])
    return copied


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


async def _follows(stage: Stage, copies: Iterable[_Copied]) -> None:
    """Until each mirror holds what its origin held when this was asked; the reported lag is not believed."""
    for copied in copies:
        wanted, end = await last_of(stage, copied.origin), time.monotonic() + _WITHIN_S
        while await last_of(stage, copied.mirror) < wanted:
            if time.monotonic() > end:
                what = f"the mirror does not hold what {copied.origin.name} held {_WITHIN_S:g} s ago"
                raise MachineError.at(copied.mirror.name, what, "check the lab's logs")
            await asyncio.sleep(0.2)


def _replicated(deployment: Deployment) -> str:
    if archived(deployment, deployment.primary.region.name):
        return ""
    if any(stream.mirror for cluster in deployment.clusters for stream in cluster.streams):
        return ""
    return "no stream is mirrored, so a bad write is not copied anywhere"


DRILL = Drill(
    "bad-write",
    "bad messages and overwritten keys are replicated",
    Fault.BAD_WRITE,
    play,
    _replicated,
    moves=False,
    subjects=(),
)
