"""Archivers that are beaten, stand by, take over, and meet stores that fail: nothing is lost or shipped twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from moments import PLAIN, bring_back, ship
from nats_world import Server, cluster_place, connect, eventually, publish, run, three_servers
from stream_kinds import api, facts

from secondsite.archive.chain import Chain, read_head
from secondsite.archive.daemon import ArchiveDaemon, Rhythm, archive_once
from secondsite.archive.metrics import ArchiveMetrics
from secondsite.archive.plan import ArchivePlan
from secondsite.archive.shipper import Shipper
from secondsite.archive.tail import Tail
from secondsite.model.errors import InputError, MachineError
from secondsite.objects.address import parse_store
from secondsite.objects.failures import ObjectExistsError
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow


async def _orders(url: str, count: int = 20) -> Any:
    client = await connect(url)
    await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
    await publish(client, "ORDERS", count)
    return client


async def _shipper(store: ObjectStorage, plan: ArchivePlan = PLAIN) -> Shipper:
    return Shipper(store, plan, await read_head(await Chain(store).read()))


def test_of_two_that_ship_the_same_look_one_is_beaten(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await _orders(source.url), await connect(target.url)
        async with source.place.open() as jetstream:
            one, two = await _shipper(store), await _shipper(store)
            results = await asyncio.gather(one.once(jetstream, ""), two.once(jetstream, ""), return_exceptions=True)
            assert sorted(type(result).__name__ for result in results) == ["BeatenError", "Shipped"]
            await asyncio.gather(one.close(), two.close())
        await publish(client, "ORDERS", 5)
        assert (await ship(source.place, store)).messages == 5
        await bring_back(target.place, store)
        assert await facts(other, "ORDERS") == await facts(client, "ORDERS")

    run(work())


class AnswersTwice(ObjectStorage):
    """What was written is written, and its answer was lost: asked again, the store says that it is there."""

    async def create(self, key: str, content: bytes) -> None:
        await super().create(key, content)
        if not key.startswith("probes/"):
            raise ObjectExistsError.at(self.url(key), "exists already", "nothing was overwritten")


class Cuts(ObjectStorage):
    """Keeps less than it was given, and says nothing."""

    async def create(self, key: str, content: bytes) -> None:
        await super().create(key, content[:-3] if ".seg" in key else content)


class FailsAtRandom(ObjectStorage):
    """Before or after it has written."""

    chance = random.Random(13)

    async def create(self, key: str, content: bytes) -> None:
        if self.chance.random() < 0.3:
            raise MachineError.at(self.url(key), "the store failed: before", "try again")
        await super().create(key, content)
        if self.chance.random() < 0.3:
            raise MachineError.at(self.url(key), "the store failed: after", "try again")


class KeepsAll(ObjectStorage):
    """As `secondsite archive policy` has it: nothing may be deleted but probes."""

    async def delete(self, keys: list[str]) -> None:
        assert all(key.startswith("probes/") for key in keys)
        await super().delete(keys)

    async def delete_below(self, prefix: str) -> None:
        raise AssertionError(prefix)


def _folder(kind: type[ObjectStorage], store: ObjectStorage) -> ObjectStorage:
    return kind(parse_store(store.shown), make=True)


def test_an_answer_that_was_lost_is_no_other_archiver(start: Any, store: ObjectStorage) -> None:
    source = start("source")

    async def work() -> None:
        await _orders(source.url)
        assert (await ship(source.place, _folder(AnswersTwice, store))).messages == 20
        assert (await ship(source.place, store)).messages == 0

    run(work())


def test_a_replica_that_lags_loses_nothing(start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The consumer may live where the newest messages have not arrived: it says that there are no more."""
    source = start("source")

    async def behind(tail: Tail) -> None:
        tail._pending = tail._in_batch = 0

    async def work() -> None:
        await _orders(source.url)
        monkeypatch.setattr(Tail, "_batch", behind)
        assert (await ship(source.place, store)).messages == 20
        head = await read_head(await Chain(store).read())
        assert head
        assert head.streams["ORDERS"].through == 20

    run(work())


def test_an_archiver_deletes_nothing(start: Any, store: ObjectStorage) -> None:
    source = start("source")

    async def work() -> None:
        client = await _orders(source.url)
        kept = _folder(KeepsAll, store)
        assert (await ship(source.place, kept)).messages == 20
        await client.jetstream().delete_stream("ORDERS")
        await ship(source.place, kept)
        async with source.place.open() as jetstream:
            one, two = await _shipper(kept), await _shipper(kept)
            await asyncio.gather(one.once(jetstream, ""), two.once(jetstream, ""), return_exceptions=True)

    run(work())


