"""Labs of real servers: every strategy that can run here, the links as the only way, and what a client sees."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from attrs import evolve
from nats_world import acknowledged

from secondsite.dns.lookup import look_up
from secondsite.lab.addresses import pods_of
from secondsite.lab.options import LabOptions
from secondsite.lab.world import Lab
from secondsite.model.deployment import Deployment
from secondsite.model.errors import EXIT_ENVIRONMENT, MachineError
from secondsite.model.service import AckBuffer
from secondsite.model.units import Seconds
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import Connection, connect
from secondsite.nats.jetstream import JetStream
from secondsite.nats.options import ConnectOptions
from secondsite.strategies.rights import POSITIONS

pytestmark = pytest.mark.slow

HOME, AWAY, THIRD = "us-east-1", "us-west-2", "us-east-2"
BARE = LabOptions(services=False)
LaidOut = Callable[[str], Deployment]


async def publish(lab: Lab, region: str, count: int, size: int = 100, seconds: float = 30.0) -> None:
    """Acknowledged one by one; random, as links between servers compress."""
    async with connect(parse_addresses(lab.nats_url(region)), ConnectOptions()) as connection:
        for _ in range(count):
            await acknowledged(connection.client, "kgent.test", os.urandom(size), seconds=seconds)


async def counted(connection: Connection, stream: str) -> int:
    return int((await JetStream(connection).ask(f"STREAM.INFO.{stream}"))["state"]["messages"])


async def messages(lab: Lab, region: str, stream: str = "kgent-events") -> int:
    async with connect(parse_addresses(lab.nats_url(region, operator=True)), ConnectOptions()) as connection:
        return await counted(connection, stream)


async def until(done: Callable[[], Awaitable[bool]], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not await done():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)


async def arrives(lab: Lab, region: str, stream: str, count: int) -> None:
    async def there() -> bool:
        return await messages(lab, region, stream) == count

    await until(there, f"{count} messages in {stream} of {region}")


def posted(url: str, identity: str, key: str = "lab-key") -> tuple[int, dict[str, object]]:
    body = json.dumps({"id": identity, "subject": "kgent.test", "data": "x"}).encode()
    request = urllib.request.Request(f"{url}/v1/events", body, headers={"apikey": key})  # noqa: S310 - our own loopback
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own loopback
            return int(answer.status), json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


async def post(lab: Lab, region: str, identity: str, key: str = "lab-key") -> tuple[int, dict[str, object]]:
    return await asyncio.to_thread(posted, f"http://{lab.gateway(region)}", identity, key)


COPIES = [
    ("warm-standby/leafnode-mirror", "kgent-events"),
    ("warm-standby/supercluster-mirror", f"kgent-events-{AWAY}"),
    ("pilot-light/supercluster-mirror-witness", f"kgent-events-{AWAY}"),
    ("warm-standby/stretch", "kgent-events"),
    ("active-active/sourced/weighted", "kgent-events"),
]


async def leaving_home(lab: Lab, strategy: str) -> int:
    """Bytes on home's links. A stretched stream is led from anywhere: its messages go by either link."""
    others = (AWAY, THIRD) if strategy == "warm-standby/stretch" else (AWAY,)
    return sum([await lab.wan.bytes_between(HOME, other) for other in others])


@pytest.mark.parametrize(("strategy", "copy"), COPIES)
def test_copies_flow_over_the_links_and_nowhere_else(strategy: str, copy: str, laid_out: LaidOut) -> None:
    """As many bytes cross the links as were published, and none arrives while they are cut."""

    async def run() -> None:
        async with Lab.up(laid_out(strategy), BARE) as lab:
            before = await leaving_home(lab, strategy)
            await publish(lab, HOME, 20, size=50_000)
            await arrives(lab, AWAY, copy, 20)
            assert await leaving_home(lab, strategy) - before >= 1_000_000
            if strategy == "warm-standby/stretch":
                return  # cut off, its home has no quorum to store anything
            for other in (AWAY, THIRD):
                await lab.wan.cut(HOME, other)
            await publish(lab, HOME, 5)
            await asyncio.sleep(1.5)
            async with connect(parse_addresses(lab.nats_url(AWAY)), ConnectOptions()) as connection:
                assert await counted(connection, copy) == 20
            for other in (AWAY, THIRD):
                await lab.wan.heal(HOME, other)
            await arrives(lab, AWAY, copy, 25)

    asyncio.run(run())


