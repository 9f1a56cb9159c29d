"""A provider's data plane: what the checks find is what is answered, and nobody changes a record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import dns.rcode
import pytest
from asked_names import HOST, KEY, addresses, asked, update
from attrs import evolve

from secondsite.lab.checked_records import CheckedAddress
from secondsite.lab.dns_server import Zone
from secondsite.lab.http_get import http_get
from secondsite.lab.options import LabOptions
from secondsite.lab.world import Lab
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.units import Seconds

EAST, WEST = "127.1.0.81", "127.2.0.81"
BAD = 3


def _zone(*, one: bool) -> Zone:
    checks: list[dict[str, Any]] = [
        {"address": host, "at": [host, 80], "path": "/health", "interval_s": 1.0, "threshold": BAD}
        for host in (EAST, WEST)
    ]
    return Zone("example.io.", {}, KEY, {HOST: {"ttl_s": 60, "one": one, "addresses": checks}})


def _find(zone: Zone, east: int, west: int) -> set[str]:
    """With so many failures in a row each."""
    (records,) = zone.checked.values()
    for each, failures in zip(records.addresses, (east, west), strict=True):
        each.failures = failures
    return set(addresses(asked(zone)))


@pytest.mark.parametrize(
    ("one", "east", "west", "answered"),
    [
        (True, 0, 0, {EAST}),
        (True, BAD - 1, 0, {EAST}),
        (True, BAD, 0, {WEST}),
        (True, BAD, BAD, {EAST}),
        (False, 0, 0, {EAST, WEST}),
        (False, BAD, 0, {WEST}),
        (False, 0, BAD, {EAST}),
        (False, BAD, BAD, {EAST, WEST}),
    ],
)
def test_what_is_good_is_answered_and_all_where_nothing_is(one: bool, east: int, west: int, answered: set[str]) -> None:
    assert _find(_zone(one=one), east, west) == answered


def test_people_declare_a_check_bad_and_take_it_back() -> None:
    zone = _zone(one=True)
    zone.obey({"bad": [EAST]})
    assert addresses(asked(zone)) == [WEST]
    zone.obey({"stuck": True, "bad": []})
    assert addresses(asked(zone)) == [WEST], "the control plane is stuck, the data plane is not"
    zone.obey({"stuck": False, "bad": []})
    assert addresses(asked(zone)) == [EAST]


def test_no_update_changes_what_is_checked() -> None:
    zone = _zone(one=True)
    assert update(zone, "127.9.0.1") == dns.rcode.REFUSED
    assert addresses(asked(zone)) == [EAST]


def test_so_many_failures_in_a_row_are_bad_and_one_success_is_good() -> None:
    statuses = [200, 503, 503, 503, 200, 200]
    seen: list[bool] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        seen.append(checked.good)
        writer.write(f"HTTP/1.1 {statuses[len(seen) - 1] if len(seen) <= len(statuses) else 200} OK\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def watched() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            checked.at = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
            work = asyncio.ensure_future(checked.watch())
            for _ in range(1000):
                if len(seen) > len(statuses):
                    break
                await asyncio.sleep(0.01)
            work.cancel()

    checked = CheckedAddress("127.0.0.1", Endpoint("127.0.0.1", 1), "/health", 0.1, BAD)
    asyncio.run(watched())
    assert seen[:6] == [True, True, True, True, False, True]


async def _until(done: Callable[[], Awaitable[bool]], what: str) -> None:
    for _ in range(150):
        if await done():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(what)


@pytest.mark.slow
def test_clients_are_led_away_from_a_region_that_takes_no_writes_and_back(
    laid_out: Callable[[str], Deployment],
) -> None:
    """Its API lives and answers its health check; only the path of the first record's check tells the truth."""
    deployment = laid_out("warm-standby/leafnode-mirror/failover-record")
    traffic = evolve(deployment.traffic, check_interval_s=Seconds(0.5))
    east, west = deployment.primary.region.name, "us-west-2"

    async def led() -> None:
        async with Lab.up(evolve(deployment, traffic=traffic), LabOptions()) as lab:
            at = lab.gateway(east)

            async def answered(region: str) -> bool:
                found = await lab.dns.get(lab.host)
                return found is not None and found.addresses == (lab.gateway(region).host,)

            await _until(lambda: answered(east), "the first region is answered with")
            assert (await http_get(at, "/health/writes", 2))[0] == 200
            servers = [server.name for server in lab.servers(east)]
            lab.kill(*servers)
            await _until(lambda: answered(west), "the data plane leads away")
            assert (await http_get(at, "/health", 2))[0] == 200
            await lab.restart(*servers)
            await _until(lambda: answered(east), "the data plane leads back")

    asyncio.run(led())