def test_a_store_that_keeps_less_seals_nothing(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        await _orders(source.url)
        with pytest.raises(MachineError, match=r"\.seg\.zst: holds \d+ bytes where \d+ were written"):
            await ship(source.place, _folder(Cuts, store))
        assert (await Chain(store).read()).empty
        assert (await ship(source.place, store)).messages == 20
        assert (await bring_back(target.place, store))["ORDERS"].ok

    run(work())


def test_a_store_that_fails_at_random_loses_nothing(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await _orders(source.url, 0), await connect(target.url)
        flaky, failed = _folder(FailsAtRandom, store), 0
        for _ in range(30):
            await publish(client, "ORDERS", 10)
            try:
                await archive_once(source.place, flaky, PLAIN, single_writer=True)
            except MachineError:
                failed += 1
        assert 5 < failed < 30
        await ship(source.place, store)
        assert (await bring_back(target.place, store))["ORDERS"].proof.verdict == "equal"
        assert await facts(other, "ORDERS") == await facts(client, "ORDERS")
        chain = await Chain(store).read()
        shipped = [
            part
            async for linked in chain.checkpoints(None)
            for stream in linked.checkpoint.streams
            for part in stream.segments
        ]
        assert sum(part.messages for part in shipped) == 300

    run(work())


def test_another_domain_has_an_archive_of_its_own(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    one = start("one")
    west = start("west", jetstream={"domain": "west", "store_dir": str(tmp_path / "west")})

    async def work() -> None:
        await _orders(one.url)
        await ship(one.place, store)
        with pytest.raises(InputError, match=r"this is the archive of cluster \(none\).*give each cluster"):
            await ship(evolve(west.place, domain="west"), store)

    run(work())


def _daemon(place: Any, store: ObjectStorage, told: list[str]) -> ArchiveDaemon:
    async def after(*_: object) -> None:
        """Nothing."""

    plan = ArchivePlan(heartbeat_s=0.2, report=told.append)
    return ArchiveDaemon(place, store, plan, Rhythm(0.1), ArchiveMetrics(0.1), told.append, after)


def test_a_second_copy_stands_by_and_takes_over(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await _orders(source.url), await connect(target.url)
        first: list[str] = []
        second: list[str] = []
        stop_one, stop_two = asyncio.Event(), asyncio.Event()
        one = asyncio.create_task(_daemon(source.place, store, first).run(stop_one))

        async def begun() -> bool:
            return not (await Chain(store).read()).empty

        await eventually(begun, "the first ships")
        two = asyncio.create_task(_daemon(source.place, store, second).run(stop_two))

        async def one_stands_by() -> bool:
            return any("standing by" in text for text in first + second)

        await eventually(one_stands_by, "one of the two stands by")
        beaten, stop, rest = (first, stop_two, one) if first else (second, stop_one, two)
        stop.set()

        async def taken_over() -> bool:
            return any("taking over" in text for text in beaten)

        await eventually(taken_over, "the other takes over")
        await publish(client, "ORDERS", 30)

        async def shipped() -> bool:
            head = await read_head(await Chain(store).read())
            return head is not None and head.streams["ORDERS"].through == 50

        await eventually(shipped, "it ships")
        for event in (stop_one, stop_two):
            event.set()
        await asyncio.gather(one, two, rest)
        await bring_back(target.place, store)
        assert await facts(other, "ORDERS") == await facts(client, "ORDERS")
        assert [info["name"] for info in await _consumers(client)] == []

    run(work())


async def _consumers(client: Any) -> list[dict[str, Any]]:
    return list((await api(client, "CONSUMER.LIST.ORDERS"))["consumers"] or [])


def test_a_server_that_comes_back_is_archived_on(start: Any, store: ObjectStorage) -> None:
    """The connection breaks; the daemon tells, connects anew and loses nothing."""
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await _orders(source.url), await connect(target.url)
        told: list[str] = []
        stop = asyncio.Event()
        running = asyncio.create_task(_daemon(source.place, store, told).run(stop))

        async def through(sequence: int) -> bool:
            head = await read_head(await Chain(store).read())
            return head is not None and head.streams["ORDERS"].through == sequence

        await eventually(lambda: through(20), "the first messages are shipped")
        source.kill()
        source.start()
        client = await connect(source.url)
        await publish(client, "ORDERS", 30)
        await eventually(lambda: through(50), "the later ones too")
        assert told
        stop.set()
        await running
        await bring_back(target.place, store)
        assert await facts(other, "ORDERS") == await facts(client, "ORDERS")

    run(work())


def test_a_reader_that_went_while_nothing_came_costs_no_look(
    start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server ends a consumer that nobody asked for long; what comes then is shipped by the next look all the same.

    Or what is lost with a region is as old as two intervals.
    """
    source = start("source")
    monkeypatch.setattr("secondsite.archive.tail.LASTS_S", 0.5)

    async def work() -> None:
        client = await _orders(source.url)
        async with source.place.open() as jetstream:
            shipper = await _shipper(store)
            assert (await shipper.once(jetstream, "")).messages == 20

            async def gone() -> bool:
                return not (await api(client, "CONSUMER.LIST.ORDERS"))["consumers"]

            await eventually(gone, "the reader goes")
            await publish(client, "ORDERS", 5)
            shipped = await shipper.once(jetstream, "")
            assert (shipped.messages, shipped.missing) == (5, ())
            await shipper.close()

    run(work())


def test_of_a_cluster_at_rest_nothing_is_shipped(tmp_path: Path, store: ObjectStorage) -> None:
    """Its list of streams lacks what the servers add to a configuration: that is no change."""

    async def work(servers: list[Server]) -> None:
        client = await connect(servers[0].url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"], num_replicas=3)
        await publish(client, "ORDERS", 5)
        async with cluster_place(servers).open() as jetstream:
            shipper = await _shipper(store)
            first = await shipper.once(jetstream, "")
            while first.missing:  # its leader had no time to answer
                first = await shipper.once(jetstream, "")
            second = await shipper.once(jetstream, "")
            assert (first.streams, first.messages) == (1, 5)
            assert (second.number, second.streams) == (0, 0)
            await shipper.close()

    with three_servers(tmp_path / "cluster") as servers:
        run(work(servers))
