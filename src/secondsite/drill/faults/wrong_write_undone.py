"""Where an archive goes on, a wrong write is undone to the message: each stream as it was right before the first one.

Good messages that came after it are in the archive too. Those that do not depend on the wrong ones are listed, and the
list is compared with what the stream itself held.
"""

from __future__ import annotations

import asyncio
import time

from secondsite.archive.after import Dependence, LaterMessage, WrongWrites, judged
from secondsite.drill.evidence.events import Milestone
from secondsite.drill.play.lab_backup import LabArchive
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.stage import Stage
from secondsite.drill.play.wrong_writes import (
    ALL,
    KEYS,
    NONE,
    WRITES,
    WRONG,
    WrongMessages,
    captured,
    create_bucket,
    last_of,
    put,
    write_wrong,
)
from secondsite.lab.moment import Moment
from secondsite.model.errors import MachineError
from secondsite.nats.direct import direct_messages
from secondsite.operate.layout import StreamPlacement
from secondsite.strategies.archiver import EVERY_S

_BETWEEN_S = 3.0
_NOTICED_S = 2.0
_LOOK_S = 0.5
_SHIPPED_WITHIN_S = 4 * EVERY_S


async def play(stage: Stage) -> None:
    events = stage.families[0].origin
    bucket = await create_bucket(stage, events)
    archive = LabArchive(stage.lab)
    await _shipped(archive, bucket, KEYS)
    await stage.pass_time(_BETWEEN_S, "good writes go on")
    stage.struck(Moment.now(), f"a release writes {WRITES} bad messages and overwrites {KEYS} keys")
    wrong = await write_wrong(stage, events)
    await put(stage, bucket, WRONG)
    held = await captured(stage, (events, bucket), wrong)
    stage.observe(f"{stage.home} holds {held}", held == ALL)
    await stage.pass_time(_NOTICED_S, "somebody detects it and decides")
    stage.reach(Milestone.DETECTED)
    stage.reach(Milestone.DECIDED, by="a person, simulated by the drill")
    await _list_good(stage, archive, events, wrong)
    last_good = wrong.first - 1
    refused = await archive.undo(stage.home, events.name, last_good, (events.name, bucket.name))
    if any(refused.values()):
        raise MachineError.at("restore", "; ".join(why for why in refused.values() if why), "check the lab's logs")
    stage.reach(Milestone.EXECUTED)
    held = await captured(stage, (events, bucket), wrong)
    kept = await _ids(stage, events, last_good, last_good)
    stage.observe(
        f"restored to message {last_good} of {events.name}, the last before the first bad one: {held} are left",
        held == NONE and len(kept) == 1,
    )
    await stage.settled()


async def _list_good(stage: Stage, archive: LabArchive, events: StreamPlacement, wrong: WrongMessages) -> None:
    """From the archive, once it holds all that the stream holds now; and the same from the stream itself."""
    last_good, until = wrong.first - 1, await last_of(stage, events)
    await _shipped(archive, events, until)
    which = WrongWrites(ids=tuple(sorted(wrong.ids)))
    listed = [each async for each in archive.later(events.name, last_good) if each.sequence <= until]
    there = await _later(stage, events, last_good, until)
    of_archive = {each.message.message_id: each.dependence for each in judged(listed, which)}
    of_stream = {each.message.message_id: each.dependence for each in judged(there, which)}
    good = [each for each in of_archive.values() if each is not Dependence.WRONG]
    independent = sum(each is Dependence.INDEPENDENT for each in good)
    stage.note("good-writes-after", independent=[key for key, s in of_archive.items() if s is Dependence.INDEPENDENT])
    stage.observe(
        f"of {len(good)} good messages after the first bad one the archive lists {independent} that do not depend on "
        f"the bad ones; {len(good) - independent} are on subjects that received bad messages earlier",
        of_archive == of_stream and len(of_archive) - len(good) == WRITES,
    )


async def _later(stage: Stage, events: StreamPlacement, after: int, until: int) -> list[LaterMessage]:
    async with place(stage.lab, events.region).open() as opened:
        return [
            LaterMessage(each.sequence, 0, each.subject, each.headers.get("Nats-Msg-Id", ""), len(each.data), each.data)
            async for each in direct_messages(opened, events.name, after + 1, until)
        ]


async def _ids(stage: Stage, events: StreamPlacement, first: int, last: int) -> list[str]:
    return [each.message_id for each in await _later(stage, events, first - 1, last)]


async def _shipped(archive: LabArchive, stream: StreamPlacement, until: int) -> None:
    """Until the archive holds this message of the stream."""
    end = time.monotonic() + _SHIPPED_WITHIN_S
    while await archive.reaches(stream.name) < until:
        if time.monotonic() > end:
            what = f"message {until} is not in the archive after {_SHIPPED_WITHIN_S:g} s"
            raise MachineError.at(stream.name, what, "check the archiver's log")
        await asyncio.sleep(_LOOK_S)