def test_regions_that_source_each_other_send_nothing_back(laid_out: LaidOut) -> None:
    async def run() -> None:
        async with Lab.up(laid_out("active-active/sourced/weighted"), BARE) as lab:
            await publish(lab, HOME, 3)
            await publish(lab, AWAY, 4)
            for region in (HOME, AWAY):
                await arrives(lab, region, "kgent-events", 7)
            await asyncio.sleep(1.5)
            assert [await messages(lab, region) for region in (HOME, AWAY)] == [7, 7]

    asyncio.run(run())


def test_denies_keep_a_publish_in_its_region(laid_out: LaidOut) -> None:
    async def run() -> None:
        async with Lab.up(laid_out("warm-standby/leafnode-mirror"), BARE) as lab:
            with pytest.raises(Exception, match="no response from stream"):
                await publish(lab, AWAY, 1, seconds=0)
            assert await messages(lab, HOME) == 0

    asyncio.run(run())


def test_two_labs_at_once_are_strangers(laid_out: LaidOut) -> None:
    async def run() -> None:
        deployment = laid_out("pilot-light/backup")
        async with Lab.up(deployment, BARE) as one, Lab.up(deployment, BARE) as two:
            assert one.addresses.block != two.addresses.block
            await publish(one, HOME, 3)
            assert [await messages(one, HOME), await messages(two, HOME)] == [3, 0]

    asyncio.run(run())


def test_what_a_client_sees_when_its_region_dies(laid_out: LaidOut) -> None:
    async def run() -> None:
        options, begin = LabOptions(ttl_s=1, region_keys={AWAY: ("rotated",)}), time.monotonic()
        async with Lab.up(laid_out("warm-standby/leafnode-mirror"), options) as lab:
            assert 0 < lab.boot_s <= time.monotonic() - begin
            assert (await post(lab, HOME, "1", key="wrong"))[0] == 401
            assert (await post(lab, AWAY, "1"))[0] == 401, "a key that this region does not know"
            status, answer = await post(lab, HOME, "1")
            assert (status, answer["stream"], answer["sequence"]) == (200, "kgent-events", 1)
            assert (await post(lab, HOME, "1"))[1]["duplicate"] is True
            assert (await post(lab, AWAY, "2", key="rotated"))[0] == 503, "a mirror takes no publish"
            moment = await lab.kill_region(HOME)
            assert moment.monotonic_ns <= time.monotonic_ns()
            assert not lab.processes(HOME)
            assert lab.processes(AWAY)
            with pytest.raises(urllib.error.URLError):
                await post(lab, HOME, "3")
            await _converges(lab)
            before = await lab.wan.bytes_between(HOME, AWAY)
            await lab.restart_region(HOME, isolated=True)
            await lab.answers(HOME)
            assert await messages(lab, HOME) == 1
            assert await lab.wan.bytes_between(HOME, AWAY) == before, "isolated"
            lab.kill(*lab.processes(HOME))
            await lab.restart_region(HOME)
            await lab.start_services(HOME)

            async def publishes() -> bool:
                return (await post(lab, HOME, "4"))[0] == 200

            async def joined() -> bool:
                return await lab.wan.bytes_between(HOME, AWAY) > before

            await until(publishes, "the old region to serve again")
            await until(joined, "the leaf to dial again")

    asyncio.run(run())


