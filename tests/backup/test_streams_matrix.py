"""Every kind of stream there and back on real servers; each restored one is read message by message by a client."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import DiscardPolicy, StoreCompression, StreamSource
from nats.js.errors import APIError
from nats_world import (
    Server,
    cluster_place,
    connect,
    consume,
    eventually,
    everything,
    fetched,
    fill,
    free_port,
    next_of,
    run,
)

from secondsite.backup.inventory import choose_backup
from secondsite.backup.manifest import BackupManifest
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.stream_restore import StreamOutcome
from secondsite.backup.target import Changes
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place
from secondsite.nats.streams import StreamApi
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow


async def back_up(place: NatsPlace, store: ObjectStorage, **plan: Any) -> BackupManifest:
    return await run_backup(place, store, BackupPlan(**plan), Silent())


async def bring_back(place: NatsPlace, store: ObjectStorage, **plan: Any) -> dict[str, StreamOutcome]:
    manifest = await choose_backup(store)
    return {
        outcome.target: outcome for outcome in await run_restore(place, store, manifest, RestorePlan(**plan), Silent())
    }


@pytest.fixture
def two(start: Any) -> tuple[Server, Server]:
    return start("source"), start("target")


def test_messages_headers_subjects_and_gaps(two: tuple[Server, Server], store: ObjectStorage) -> None:
    source, target = two

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "ORDERS", 400, headers=True)
        await fill(client, "MEMORY", 50, storage="memory")
        await fill(client, "EMPTY", 0)
        await fill(client, "EMPTIED", 30)
        for sequence in (1, 7, 8, 9, 400):
            await client.jetstream().delete_msg("ORDERS", sequence)
        await client.jetstream().purge_stream("EMPTIED")
        before = {name: await everything(client, name) for name in ("ORDERS", "MEMORY")}
        await back_up(source.place, store)
        outcomes = await bring_back(target.place, store)
        assert {name: (outcome.ok, outcome.proof.verdict) for name, outcome in outcomes.items()} == dict.fromkeys(
            ("ORDERS", "MEMORY", "EMPTY", "EMPTIED"), (True, "equal")
        )
        assert {name: await everything(other, name) for name in before} == before
        infos = {name: await other.jetstream().stream_info(name) for name in outcomes}
        assert (infos["ORDERS"].state.first_seq, infos["ORDERS"].state.last_seq) == (2, 400)
        assert (infos["EMPTIED"].state.messages, infos["EMPTIED"].state.last_seq) == (0, 30)
        assert str(infos["MEMORY"].config.storage).lower().endswith("memory")
        assert all("secondsite.restoring" not in (info.config.metadata or {}) for info in infos.values())
        ack = await other.jetstream().publish("orders.next", b"x")
        assert ack.seq == 401

    run(work())


def test_consumers_resume_where_they_were(two: tuple[Server, Server], store: ObjectStorage) -> None:
    source, target = two

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "S", 100)
        await consume(client, "S", "worker", 40)
        await consume(client, "S", "filtered", 5, filter_subject="s.3")
        await consume(client, "S", "untouched", 0)
        await back_up(source.place, store)
        outcome = (await bring_back(target.place, store))["S"]
        assert (outcome.ok, outcome.consumers) == (True, 3)
        assert await next_of(other, "S", "worker") == 41
        assert await next_of(other, "S", "filtered") == 4 + 7 * 5
        assert await next_of(other, "S", "untouched") == 1

    run(work())


def test_work_queue_and_interest(two: tuple[Server, Server], store: ObjectStorage) -> None:
    """A work queue comes back with what was not done; an interest stream with what some consumer still wants."""
    source, target = two

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "WORK", 50, retention="workqueue")
        await consume(client, "WORK", "w", 20)
        jetstream = client.jetstream()
        await jetstream.add_stream(name="WANTED", subjects=["wanted.>"], retention="interest")
        await consume(client, "WANTED", "i", 0)
        for number in range(50):
            await jetstream.publish("wanted.x", b"%d" % number)
        wanted = await jetstream.pull_subscribe_bind("i", stream="WANTED")
        for message in await fetched(wanted, 15):
            await message.ack_sync()
        before = {name: await everything(client, name) for name in ("WORK", "WANTED")}
        assert {name: len(found) for name, found in before.items()} == {"WORK": 30, "WANTED": 35}
        await back_up(source.place, store)
        outcomes = await bring_back(target.place, store)
        assert {name: outcome.proof.verdict for name, outcome in outcomes.items()} == {
            "WORK": "equal",
            "WANTED": "equal",
        }
        assert {name: await everything(other, name) for name in before} == before
        again = await other.jetstream().pull_subscribe_bind("w", stream="WORK")
        done = await fetched(again, 30)
        assert [message.metadata.sequence.stream for message in done] == list(range(21, 51))
        for message in done:
            await message.ack_sync()
        assert (await other.jetstream().stream_info("WORK")).state.messages == 0

    run(work())


def test_limits_and_subjects_of_every_kind(two: tuple[Server, Server], store: ObjectStorage) -> None:
    """Full streams that refuse new messages come back full, and refuse them again."""
    source, target = two
    new = DiscardPolicy.NEW

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "FULL", 10, max_msgs=10, discard=new)
        await fill(client, "EACH", 21, max_msgs_per_subject=3, discard=new, discard_new_per_subject=True)
        await fill(client, "BYTES", 20, 1000, max_bytes=20_000 + 20 * 40, discard=new)
        await fill(client, "OLD", 50, max_msgs=10)
        await fill(client, "LAST", 50, max_msgs_per_subject=2, allow_direct=True)
        await fill(client, "PACKED", 50, 1000, compression=StoreCompression.S2)
        wild = ["wild.*.in", "wild.*.out.>", "wild.fixed"]
        await client.jetstream().add_stream(name="WILD", subjects=wild)
        for subject in ("wild.a.in", "wild.b.out.x.y", "wild.fixed", "wild.ä.in"):
            await client.jetstream().publish(subject, subject.encode())
        names = ("FULL", "EACH", "BYTES", "OLD", "LAST", "PACKED", "WILD")
        before = {name: await everything(client, name) for name in names}
        assert [len(before[name]) for name in ("FULL", "EACH", "OLD", "LAST", "WILD")] == [10, 21, 10, 14, 4]
        await back_up(source.place, store)
        outcomes = await bring_back(target.place, store)
        assert {name: (item.ok, item.proof.verdict, item.notes) for name, item in outcomes.items()} == dict.fromkeys(
            names, (True, "equal", ())
        )
        assert {name: await everything(other, name) for name in names} == before
        assert (await other.jetstream().stream_info("WILD")).config.subjects == wild
        for name in ("FULL", "EACH", "BYTES"):
            with pytest.raises(APIError, match="maximum"):
                await other.jetstream().publish(f"{name.lower()}.1", bytes(1000))
        await other.jetstream().publish("wild.z.out.q", b"")

    run(work())


def test_buckets_and_objects(two: tuple[Server, Server], store: ObjectStorage) -> None:
    source, target = two
    content = bytes(range(256)) * 4000

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        bucket = await client.jetstream().create_key_value(bucket="cfg", history=5)
        for number in range(3):
            await bucket.put("a", b"%d" % number)
        await bucket.put("gone", b"x")
        await bucket.delete("gone")
        files = await client.jetstream().create_object_store("files")
        await files.put("blob", content)
        manifest = await back_up(source.place, store)
        assert {stream.name: stream.kind for stream in manifest.streams} == {"KV_cfg": "kv", "OBJ_files": "objects"}
        assert all(outcome.ok for outcome in (await bring_back(target.place, store)).values())
        there = await other.jetstream().key_value("cfg")
        assert [entry.value for entry in await there.history("a")] == [b"0", b"1", b"2"]
        with pytest.raises(Exception, match=r"not found|deleted"):
            await there.get("gone")
        assert (await (await other.jetstream().object_store("files")).get("blob")).data == content
        await there.put("a", b"3")
        assert (await there.get("a")).revision == 6

    run(work())


def test_expired_messages_are_told_and_are_no_loss(two: tuple[Server, Server], store: ObjectStorage) -> None:
    source, target = two

    async def work() -> None:
        client = await connect(source.url)
        jetstream = client.jetstream()
        await fill(client, "AGED", 5, max_age=3.0)
        await fill(client, "LASTING", 5)
        request = {"name": "TTL", "subjects": ["ttl.>"], "allow_msg_ttl": True, "storage": "file"}
        await client.request("$JS.API.STREAM.CREATE.TTL", json.dumps(request).encode())
        await jetstream.publish("ttl.short", b"x", headers={"Nats-TTL": "2s"})
        await jetstream.publish("ttl.long", b"x", headers={"Nats-TTL": "1h"})
        await back_up(source.place, store)
        await asyncio.sleep(4)
        outcomes = await bring_back(target.place, store)
        told = {
            name: (item.ok, item.messages, item.proof.expired, item.proof.missing) for name, item in outcomes.items()
        }
        assert told["LASTING"] == (True, 5, 0, ())
        assert told["TTL"] == (True, 1, 1, ())
        lasting = await (await connect(target.url)).jetstream().get_msg("TTL", 2)
        assert (lasting.headers or {})["Nats-TTL"] == "1h"
        assert told["AGED"] in ((True, 5, 0, ()), (True, 0, 5, ()))  # the server drops them when it gets to it

    run(work())


def test_sealed_denied_and_mirror(two: tuple[Server, Server], store: ObjectStorage) -> None:
    source, target = two

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "SEALED", 20)
        config = (await client.jetstream().stream_info("SEALED")).config
        await client.jetstream().update_stream(config.evolve(sealed=True))
        await fill(client, "DENIED", 20, deny_delete=True, deny_purge=True)
        await client.jetstream().add_stream(name="COPY", mirror=StreamSource(name="DENIED"))

        async def copied() -> bool:
            return (await client.jetstream().stream_info("COPY")).state.messages == 20

        await eventually(copied, "the mirror has its messages")
        await back_up(source.place, store)
        outcomes = await bring_back(target.place, store)
        assert {name: (item.ok, item.proof.verdict, item.notes) for name, item in outcomes.items()} == dict.fromkeys(
            ("SEALED", "DENIED", "COPY"), (True, "equal", ())
        )
        assert (await other.jetstream().stream_info("SEALED")).config.sealed
        assert (await other.jetstream().stream_info("COPY")).mirror is not None

    run(work())


def test_r3_with_consumers_on_any_server(cluster: list[Server], store: ObjectStorage, start: Any) -> None:
    target = start("target")

    async def work() -> None:
        client, other = await connect(cluster[0].url), await connect(target.url)
        await fill(client, "R3", 300, num_replicas=3)
        await fill(client, "R1", 300, num_replicas=1)
        await fill(client, "M3", 100, num_replicas=3, storage="memory")
        for number in range(6):
            await consume(client, "R3", f"c{number}", 10 * (number + 1), num_replicas=1)
        before = {name: await everything(client, name) for name in ("R3", "R1", "M3")}
        await back_up(cluster_place(cluster), store)
        refused = await bring_back(target.place, store)
        assert "--replicas 1" in refused["R3"].remedy
        assert refused["R1"].ok
        outcomes = await bring_back(target.place, store, changes=Changes(replicas=1))
        assert {name: (item.ok, item.proof.verdict) for name, item in outcomes.items()} == {
            "R3": (True, "equal"),
            "R1": (True, "equal"),
            "M3": (True, "equal"),
        }
        assert outcomes["R1"].already_there
        assert {name: await everything(other, name) for name in before} == before
        for number in range(6):
            assert await next_of(other, "R3", f"c{number}") == 10 * (number + 1) + 1
        for name in before:
            await client.jetstream().delete_stream(name)
        back = await bring_back(cluster_place(cluster), store)
        assert all(outcome.ok and outcome.proof.verdict == "equal" for outcome in back.values())
        placed = (await client.jetstream().stream_info("R3")).cluster
        assert placed
        assert len(placed.replicas or []) == 2

    run(work())


def test_into_another_account_and_another_domain(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    accounts = {
        "accounts": {
            "A": {"jetstream": "enabled", "users": [{"user": "a", "password": "a"}]},
            "B": {"jetstream": "enabled", "users": [{"user": "b", "password": "b"}]},
        }
    }
    server = start("accounts", **accounts)

    async def work() -> None:
        client = await connect(server.url, user="a", password="a")
        await fill(client, "S", 20)
        mine = nats_place(server.url, ConnectOptions(user="a", password="a"))
        theirs = nats_place(server.url, ConnectOptions(user="b", password="b"))
        await back_up(mine, store)
        assert (await bring_back(theirs, store))["S"].ok
        other = await connect(server.url, user="b", password="b")
        assert await everything(other, "S") == await everything(client, "S")

    run(work())


def test_through_a_leaf_node_into_the_other_domain(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    port = free_port()
    hub_store = {"store_dir": str(tmp_path / "hub"), "domain": "hub"}
    hub = start("hub", jetstream=hub_store, leafnodes={"listen": f"127.0.0.1:{port}"})
    leaf_store = {"store_dir": str(tmp_path / "leaf"), "domain": "leaf"}
    leaf = start("leaf", jetstream=leaf_store, leafnodes={"remotes": [{"url": f"nats://127.0.0.1:{port}"}]})

    async def work() -> None:
        client = await connect(hub.url)
        await fill(client, "S", 2000, 1000)
        from_leaf = nats_place(leaf.url, ConnectOptions(), domain="hub")

        async def linked() -> bool:
            async with from_leaf.open() as jetstream:
                return await StreamApi(jetstream).reaches("hub")

        await eventually(linked, "the leaf node is connected")
        manifest = await back_up(from_leaf, store)
        assert (manifest.domain, manifest.messages) == ("hub", 2000)
        to_leaf = nats_place(hub.url, ConnectOptions(), domain="leaf")
        outcome = (await bring_back(to_leaf, store, streams={"S": "T"}))["T"]
        assert (outcome.ok, outcome.proof.verdict) == (True, "equal")
        other = await connect(leaf.url)
        assert [item[2] for item in await everything(other, "T")] == [item[2] for item in await everything(client, "S")]

    run(work())
