"""Whatever has a capacity is checked against the load at its peak, and what forbids is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.bill import Bill
from secondsite.evaluate.capacity import overloaded, server_load
from secondsite.evaluate.nodes import node_need
from secondsite.model.deployment import Deployment, LinkKind, WanLink
from secondsite.model.economics import Economics
from secondsite.model.load import Load
from secondsite.model.nats import Consumer, NatsCluster, Storage, Stream
from secondsite.model.procedure import Verb
from secondsite.model.service import Autoscale, Role
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import Bytes
from secondsite.strategies.compose import failback, lay_out
from secondsite.strategies.design import Kit

STREAM = Stream("ORDERS", subjects=("orders.>",), replicas=3, consumers=(Consumer("a"), Consumer("b")))


def busy(system: System, peak_per_s: float, size: int) -> System:
    cluster = NatsCluster("nats", service="nats", streams=(STREAM,))
    return evolve(system, load=Load(1.0, peak_per_s, Bytes(size)), nats=(cluster,))


def test_each_server_of_three_stores_every_message_and_sends_its_share(kgents: System) -> None:
    system = busy(kgents, 300, 1000)
    load = server_load(system, system.nats[0])
    assert (load.messages_per_s, load.disk_bytes_per_s) == (300, 300_000)
    assert load.network_bytes_per_s == 4 * 300_000 / 3, "two followers and two consumers, led by a third of the servers"


@pytest.mark.parametrize(
    ("peak_per_s", "size", "figure"),
    [(60_001, 10, "server.messages"), (126, 10**6, "disk.write"), (99, 10**6, "node.network"), (90, 10**6, "")],
)
def test_what_forbids_is_named(
    peak_per_s: float,
    size: int,
    figure: str,
    single_region: Callable[..., Deployment],
    catalogue: Catalogue,
    kgents: System,
) -> None:
    system = busy(kgents, peak_per_s, size)
    if figure in ("disk.write", ""):  # alone: without consumers the interface carries what the disk takes
        system = evolve(system, nats=tuple(evolve(c, streams=(evolve(STREAM, consumers=()),)) for c in system.nats))
    why = overloaded(single_region(system), catalogue)
    assert figure in why if figure else not why


@pytest.mark.parametrize(
    ("pods", "limit", "peak_per_s", "cores"),
    [
        (2, 0.5, 2001, "2 pods with 1 cores"),
        (2, 0.5, 2000, ""),
        (2, None, 8001, "2 pods with 4 cores"),  # the machine's: 2 each
        (2, None, 8000, ""),
        (0, 0.5, 1, "0 pods with 0 cores"),
    ],
)
def test_pods_of_the_api_have_a_capacity_too(
    pods: int,
    limit: float | None,
    peak_per_s: float,
    cores: str,
    single_region: Callable[..., Deployment],
    catalogue: Catalogue,
    kgents: System,
) -> None:
    system = with_api(busy(kgents, peak_per_s, 10), replicas=pods, cpu_limit_cores=limit)
    why = overloaded(single_region(system), catalogue)
    assert (cores in why and "(api.requests)" in why) if cores else not why


def test_pods_that_an_autoscaler_adds_count_and_those_of_every_api(
    single_region: Callable[..., Deployment], catalogue: Catalogue, kgents: System
) -> None:
    system = with_api(busy(kgents, 10_001, 10), replicas=2, cpu_limit_cores=0.5, autoscale=Autoscale(2, 10))
    assert "10 pods with 5 cores together take 10,000" in overloaded(single_region(system), catalogue)
    (api,) = system.with_role(Role.API)
    second = evolve(api, name="admin-api", replicas=1, autoscale=None)
    assert not overloaded(single_region(evolve(system, services=(*system.services, second))), catalogue)
    without = tuple(service for service in system.services if service is not api)
    assert not overloaded(single_region(evolve(system, services=without)), catalogue), "nobody answers for it"


@pytest.mark.parametrize(("mean_per_s", "peak_per_s", "fits"), [(10, 98, True), (10, 99, False), (99, 99, False)])
def test_a_database_sends_its_log_from_one_machine(
    mean_per_s: float,
    peak_per_s: float,
    fits: bool,
    warm_standby: Callable[..., Deployment],
    catalogue: Catalogue,
    kgents: System,
) -> None:
    system = evolve(kgents, load=Load(mean_per_s, peak_per_s, Bytes(10**6)), nats=())
    link = WanLink(LinkKind.DATABASE, "us-east-1", "us-west-2", "database log", mean_per_s * 1e6)
    why = overloaded(warm_standby(system, links=(link,)), catalogue)
    assert not why if fits else "database log to us-west-2 comes to 99 MB/s" in why and "(node.network)" in why


def with_api(system: System, **changes: Any) -> System:
    services = (evolve(one, **changes) if one.role is Role.API else one for one in system.services)
    return evolve(system, services=tuple(services))


def test_a_replica_in_memory_fills_no_disk(
    single_region: Callable[..., Deployment], catalogue: Catalogue, kgents: System
) -> None:
    system = busy(kgents, 126, 10**6)
    system = evolve(
        system, nats=tuple(evolve(c, streams=(evolve(STREAM, storage=Storage.MEMORY),)) for c in system.nats)
    )
    assert "disk.write" not in overloaded(single_region(system), catalogue)


def test_machines_follow_what_streams_send_at_peak(
    single_region: Callable[..., Deployment], catalogue: Catalogue, kgents: System
) -> None:
    prices = catalogue.prices

    def machines(peak_per_s: float) -> float:
        laid_out = single_region(busy(kgents, peak_per_s, 10**6))
        bill = Bill(laid_out, "aws", prices, catalogue.figures, Economics(), prices.node_type("aws"))
        return node_need(laid_out, laid_out.primary, bill.node_type, catalogue.figures).count.mean

    quiet = machines(1)
    assert machines(10) == quiet, "requests ask for more than this traffic does"
    assert machines(2000) > 2 * machines(1000) - 2 > quiet


def test_a_failback_moves_every_byte_once_over_the_link(kgents: System, catalogue: Catalogue) -> None:
    def minutes(gib: int) -> float:
        streams = (evolve(STREAM, bytes=Bytes(gib * 2**30)),)
        system = evolve(kgents, nats=tuple(evolve(c, version="2.15.1", streams=streams) for c in kgents.nats))
        kit = Kit.of(system, catalogue)
        back = failback(lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit), kit)
        step = next(step for step in back.steps if step.verb is Verb.RESYNCHRONISE)
        assert step.limit_s >= 3 * step.duration.quantile(0.95)
        return step.duration.mean / 60

    trip_s = catalogue.round_trips.of(kgents.region, kgents.second or kgents.region).mean / 1000
    rate = catalogue.figures["mirror.in-flight"].mean * 1e6 / trip_s
    assert minutes(1000) - minutes(500) == pytest.approx(500 * 2**30 / rate / 60, rel=0.02)
    assert minutes(1) < 5
