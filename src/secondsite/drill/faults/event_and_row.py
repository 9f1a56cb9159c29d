"""The region is lost while each commit is also an event in a stream: afterwards the two have to agree.

The database and the stream are replicated on their own. What only one of them got across is found by id: an event whose
row is gone, a row whose event is gone. The latter is sent once the outbox goes on in the other region.
"""

from __future__ import annotations

from functools import partial

from secondsite.drill.faults import region_loss
from secondsite.drill.faults.split_brain import fits as with_a_database
from secondsite.drill.faults.spoiled_stores import leave_behind
from secondsite.drill.play import outbox
from secondsite.drill.play.outbox import Outbox
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.stores.agreement import compare

_CARRIED_S = 4.0
_SHOWN = 3


async def play(stage: Stage, *, broken: bool = False) -> None:
    """``broken``: the outbox stands still for a while and marks what it did not send; then the standby of the database
    stops following, and marks are believed.
    """
    store = stage.lab.databases.stores[0]
    (family, *_) = [one for one, _ in region_loss.mirrored(stage)]
    await outbox.lay_out(stage.lab, family, stage.home, stage.away)
    carrier = Outbox(stage.lab, store)
    await carrier.lay_out(stage.home)
    stage.background(carrier.keep_carrying(stage.home))
    await stage.pass_time(_CARRIED_S, f"each commit of {store} becomes an event")
    if broken:
        carrier.paused = True
        await stage.pass_time(_CARRIED_S, "the outbox has stopped")
        await carrier.forget(stage.home)
        carrier.paused = False
        await leave_behind(stage)
    await region_loss.play(stage)
    await _agree(stage, carrier, resent=not broken)


async def _agree(stage: Stage, carrier: Outbox, *, resent: bool) -> None:
    arrived = await carrier.events(stage.away)
    rows = await carrier.rows(stage.away)
    agreement = compare(rows, arrived)
    gone = agreement.events_without_row
    what = f"{len(gone)} of {agreement.events} events have lost their row{_named(gone)}"
    stage.observe(what, not gone and agreement.events > 0)
    if resent:
        await outbox.promote(stage.lab, stage.away)
        await carrier.take_back(stage.away)
        await carrier.carry(stage.away)
    after = compare(rows, await carrier.events(stage.away))
    silent = after.rows_without_event
    stage.observe(
        f"{len(silent)} of {after.rows} rows have no event once the outbox goes on{_named(silent)}", not silent
    )


def _named(ids: tuple[str, ...]) -> str:
    return f": {', '.join(ids[:_SHOWN])}{' …' if len(ids) > _SHOWN else ''}" if ids else ""


def fits(deployment: Deployment) -> str:
    return with_a_database(deployment) or mirrored(deployment)


broken = partial(play, broken=True)
DRILL = Drill(
    "event-and-row",
    "lost while each commit is also an event in a stream",
    Fault.REGION,
    play,
    fits,
    subjects=(),
    databases=True,
)
