"""Messages that have no place in the stream that serves: kept whole, beside it, before their last copy is deleted.

One stream in the serving region for all of them. Each message keeps its subject, its headers and its time in headers of
ours, so that nothing of it acts by itself; a person decides what becomes of it.
"""

from __future__ import annotations

from typing import Any

from secondsite.nats.stored import StoredMessage
from secondsite.operate.action import failed
from secondsite.operate.layout import StreamPlacement
from secondsite.operate.world import StreamsDoor

UNPLACED = "secondsite-unplaced"
_SUBJECT = "secondsite.unplaced"
_WHY, _ON, _STORED, _WAS = "Secondsite-Why", "Secondsite-Subject", "Secondsite-Stored", "Secondsite-Was-"
WAS_ID = f"{_WAS}Nats-Msg-Id"


async def make_room(serving: StreamsDoor, beside: StreamPlacement) -> None:
    """The stream, with as many replicas as the one beside it; as it is where it exists already."""
    if await serving.stream(UNPLACED) is not None:
        return
    config: dict[str, Any] = {
        "name": UNPLACED,
        "subjects": [f"{_SUBJECT}.>"],
        "num_replicas": beside.stream.replicas,
        "storage": "file",
        "allow_direct": True,
        "deny_delete": True,
        "deny_purge": True,
    }
    if beside.cluster.gateways:
        config["placement"] = {"cluster": beside.cluster.name}
    await serving.create(config)


async def save_unplaced(
    serving: StreamsDoor, mark: str, source: StreamPlacement, message: StoredMessage, why: str
) -> None:
    """Raises FinalError where it was not stored: then nothing may be deleted. Saved already is done."""
    subject = f"{_SUBJECT}.{source.region}.{source.name}.{message.sequence}"
    saved = await serving.newest(UNPLACED, subject)
    if saved is not None and saved.headers.get(_STORED) == message.at and saved.data == message.data:
        return
    headers = {f"{_WAS}{key}": value for key, value in message.headers.items()}
    own = {_ON: message.subject, _WHY: why, _STORED: message.at, "Nats-Msg-Id": f"{mark}/{message.at}"}
    answer = await serving.publish(subject, message.data, headers | own)
    if answer.code or answer.stream != UNPLACED:
        stored = f"{answer.why} ({answer.code})" if answer.code else f"stored by {answer.stream}"
        what = f"{source.name} {message.sequence} has no place ({why}) and cannot be saved in {UNPLACED}: {stored}"
        raise failed(what, f"free space for {UNPLACED}, then resume; nothing was deleted")
