"""Asks a running NATS server what it is and holds: read-only, bounded, as one account sees it."""

from __future__ import annotations

import asyncio
import time

from secondsite.discover.live import LiveNats, LiveStream
from secondsite.model.errors import MachineError
from secondsite.nats.address import Address, parse_addresses
from secondsite.nats.connection import Connection, connect
from secondsite.nats.jetstream import STREAM_NOT_FOUND, JetStream, Json
from secondsite.nats.monitor import Monitored, read_monitor
from secondsite.nats.options import MAX_SAMPLE_S, ConnectOptions

MONITOR_PORT = 8222
CONCURRENT_REQUESTS = 8


async def inspect(url: str, *, options: ConnectOptions, monitor: str | None) -> LiveNats:
    """What the server at ``url`` says. ``monitor`` is its monitoring URL; without one, port 8222 is tried.

    Takes ``options.sample_s`` longer than its requests, to see how fast streams grow. Raises MachineError for
    what the server or the network refuses, InputError for an address or a file that cannot be used.
    """
    addresses = parse_addresses(url)
    async with connect(addresses, options) as connection:
        jetstream, missing = JetStream(connection), set[str]()
        account = await jetstream.ask("INFO", timeout_s=connection.timeout_s)
        begin, before = time.monotonic(), await _all(jetstream, "STREAM.LIST", "streams", missing)
        monitored, notes = await _monitor(connection, addresses[0], options, monitor)
        consumers = await _consumers(jetstream, before, missing)
        if before:
            await asyncio.sleep(max(0.0, min(options.sample_s, MAX_SAMPLE_S) - (time.monotonic() - begin)))
        after = await _all(jetstream, "STREAM.LIST", "streams", missing) if before else []
        rates = _rates(before, after, time.monotonic() - begin)
        streams = tuple(
            LiveStream(info, tuple(consumers.get(_name(info), ())), rates.get(_name(info))) for info in after
        )
        return LiveNats(
            url=connection.shown,
            server=dict(connection.server),
            account=account,
            streams=streams,
            monitor=monitored.url if monitored else "",
            varz=monitored.varz if monitored else None,
            routez=monitored.routez if monitored else None,
            jsz=monitored.jsz if monitored else None,
            healthz=monitored.healthz if monitored else None,
            notes=(*notes, *_missing(missing)),
        )


async def _all(jetstream: JetStream, subject: str, key: str, missing: set[str]) -> list[Json]:
    lost: list[str] = []
    pages = await jetstream.pages(subject, key, lost, timeout_s=jetstream.connection.timeout_s)
    missing.update(lost)
    return [item for item in pages if isinstance(item, dict)]


def _missing(missing: set[str]) -> tuple[str, ...]:
    if not missing:
        return ()
    names = ", ".join(sorted(missing)[:10])
    return (f"{len(missing)} streams or consumers did not answer and were not read: {names}",)


def _name(info: Json) -> str:
    config = info.get("config")
    return str(config.get("name")) if isinstance(config, dict) else ""


def _last_sequence(info: Json) -> int | None:
    state = info.get("state")
    sequence = state.get("last_seq") if isinstance(state, dict) else None
    return sequence if isinstance(sequence, int) else None


def _rates(before: list[Json], after: list[Json], seconds: float) -> dict[str, float]:
    """Messages a second by stream; a stream that came, went or began anew between the readings has none."""
    first = {_name(info): _last_sequence(info) for info in before}
    rates: dict[str, float] = {}
    for info in after:
        begin, end = first.get(_name(info)), _last_sequence(info)
        if begin is not None and end is not None and end >= begin and seconds > 0:
            rates[_name(info)] = (end - begin) / seconds
    return rates


async def _consumers(jetstream: JetStream, streams: list[Json], missing: set[str]) -> dict[str, list[Json]]:
    """All consumers by stream; a stream deleted in the meantime has none."""
    limit = asyncio.Semaphore(CONCURRENT_REQUESTS)
    consumers: dict[str, list[Json]] = {}

    async def read(name: str) -> None:
        async with limit:
            consumers[name] = await _all(jetstream, f"CONSUMER.LIST.{name}", "consumers", missing)

    names = [_name(info) for info in streams if (info.get("state") or {}).get("consumer_count")]
    outcomes = await asyncio.gather(*(read(name) for name in names), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and getattr(outcome, "code", 0) != STREAM_NOT_FOUND:
            raise outcome
    return consumers


async def _monitor(
    connection: Connection, address: Address, options: ConnectOptions, monitor: str | None
) -> tuple[Monitored | None, tuple[str, ...]]:
    """The endpoint that was named; else the one on the usual port, if it belongs to this server or cluster."""
    if monitor:
        monitored = await read_monitor(monitor, tls=options.tls(), timeout_s=options.timeout_s)
        if _same(connection.server, monitored.varz):
            return monitored, ()
        raise MachineError.at(monitor, "is of another NATS cluster", "give the monitoring URL of the cluster in --nats")
    guess = f"http://{address.host}:{MONITOR_PORT}"
    try:
        monitored = await read_monitor(guess, tls=None, timeout_s=min(2.0, options.timeout_s))
    except MachineError:
        note = f"no monitoring endpoint at {guess}: sync interval, stores and links were not read (give --monitor)"
        return None, (note,)
    if not _same(connection.server, monitored.varz):
        return None, (f"{guess} belongs to another NATS cluster and was not used (give --monitor)",)
    return monitored, ()


def _same(server: Json, varz: Json) -> bool:
    cluster = varz.get("cluster")
    name = cluster.get("name") if isinstance(cluster, dict) else None
    return varz.get("server_id") == server.get("server_id") or bool(name and name == server.get("cluster"))
