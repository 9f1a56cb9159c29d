"""An operator purges a stream, then the region is lost: the mirror kept what was purged, and it is back."""

from __future__ import annotations

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.ledger.ledger import Ledger, LedgerHeader
from secondsite.drill.ledger.record import RecordKind
from secondsite.drill.load.client_config import ClientConfig
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.nats.streams import StreamApi

OPERATOR = 999


async def play(stage: Stage) -> None:
    check = stage.watch()
    removed = await purge(stage)
    await stage.pass_time(2.0, "the purge has time to replicate")
    kept = await _messages_at(stage, stage.away)
    stage.observe(f"the mirror holds {kept} messages of a stream of which {removed} were purged", kept >= removed > 0)
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    if await stage.fail_over():
        await stage.settled()


async def purge(stage: Stage) -> int:
    """Of the first stream, all that is there; in a ledger of the operator's own. How many messages went."""
    config: ClientConfig = stage.load.clients[0]
    name = stage.families[0].name
    number = [stream.name for stream in config.streams].index(name)
    path = stage.writer.ledgers / "operator.ledger"
    async with place(stage.lab, stage.home).open() as opened:
        streams = StreamApi(opened)
        state = await streams.stream(name)
        if state is None:
            raise MachineError.at(name, "does not exist, so it cannot be purged", "check the lab's logs")
        with Ledger.create(path, LedgerHeader(config.run, OPERATOR, config.streams)) as ledger:
            ledger.erasure(RecordKind.PURGE, number, state.last_seq + 1)
            await streams.purge(name, below=state.last_seq + 1)
            ledger.erasure(RecordKind.PURGED, number, state.last_seq + 1)
    stage.extra_ledgers.append(path)
    stage.note("purged", stream=name, messages=state.messages)
    stage.report(f"an operator purges {name}: {state.messages} messages")
    return state.messages


async def _messages_at(stage: Stage, region: str) -> int:
    placement = stage.families[0].at(region)
    async with place(stage.lab, region).open() as opened:
        state = await StreamApi(opened).stream(placement.name) if placement else None
    return state.messages if state else 0


DRILL = Drill(
    "purge",
    "a stream is purged, then the region is lost",
    Fault.DELETION,
    play,
    mirrored,
    procedure=Fault.REGION,
)
