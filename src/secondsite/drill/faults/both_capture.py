"""Two regions that store each other's writes: which of them did the other's stream take in by itself?"""

from __future__ import annotations

from secondsite.drill.play.lab_world import place
from secondsite.drill.play.stage import Stage
from secondsite.lab.moment import Moment
from secondsite.nats.direct import direct_messages
from secondsite.nats.streams import StreamApi

_WRITES = 50


async def both_capture(stage: Stage) -> None:
    """Writes at home, asked of the other region: which of them did its own stream take in by itself?"""
    stage.struck(Moment.now(), "nothing: both regions accept writes")
    family, ids = stage.families[0], [f"both-{number}" for number in range(_WRITES)]
    stage.path.written.update(ids)
    subject = stage.load.clients[0].streams[0].of_key(0)
    async with place(stage.lab, stage.home).open() as opened:
        for each in ids:
            await StreamApi(opened).publish(subject, b"", {"Nats-Msg-Id": each})
    await stage.pass_time(2.0, "both regions source from each other")
    placement = family.at(stage.away)
    if placement is None:
        return
    async with place(stage.lab, stage.away).open() as opened:
        state = await StreamApi(opened).stream(placement.name)
        messages = direct_messages(opened, placement.name, state.first_seq, state.last_seq) if state else None
        headers = [message.headers async for message in messages] if messages else []
    own = sum(each.get("Nats-Msg-Id") in ids and "Nats-Stream-Source" not in each for each in headers)
    stage.observe(
        f"writes of one region that the other region's stream captured by itself: {own} of {_WRITES}", own == 0
    )
