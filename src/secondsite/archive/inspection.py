"""What a server says of its streams now, and what of it is new. Reads only."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.archive.entries import nanoseconds
from secondsite.archive.spans import Span, spans_of
from secondsite.backup.target import is_held_back
from secondsite.model.errors import MachineError
from secondsite.model.jetstream_config import is_internal
from secondsite.nats.jetstream import STREAM_NOT_FOUND, JetStream, Json, RefusedError

ASKED_AT_ONCE = 8
LASTING_NS = 60 * 10**9  # consumers that go after less without a client are their clients'
_POSITIONS = ("ack_floor", "delivered")


@frozen
class StreamInfo:
    """One stream as its leader has it. ``gone`` is None where it was not asked."""

    name: str
    created: str
    at_ns: int
    config: Json
    first_seq: int
    last_seq: int
    messages: int
    bytes: int
    num_deleted: int
    consumer_count: int
    gone: tuple[Span, ...] | None

    @property
    def quick(self) -> bool:
        """Whether it may be read by a consumer that leaves no trace."""
        return str(self.config.get("retention", "limits")) == "limits"

    @property
    def config_mark(self) -> str:
        """Without what the servers add themselves: a cluster's list of streams lacks some of it."""
        metadata = {key: value for key, value in (self.config.get("metadata") or {}).items() if not _added(key)}
        return mark({**self.config, "metadata": metadata})


def _added(key: str) -> bool:
    return key.startswith("_nats.")


async def overview(jetstream: JetStream, known: Iterable[str]) -> tuple[dict[str, StreamInfo], tuple[str, ...]]:
    """All streams, and the names of those that have no leader; the known ones alone while there is no meta leader."""
    missing: list[str] = []
    try:
        listed = await jetstream.pages("STREAM.LIST", "streams", missing)
    except MachineError:
        names = tuple(known)
        if not names:
            raise
        return await _one_by_one(jetstream, names)
    streams = (_parsed(answer) for answer in listed)
    return {info.name: info for info in streams if not is_held_back(info.config)}, tuple(sorted(missing))


async def _one_by_one(jetstream: JetStream, names: tuple[str, ...]) -> tuple[dict[str, StreamInfo], tuple[str, ...]]:
    slots = asyncio.Semaphore(ASKED_AT_ONCE)

    async def one(name: str) -> StreamInfo | None:
        async with slots:
            try:
                return await stream_info(jetstream, name, details=False)
            except MachineError:
                return None

    infos = await asyncio.gather(*(one(name) for name in names))
    if not any(infos):
        what = "no stream could be inspected, and no list of streams was given"
        raise MachineError.at(jetstream.shown, what, "bring back a majority of the servers")
    lost = tuple(name for name, info in zip(names, infos, strict=True) if info is None)
    return {info.name: info for info in infos if info}, lost


async def stream_info(jetstream: JetStream, name: str, *, details: bool) -> StreamInfo | None:
    """One stream; None where there is none."""
    try:
        answer = await jetstream.ask(f"STREAM.INFO.{name}", {"deleted_details": details}, timeout_s=30)
    except RefusedError as refused:
        if refused.code == STREAM_NOT_FOUND:
            return None
        raise
    return _parsed(answer, details=details)


def _parsed(answer: Json, *, details: bool = False) -> StreamInfo:
    state = answer["state"]
    return StreamInfo(
        name=str(answer["config"]["name"]),
        created=str(answer["created"]),
        at_ns=nanoseconds(str(answer.get("ts", ""))),
        config=answer["config"],
        first_seq=int(state["first_seq"]),
        last_seq=int(state["last_seq"]),
        messages=int(state["messages"]),
        bytes=int(state["bytes"]),
        num_deleted=int(state.get("num_deleted") or 0),
        consumer_count=int(state.get("consumer_count") or 0),
        gone=spans_of(sorted(state.get("deleted") or ())) if details else None,
    )


async def consumers(jetstream: JetStream, stream: str) -> tuple[dict[str, Any], ...]:
    """Those that outlive their clients, with their positions and without what changes by itself."""
    listed = await jetstream.pages(f"CONSUMER.LIST.{stream}", "consumers")
    lasting = (info for info in listed if not is_internal(str(info["name"])) and _lasting(info["config"]))
    return tuple(sorted((_plain(info) for info in lasting), key=lambda info: str(info["name"])))


def _lasting(config: Json) -> bool:
    return bool(config.get("durable_name")) or int(config.get("inactive_threshold") or 0) >= LASTING_NS


def _plain(info: Json) -> dict[str, Any]:
    static = {key: info[key] for key in ("stream_name", "name", "created", "config")}
    positions = {
        key: {part: int(info[key][part]) for part in ("consumer_seq", "stream_seq")}
        for key in _POSITIONS
        if key in info
    }
    return {**static, **positions}


def mark(content: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> str:
    """Tells one content from another."""
    plain = content if isinstance(content, Mapping) else list(content)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:32]
