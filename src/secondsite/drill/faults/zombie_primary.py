"""The dead region comes back by itself, while clients have moved on and no controller lives: one writer only.

A share of the users never asks for the name again and writes to it as soon as it is there. Its write gate has to hold
until somebody goes on with the procedure, who fences an unfenced region when it answers.
"""

from __future__ import annotations

import asyncio
import time

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.drill.play.stored_there import stored_only_there
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import StreamApi
from secondsite.operate.actions.fence import takes_writes
from secondsite.operate.journal import FENCED_ON_RETURN, read_journal
from secondsite.operate.layout import StreamFamily, StreamPlacement

_ALONE_S, _BACK_S = 5.0, 4.0
"""How long the region is back while no controller lives, and then with one."""
_FENCE_AGAIN_S, _ANSWER_S = 0.2, 2.0
_ASKED_S, _FENCED_WITHIN_S = 0.5, 30.0
_STUBBORN = 0.04


async def play(stage: Stage, *, fenced: bool = True) -> None:
    check = stage.watch()
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    await stage.fail_over()
    promoted_ns = time.monotonic_ns()
    stage.report(f"{stage.home} comes back, linked, with its old streams, while no controller is running")
    await stage.lab.restart_region(stage.home)
    await stage.lab.start_services(stage.home)
    stage.note("returned", region=stage.home)
    took = await _asked_as_a_writer(stage, _ALONE_S)
    stage.observe(f"writers that found the old primary accepting writes: {took}", took == 0)
    if fenced:
        await fence_again(stage)
    await stage.pass_time(_BACK_S, "two regions are up")
    stored = await stored_only_there(stage, stage.home, promoted_ns)
    queued = stage.buffered_by(stage.home, promoted_ns)
    stage.observe(f"writes that the old primary stored after it came back: {stored}", stored == 0)
    stage.note("queued-by-the-old-primary", count=queued)
    if queued:
        outcome = (
            f"the API of the returned region answered {queued} writes with 202 that it cannot "
            "store, as clients kept its address"
        )
        stage.observe(outcome, None)
    await stage.settled()


async def _asked_as_a_writer(stage: Stage, for_s: float) -> int:
    """How often a stream there showed that it takes writes, asked again and again with the writers' own login."""
    writer = NatsPlace(parse_addresses(stage.lab.nats_url(stage.home)), ConnectOptions(timeout_s=1.0))
    pairs = [(family, placement) for family in stage.families if (placement := family.at(stage.home))]
    end, took = time.monotonic() + for_s, 0
    while time.monotonic() < end:
        answers = await asyncio.gather(*(_takes(writer, family, placement) for family, placement in pairs))
        took += sum(answers)
        await asyncio.sleep(_ASKED_S)
    return took


async def _takes(writer: NatsPlace, family: StreamFamily, placement: StreamPlacement) -> bool:
    """Whoever is refused gets no answer."""
    try:
        async with asyncio.timeout(_ANSWER_S), writer.open() as opened:
            return await takes_writes(StreamApi(opened), family, placement)
    except (MachineError, TimeoutError):
        return False


async def fence_again(stage: Stage) -> None:
    """Somebody resumes the procedure, which is done but for a region that was unfenced."""
    end = time.monotonic() + _FENCED_WITHIN_S
    while not _fenced_on_return(stage) and time.monotonic() < end:
        await stage.fail_over("the lost region answers again")
        await asyncio.sleep(_FENCE_AGAIN_S)
    fenced = _fenced_on_return(stage)
    stage.observe(f"resumed, the procedure fences {stage.home}", fenced)
    if fenced:
        stage.note(FENCED_ON_RETURN, region=stage.home)
        stage.report(f"{stage.home} is fenced")


def _fenced_on_return(stage: Stage) -> bool:
    return any(FENCED_ON_RETURN in entry.data for entry in read_journal(stage.writer.journal))


DRILL = Drill(
    "zombie-primary",
    "the lost region comes back by itself",
    Fault.REGION,
    play,
    mirrored,
    ignoring_ttl=_STUBBORN,
)