async def _converges(lab: Lab) -> None:
    """The resolver tells the old address until its TTL ends, and the new one then."""
    old, new = lab.gateway(HOME).host, lab.gateway(AWAY).host
    await asyncio.sleep(1.1)
    found = await look_up(lab.resolver, lab.host)
    assert found
    assert found.addresses == (old,)
    begin = time.monotonic()
    await lab.dns.set(lab.host, [new], 1)
    again = await look_up(lab.resolver, lab.host)
    assert again
    assert again.addresses == (old,), "still cached"

    async def moved() -> bool:
        answer = await look_up(lab.resolver, lab.host)
        return answer is not None and answer.addresses == (new,)

    await until(moved, "the new address")
    assert time.monotonic() - begin > 0.5
    await lab.dns.stick()
    with pytest.raises(MachineError, match="SERVFAIL"):
        await lab.dns.set(lab.host, [old], 1)


def _patient(deployment: Deployment, *, durable: bool) -> Deployment:
    """Half-open after two seconds instead of thirty."""
    system = deployment.system
    services = tuple(
        evolve(each, ack_buffer=AckBuffer(3, durable=durable, half_open_after_s=Seconds(2)))
        if each.ack_buffer
        else each
        for each in system.services
    )
    return evolve(deployment, system=evolve(system, services=services))


@pytest.mark.parametrize("durable", [False, True])
def test_what_a_202_is_worth(laid_out: LaidOut, durable: bool) -> None:
    """Without NATS the breaker opens, three events wait, a fourth is refused; a killed API forgets those in memory."""

    async def run() -> None:
        async with Lab.up(_patient(laid_out("single-region/none/manual"), durable=durable)) as lab:
            servers = [server.name for server in lab.servers(HOME)]
            lab.freeze(*servers)
            first = [(await post(lab, HOME, f"lost-{number}"))[0] for number in range(3)]
            assert first == [504, 504, 504], "nobody knows"
            waiting = [(await post(lab, HOME, f"queued-{number}"))[0] for number in range(4)]
            assert waiting == [202, 202, 202, 503]
            lab.kill(f"api-{HOME}")
            lab.thaw(*servers)
            await lab.restart(f"api-{HOME}")
            assert (await post(lab, HOME, "after"))[0] == 200
            async with connect(parse_addresses(lab.nats_url(HOME)), ConnectOptions()) as connection:

                async def ids() -> set[str]:
                    jetstream = connection.client.jetstream()
                    last = (await JetStream(connection).ask("STREAM.INFO.kgent-events"))["state"]["last_seq"]
                    found = [await jetstream.get_msg("kgent-events", number + 1) for number in range(last)]
                    return {(each.headers or {})["Nats-Msg-Id"] for each in found}

                queued = {f"queued-{number}" for number in range(3)}
                await until(lambda: _contains(ids, queued if durable else {"after"}), "what was queued")
                assert bool(queued & await ids()) == durable

    asyncio.run(run())


async def _contains(ids: Callable[[], Awaitable[set[str]]], wanted: set[str]) -> bool:
    return wanted <= await ids()


def test_pods_behind_their_service_are_observed_and_can_be_cut_off(laid_out: LaidOut) -> None:
    """Both serve, the collector hears of both; while nothing passes between them and NATS, the servers are well."""

    async def run() -> None:
        async with Lab.up(laid_out("single-region/none/manual"), LabOptions(pods=True)) as lab:
            names = [pod.name for pod in lab.pods(HOME)]
            assert len(names) == 2
            assert [(await post(lab, HOME, str(number)))[0] for number in range(4)] == [200] * 4
            record = lab.services.observed(HOME)

            async def told() -> bool:
                lines = [json.loads(line) for line in record.read_text().splitlines()]
                spans = {each["pod"] for each in lines if each["kind"] == "report" and each["spans"]}
                up = {each["target"] for each in lines if each["kind"] == "scrape" and each["up"]}
                return spans == set(names) and up >= {*names, *(server.name for server in lab.servers(HOME))}

            await until(told, "reports of both pods, scrapes of all")
            await lab.wan.cut(pods_of(HOME), HOME)
            assert (await post(lab, HOME, "cut"))[0] == 504
            await publish(lab, HOME, 1)
            await lab.wan.heal(pods_of(HOME), HOME)
            assert (await post(lab, HOME, "healed"))[0] == 200

    asyncio.run(run())


