"""`--done change-traffic` is somebody's word: the record is looked up, at a real name server, before it is believed."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fake_world import FakeWorld
from odd_world import AWAY, HOME, Impatient, context_of, failover_of, layout, step_of

from secondsite.lab.dns_server import Zone
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, RegionEntrance
from secondsite.model.procedure import Verb
from secondsite.operate.action import Facts, FinalError
from secondsite.operate.record_look import ResolvedRecord, record_look
from secondsite.operate.verbs import EXECUTORS
from secondsite.strategies.design import Kit

HOST = "api.example.com"
KEY = base64.b64encode(b"k" * 32).decode()


class _Answering(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if answer := self.zone.answer(data):
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def name_server(*addresses: str) -> AsyncIterator[tuple[Zone, Endpoint]]:
    """The record leads to these; ``west.example.com`` is the load balancer of the standby."""
    by_name = {f"{HOST}.": list(addresses), "west.example.com.": ["10.2.0.1"]}
    records = {name: {"ttl_s": 1, "addresses": at} for name, at in by_name.items()}
    zone, found = Zone("example.com.", records, KEY), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.bind(("127.0.0.1", 0))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Answering(zone), sock=found)
    try:
        yield zone, Endpoint(*found.getsockname())
    finally:
        transport.close()


class _Notes(list[tuple[str, Facts]]):
    """As a context gives them."""


def _told(kit: Kit, leads_to: str, entrances: dict[str, str]) -> tuple[Facts | FinalError, _Notes]:
    """What comes of it where somebody says that it is done."""
    deployment = layout(kit)
    procedure, notes = failover_of(deployment, kit, Fault.REGION), _Notes()
    world = Impatient(deployment, {HOME})
    world.dns = None

    async def run() -> Facts | FinalError:
        async with name_server(leads_to) as (_, at):
            world.record_look = ResolvedRecord(HOST, entrances, (at,))
            step = step_of(procedure, Verb.CHANGE_TRAFFIC)
            try:
                return await EXECUTORS[Verb.CHANGE_TRAFFIC].run(context_of(world, procedure, notes=notes), step)
            except FinalError as error:
                return error

    return asyncio.run(run()), notes


def test_a_record_that_did_not_move_is_not_believed(kit: Kit) -> None:
    found, notes = _told(kit, "10.1.0.1", {AWAY: "10.2.0.1"})
    assert isinstance(found, FinalError)
    assert ("retried", {"why": f"{HOST} leads to 10.1.0.1, not to 10.2.0.1"}) in notes


@pytest.mark.parametrize("entrance", ["10.2.0.1", "west.example.com"])
def test_one_that_leads_there_is(kit: Kit, entrance: str) -> None:
    found, _ = _told(kit, "10.2.0.1", {AWAY: entrance})
    assert not isinstance(found, FinalError)
    assert found["record"] == ["10.2.0.1"]


def test_where_nobody_said_where_it_should_lead_that_is_said(kit: Kit) -> None:
    found, notes = _told(kit, "10.1.0.1", {HOME: "10.1.0.1"})
    assert not isinstance(found, FinalError)
    assert "record" not in found
    assert [kind for kind, _ in notes] == ["unchecked"]


@pytest.mark.slow
def test_a_name_that_nobody_has_leads_nowhere_and_silence_is_no_answer() -> None:
    async def run() -> tuple[tuple[str, ...], tuple[str, ...]]:
        async with name_server("10.1.0.1") as (_, at):
            look = ResolvedRecord("none.example.com", {}, (at,))
            return await look.now(), await look.of(AWAY)

    assert asyncio.run(run()) == ((), ())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        with pytest.raises(MachineError, match=f"no answer for {HOST}"):
            asyncio.run(ResolvedRecord(HOST, {}, (Endpoint(*deaf.getsockname()),)).now())


def test_without_a_host_or_an_entrance_there_is_nothing_to_look_at() -> None:
    operate = Operate(entrances=(RegionEntrance(AWAY, "10.2.0.1"),))
    assert record_look("", operate) is None
    assert record_look(HOST, None) is None
    assert record_look(HOST, Operate()) is None
    assert record_look(HOST, operate) == ResolvedRecord(HOST, {AWAY: "10.2.0.1"})


def test_the_plan_shows_where_it_leads_now(kit: Kit) -> None:
    deployment = layout(kit)
    procedure, world = failover_of(deployment, kit, Fault.REGION), FakeWorld(deployment, {HOME})
    world.dns = None

    async def run() -> tuple[str, ...]:
        async with name_server("10.1.0.1") as (_, at):
            world.record_look = ResolvedRecord(HOST, {AWAY: "10.2.0.1"}, (at,))
            context, step = context_of(world, procedure), step_of(procedure, Verb.CHANGE_TRAFFIC)
            return (await EXECUTORS[Verb.CHANGE_TRAFFIC].look(context, step)).now

    assert f"{HOST} leads to 10.1.0.1" in asyncio.run(run())
