"""Any moment comes back as it was: sequences, times, headers, gaps, consumers; every kind, on real servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from moments import bring_back, now, ship
from nats_world import binary_of, cluster_place, connect, eventually, publish, run, three_servers
from stream_kinds import CANNOT, KINDS, api, facts, make, wear

from secondsite.archive.daemon import archive_once
from secondsite.archive.plan import ArchivePlan
from secondsite.archive.travel import Wanted
from secondsite.backup.target import differences
from secondsite.model.errors import InputError
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("version", "count"), [("2.10.26", 1), ("2.15.1", 1), ("2.15.1", 3)])
def test_every_kind_comes_back(version: str, count: int, start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    """Shipped in two checkpoints by two processes: the second tells of deletions and positions only."""
    kinds = [kind for kind in KINDS if version not in CANNOT.get(kind, ()) or kind == "MEMORY"]

    async def work(place: Any, url: str) -> None:
        client = await connect(url)
        for kind in kinds:
            await make(client, kind, count)

        async def whole() -> bool:
            return not (await ship(place, store)).missing

        await eventually(whole, "every stream has a leader, and is shipped")
        for kind in kinds:
            await wear(client, kind)
        before = {kind: await facts(client, kind) for kind in kinds}
        configs = {kind: (await api(client, f"STREAM.INFO.{kind}"))["config"] for kind in kinds}
        second = await ship(place, store)
        assert (second.messages, second.missing) == (0, ())
        target = start("target")
        other = await connect(target.url)
        outcomes = await bring_back(target.place, store, replicas=1 if count == 3 else None)
        told = {name: (item.error, item.missing_consumers, item.proof.verdict) for name, item in outcomes.items()}
        assert told == dict.fromkeys(kinds, ("", (), "equal"))
        for kind in kinds:
            found = (await api(other, f"STREAM.INFO.{kind}"))["config"]
            if kind == "SOURCED":  # from 2.15 on it says where it goes on
                found = {**found, "sources": configs[kind]["sources"]}
            wanted = {**configs[kind], "num_replicas": found["num_replicas"]}
            assert differences(wanted, found) == ()
            assert await facts(other, kind) == before[kind], kind

    if count == 3:
        with three_servers(tmp_path / "cluster", binary_of(version)) as servers:
            run(work(cluster_place(servers), servers[0].url))
    else:
        source = start("source", binary_of(version))
        run(work(source.place, source.url))


async def _busy(client: Any, number: int) -> None:
    """One more round of everything that can happen to streams."""
    await publish(client, "ORDERS", 40, headers=True)
    last = (await api(client, "STREAM.INFO.ORDERS"))["state"]["last_seq"]
    await client.jetstream().delete_msg("ORDERS", last - 5)
    await client.jetstream().delete_msg("ORDERS", last)
    await publish(client, "PURGED", 9)
    if number % 2:
        await client.jetstream().purge_stream("PURGED")
    bucket = await client.jetstream().key_value("b")
    for key in range(9):
        await bucket.put(f"k{key % 3}", b"%d" % number)


STREAMS = ("ORDERS", "PURGED", "KV_b")


def test_each_moment_is_its_own(start: Any, store: ObjectStorage) -> None:
    """After each checkpoint, and between two: what the messages themselves tell is exact there."""
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        for name in ("ORDERS", "PURGED"):
            await client.jetstream().add_stream(name=name, subjects=[f"{name.lower()}.>"])
        await client.jetstream().create_key_value(bucket="b", history=2)
        then: list[tuple[Any, Any]] = []
        for number in range(4):
            await _busy(client, number)
            await ship(source.place, store)
            then.append((now(), {name: await facts(client, name) for name in STREAMS}))
        await publish(client, "ORDERS", 10)
        between, told = now(), await facts(client, "ORDERS")
        await publish(client, "ORDERS", 10)
        await client.jetstream().delete_stream("PURGED")
        await ship(source.place, store)
        then.append((between, {"ORDERS": told, "PURGED": then[-1][1]["PURGED"], "KV_b": then[-1][1]["KV_b"]}))
        for at, expected in then:
            outcomes = await bring_back(target.place, store, Wanted(at))
            assert {name: item.why_not for name, item in outcomes.items()} == dict.fromkeys(STREAMS, "")
            assert {name: await facts(other, name) for name in STREAMS} == expected
            answer = await other.jetstream().publish("orders.next", b"")
            assert answer.seq == expected["ORDERS"]["state"]["last_seq"] + 1
            for name in STREAMS:
                await other.jetstream().delete_stream(name)
        assert "PURGED" not in await bring_back(target.place, store)

    run(work())


def test_before_one_message_and_before_the_archive(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        early = now()
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await client.jetstream().add_stream(name="AFTER", subjects=["after.>"])
        await publish(client, "ORDERS", 50)
        await publish(client, "AFTER", 5)
        await ship(source.place, store)
        outcomes = await bring_back(target.place, store, Wanted(None, "ORDERS", 42), streams=("ORDERS",))
        assert [(item.target, item.last_seq) for item in outcomes.values()] == [("ORDERS", 42)]
        assert (await api(other, "STREAM.INFO.ORDERS"))["state"]["last_seq"] == 42
        with pytest.raises(InputError, match="no message 51 of ORDERS was shipped"):
            await bring_back(target.place, store, Wanted(None, "ORDERS", 51))
        with pytest.raises(InputError, match="is before the archive; it begins at"):
            await bring_back(target.place, store, Wanted(early))

    run(work())


def test_a_life_ends_and_another_begins(start: Any, store: ObjectStorage) -> None:
    """A stream made anew, and one whose server lost its last messages: nothing of either is mixed."""
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await publish(client, "ORDERS", 30)
        await ship(source.place, store)
        first, before = now(), await facts(client, "ORDERS")
        await client.jetstream().delete_stream("ORDERS")
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await publish(client, "ORDERS", 7)
        told = await ship(source.place, store)
        assert told.messages == 7
        second, after = now(), await facts(client, "ORDERS")
        for at, expected in ((first, before), (second, after)):
            await bring_back(target.place, store, Wanted(at))
            assert await facts(other, "ORDERS") == expected
            await other.jetstream().delete_stream("ORDERS")

    run(work())


def test_older_servers_refuse_before_anything_is_touched(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target", binary_of("2.12.8"))

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await publish(client, "ORDERS", 3)
        await ship(source.place, store)
        with pytest.raises(InputError, match=r"need 2\.15 or later"):
            await bring_back(target.place, store)
        assert await other.jetstream().streams_info() == []

    run(work())


def test_small_segments_and_looks_make_the_same(start: Any, store: ObjectStorage) -> None:
    """A checkpoint that is full leaves the rest to the next one, and nothing is shipped twice."""
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await publish(client, "ORDERS", 3000, 200)
        plan = ArchivePlan(segment_bytes=20_000, checkpoint_bytes=100_000)
        checkpoints = await archive_once(source.place, store, plan)
        assert len(checkpoints) > 3
        assert sum(told.messages for told in checkpoints) == 3000
        assert [bool(told.behind) for told in checkpoints] == [True] * (len(checkpoints) - 1) + [False]
        outcomes = await bring_back(target.place, store)
        assert outcomes["ORDERS"].proof.verdict == "equal"
        assert await facts(other, "ORDERS") == await facts(client, "ORDERS")

    run(work())