def test_consumers_write_down_what_they_processed(laid_out: LaidOut) -> None:
    async def run() -> None:
        deployment = laid_out("single-region/none/manual")
        async with Lab.up(deployment) as lab:
            async with connect(parse_addresses(lab.nats_url(HOME)), ConnectOptions()) as connection:
                for number in range(10):
                    await acknowledged(connection.client, "events.test", b"x", {"Nats-Msg-Id": str(number)})
            record = lab.consumed(HOME)

            async def all_there() -> bool:
                return len(record.read_text().splitlines()) == 10

            await until(all_there, "ten lines")
            lines = [json.loads(line) for line in record.read_text().splitlines()]
            assert [(line["stream"], line["consumer"], line["id"]) for line in lines] == [
                ("EVENTS", "metering", str(number)) for number in range(10)
            ]

    asyncio.run(run())


@pytest.mark.parametrize("strategy", ["warm-standby/leafnode-mirror", "warm-standby/supercluster-mirror"])
def test_agents_copy_positions_with_their_own_login(strategy: str, laid_out: LaidOut) -> None:
    """Through a leaf link into another domain, and through gateways: the rights that are rendered are enough."""

    async def run() -> None:
        async with Lab.up(laid_out(strategy), BARE) as lab:

            async def copied() -> bool:
                try:
                    return await messages(lab, AWAY, POSITIONS) > 0
                except MachineError:
                    return False

            await until(copied, "a position in the other region", 30)

    asyncio.run(run())


def test_a_store_that_belongs_to_no_region(laid_out: LaidOut) -> None:
    from obstore.store import S3Store

    async def run() -> None:
        async with Lab.up(laid_out("single-region/none/manual")) as lab:
            store = S3Store(
                lab.s3.bucket,
                endpoint=lab.s3.endpoint,
                access_key_id=lab.s3.access_key,
                secret_access_key=lab.s3.secret_key,
                region="us-east-1",
                client_options={"allow_http": True},
            )
            await store.put_async("a/b", b"bytes")
            await lab.kill_region(HOME)
            assert bytes(await (await store.get_async("a/b")).bytes_async()) == b"bytes"

    asyncio.run(run())


def test_a_cluster_made_on_failover(laid_out: LaidOut) -> None:
    async def run() -> None:
        async with Lab.up(laid_out("backup-restore/backup")) as lab:
            assert not lab.servers(AWAY)
            await lab.create_cluster(AWAY)
            await lab.create_cluster(AWAY)
            assert len(lab.servers(AWAY)) == 3
            async with connect(parse_addresses(lab.nats_url(AWAY)), ConnectOptions()) as connection:
                assert (await JetStream(connection).ask("STREAM.NAMES"))["total"] == 0
            await lab.start_services(AWAY)
            assert (await post(lab, AWAY, "1"))[0] == 503, "no stream yet"

    asyncio.run(run())


def test_managed_cannot_run_here(laid_out: LaidOut) -> None:
    async def run() -> None:
        async with Lab.up(laid_out("warm-standby/managed")):
            pytest.fail("it came up")

    with pytest.raises(MachineError, match="managed service") as raised:
        asyncio.run(run())
    assert raised.value.exit_code == EXIT_ENVIRONMENT


def test_a_server_that_does_not_start_tells_why(laid_out: LaidOut, tmp_path: Path) -> None:
    async def run() -> None:
        broken = tmp_path / "nats-server"
        broken.write_text("#!/bin/sh\necho this server is broken; exit 1\n")
        broken.chmod(0o755)
        async with Lab.up(laid_out("single-region/none/manual"), LabOptions(nats_server=broken)):
            pytest.fail("it came up")

    with pytest.raises(MachineError, match="this server is broken"):
        asyncio.run(run())
