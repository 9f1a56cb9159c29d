"""The slot of a database's standby is gone: that is seen, it follows again, and a loss of the region costs no more.

Nothing tells by itself: the primary takes writes, and the standby answers. Whoever looks sees that it receives nothing.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from secondsite.drill.faults import region_loss
from secondsite.drill.faults.split_brain import fits
from secondsite.drill.faults.spoiled_stores import NO_SLOT, leave_behind
from secondsite.drill.play.saved_rows import observe_received
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.model.fault import Fault
from secondsite.strategies.store_servers import SLOT

_FOLLOWS_WITHIN_S = 20.0
_PAUSE_S = 0.2


async def play(stage: Stage, *, mended: bool = True) -> None:
    """``mended``: somebody makes the slot again, before the WAL from when it was gone is gone too."""
    await leave_behind(stage, NO_SLOT)
    databases = stage.lab.databases
    for store in databases.stores:
        standby, primary = databases.server(store, stage.away), databases.server(store, stage.home)
        look, served = await standby.look(), await primary.look()
        followers = [one for one in served.followers if one.state == "streaming"]
        slots = [one.name for one in served.slots]
        facts = f"{len(followers)} followers, slots {slots or 'none'}, {served.position - look.position:,} bytes apart"
        lacking = not followers and SLOT not in slots and served.position > look.position
        stage.observe(f"who looks at {store} sees that its standby receives nothing: {facts}", lacking)
        if mended:
            await primary.keep_for(SLOT)
            again_s = await _follows(stage, store)
            stage.observe(f"with a slot again it follows after {again_s:.1f} s", again_s < _FOLLOWS_WITHIN_S)
    gap_ns = time.monotonic_ns()
    await region_loss.play(stage)
    await observe_received(stage, gap_ns, "before the loss")


async def _follows(stage: Stage, store: str) -> float:
    """Until it has all that the primary had when it was asked; the limit where it never does."""
    databases, begin = stage.lab.databases, time.monotonic()
    position = (await databases.server(store, stage.home).look()).position
    while (await databases.server(store, stage.away).look()).replayed < position:
        if time.monotonic() > begin + _FOLLOWS_WITHIN_S:
            return _FOLLOWS_WITHIN_S
        await asyncio.sleep(_PAUSE_S)
    return time.monotonic() - begin


unseen = partial(play, mended=False)
DRILL = Drill(
    "slot-gone",
    "the slot of a database's standby is gone, then the region is lost",
    Fault.REGION,
    play,
    fits,
    subjects=(),
    databases=True,
)
