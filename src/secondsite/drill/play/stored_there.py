"""What a region stored by itself: acknowledged through its address, and not where clients are served.

In one super-cluster an API stores in whichever region has the stream, so its own address alone says nothing.
"""

from __future__ import annotations

import numpy as np

from secondsite.drill.check.rto import reached
from secondsite.drill.ledger.record import Status
from secondsite.drill.play.final_reads import message_ids
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.stage import Stage


async def stored_only_there(stage: Stage, region: str, since_ns: int) -> int:
    """Writes that were sent after the moment and stored by this region's own streams."""
    history = stage.history()
    mine = reached(history.endpoint, [f"{stage.lab.addresses.network(region)}.0.0/24"])
    rows = np.flatnonzero((history.intent_ns > since_ns) & mine & (history.status == Status.STORED))
    if not len(rows):
        return 0
    serving = await message_ids(place(stage.lab, stage.away), stage.families, stage.away)
    return len(set(history.message_ids(rows)) - serving)
