"""Creates the streams, mirrors and consumers of a deployment on its servers, and waits until copies flow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from secondsite.lab.aged import AgedStream
from secondsite.lab.together import together
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.jetstream_config import dropped
from secondsite.model.nats import NatsCluster, Stream
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import connect
from secondsite.nats.jetstream import JetStream, RefusedError
from secondsite.nats.options import ConnectOptions
from secondsite.nats.restore import restore_stream
from secondsite.strategies.stream_config import consumer_config, stream_config

_NOT_YET = (10005, 10008, 10023, 10035, 10059)
"""No suitable peers, meta leader, resources, leader or such stream (yet): what a cluster says while it forms."""
_AGAIN = (*_NOT_YET, 10062)
"""Of a restore also that it stood still for a moment, as on a machine with other work; what is left of it goes."""
_RETRY_S = 0.1
_ANSWER_S = 1.0
_FOLLOWS_WITHIN_S = 3.0
"""What a mirror first asks its origin over a young gateway may be lost; it asks again after 40 s (2.10, 2.11)."""


async def create_streams(
    deployment: Deployment, urls: Mapping[str, str], within_s: float, aged: Mapping[str, AgedStream] = {}
) -> None:
    """``urls``: comma-separated client URLs by region. Origins before the copies that read from them.

    An origin that is among ``aged`` begins with what that holds.
    """
    deadline = time.monotonic() + within_s
    plain = [(c, s) for c in deployment.clusters for s in c.streams if not (s.mirror or s.sources)]
    copies = [(c, s) for c in deployment.clusters for s in c.streams if s.mirror or s.sources]
    for batch in (plain, copies):
        regions = {cluster.region or deployment.primary.region.name for cluster, _ in batch}
        mine = {r: [(c, s) for c, s in batch if (c.region or deployment.primary.region.name) == r] for r in regions}
        kept = aged if batch is plain else {}
        await together(_create_in(urls[region], mine[region], deadline, kept) for region in sorted(regions))


async def wait_for_jetstream(urls: str, within_s: float) -> None:
    """Until there is a meta leader and it answers."""
    deadline = time.monotonic() + within_s
    async with connect(parse_addresses(urls), ConnectOptions(timeout_s=5.0)) as connection:
        await _retry(JetStream(connection), "STREAM.NAMES", {}, deadline)


async def _create_in(
    urls: str, streams: list[tuple[NatsCluster, Stream]], deadline: float, aged: Mapping[str, AgedStream]
) -> None:
    async with connect(parse_addresses(urls), ConnectOptions(timeout_s=5.0)) as connection:
        jetstream = JetStream(connection)
        await together(
            _create(jetstream, cluster, stream, deadline, aged.get(stream.name)) for cluster, stream in streams
        )


async def _create(
    jetstream: JetStream, cluster: NatsCluster, stream: Stream, deadline: float, aged: AgedStream | None
) -> None:
    asked = stream_config(stream, cluster)
    if aged is None:
        made = await _retry(jetstream, f"STREAM.CREATE.{stream.name}", asked, deadline)
    else:
        await _begin_with(jetstream, aged, asked, deadline)
        made = await _retry(jetstream, f"STREAM.INFO.{stream.name}", {}, deadline)
    if lost := dropped(asked, made.get("config") or asked):
        what = f"nats-server {jetstream.version} drops {', '.join(lost)} of {stream.name} silently"
        raise InputError.at(
            "secondsite.yaml", what, "run a version that has it, or remove it from the stream's settings"
        )
    for consumer in stream.consumers:
        request = {"stream_name": stream.name, "config": consumer_config(consumer)}
        subject = f"CONSUMER.CREATE.{stream.name}.{consumer.name}"
        await _retry(jetstream, subject, request, deadline)
    if stream.mirror:
        await _made_to_follow(jetstream, cluster, stream, deadline)


async def _begin_with(jetstream: JetStream, aged: AgedStream, asked: Mapping[str, Any], deadline: float) -> None:
    """What a restore that was cut left is removed before the next."""
    while True:
        try:
            await restore_stream(jetstream, dict(asked), dict(aged.state), aged.chunks())
        except MachineError as error:
            if time.monotonic() > deadline or (isinstance(error, RefusedError) and error.code not in _AGAIN):
                raise
        else:
            return
        with suppress(MachineError):
            await jetstream.ask(f"STREAM.DELETE.{aged.name}", timeout_s=_ANSWER_S)
        await asyncio.sleep(_RETRY_S)


async def _made_to_follow(jetstream: JetStream, cluster: NatsCluster, stream: Stream, deadline: float) -> None:
    """A mirror that is deaf and has nothing to lose is created anew."""
    while time.monotonic() < deadline:
        if await _comes(lambda: _follows(jetstream, stream.name), time.monotonic() + _FOLLOWS_WITHIN_S):
            return
        info = await _retry(jetstream, f"STREAM.INFO.{stream.name}", {}, deadline)
        if not int((info.get("state") or {}).get("messages", 0)):
            with suppress(MachineError):
                await jetstream.ask(f"STREAM.DELETE.{stream.name}", timeout_s=_ANSWER_S)
            await _retry(jetstream, f"STREAM.CREATE.{stream.name}", stream_config(stream, cluster), deadline)
    what = f"{stream.name} did not catch up with its origin in time"
    raise MachineError.at("lab", what, "check the servers' logs in the lab's folder")


async def _retry(jetstream: JetStream, subject: str, request: Mapping[str, Any], deadline: float) -> Mapping[str, Any]:
    """Creating what exists already as asked for is no error in the API: it may be asked again."""
    while True:
        try:
            return await jetstream.ask(subject, request, timeout_s=_ANSWER_S)
        except RefusedError as refused:
            if refused.code not in _NOT_YET or time.monotonic() > deadline:
                raise
        except MachineError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_RETRY_S)


async def _follows(jetstream: JetStream, name: str) -> bool:
    """``active`` is -1 until the mirror heard from its origin."""
    try:
        info = await jetstream.ask(f"STREAM.INFO.{name}", timeout_s=_ANSWER_S)
    except RefusedError as refused:
        if refused.code not in _NOT_YET:
            raise
        return False
    return int((info.get("mirror") or {}).get("active", -1)) >= 0


async def _comes(done: Callable[[], Awaitable[bool]], deadline: float) -> bool:
    """False where it does not come in time."""
    while not await done():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_RETRY_S)
    return True
