"""Consumers of every kind, on the versions that people run, from three servers: themselves, where they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats_world import binary_of, cluster_place, connect, eventually, fetched, fill, run, three_servers
from stream_kinds import api

from secondsite.backup.codec import Keys
from secondsite.backup.objects import Reader
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.stream_restore import Work, set_back
from secondsite.backup.target import Changes
from secondsite.model.errors import InputError
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
HOUR = 3600 * 10**9
KINDS: dict[str, dict[str, Any]] = {
    "follows": {"durable_name": "follows", "ack_policy": "explicit"},
    "three": {"durable_name": "three", "ack_policy": "explicit", "num_replicas": 3},
    "one": {"durable_name": "one", "ack_policy": "explicit", "num_replicas": 1},
    "named": {"ack_policy": "explicit", "inactive_threshold": HOUR},
    "filtered": {"durable_name": "filtered", "ack_policy": "explicit", "filter_subject": "s.3"},
    "from5": {
        "durable_name": "from5",
        "ack_policy": "explicit",
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": 5,
    },
}


async def made(client: Client, stream: str, name: str, config: dict[str, Any]) -> dict[str, Any]:
    request = {"stream_name": stream, "config": {"name": name, **config}, "action": "create"}
    suffix = f".{config['filter_subject']}" if "filter_subject" in config else ""
    subject = f"$JS.API.CONSUMER.CREATE.{stream}.{name}{suffix}"
    answer: dict[str, Any] = json.loads((await client.request(subject, json.dumps(request).encode(), timeout=10)).data)
    return answer


async def positions(client: Client, stream: str) -> dict[str, int]:
    listed = json.loads((await client.request(f"$JS.API.CONSUMER.LIST.{stream}", b"", timeout=10)).data)
    return {item["name"]: item["ack_floor"]["stream_seq"] for item in listed["consumers"] or ()}


@pytest.mark.parametrize("version", ["2.10.26", "2.12.8", ""])
def test_from_three_servers_to_one(version: str, start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    binary = binary_of(version) if version else binary_of("2.15.1")
    target = start("target", binary)
    with three_servers(tmp_path / "three", binary) as servers:

        async def work() -> None:
            client, other = await connect(servers[0].url), await connect(target.url)
            await fill(client, "S", 60, num_replicas=3)
            await fill(client, "W", 20, num_replicas=3, retention="workqueue")
            for name, config in KINDS.items():
                assert "error" not in await made(client, "S", name, config)
            assert "error" not in await made(client, "W", "w", {"durable_name": "w", "ack_policy": "explicit"})
            for stream, name in (*(("S", name) for name in KINDS), ("W", "w")):
                puller = await client.jetstream().pull_subscribe_bind(name, stream=stream)
                for message in await fetched(puller, 5):
                    await message.ack_sync()
            before = await positions(client, "S")
            manifest = await run_backup(cluster_place(servers), store, BackupPlan(), Silent())
            plan = RestorePlan(changes=Changes(replicas=1))
            outcomes = {item.stream: item for item in await run_restore(target.place, store, manifest, plan, Silent())}
            for outcome in outcomes.values():
                assert (outcome.error, outcome.missing_consumers, outcome.differences) == ("", (), ())
                assert outcome.proof.verdict == "equal"

            async def there() -> bool:
                return await positions(other, "S") == before

            await eventually(there, "every consumer stands where it stood")
            again = {name: {**config, **_fewer(config)} for name, config in KINDS.items()}
            for name, config in again.items():  # the application's own CREATE finds its consumer
                assert "error" not in await made(other, "S", name, config), name
            assert await positions(other, "S") == before
            assert "error" not in await made(other, "W", "w", {"durable_name": "w", "ack_policy": "explicit"})
            puller = await other.jetstream().pull_subscribe_bind("w", stream="W")
            assert [item.metadata.sequence.stream for item in await fetched(puller, 15)] == list(range(6, 21))

        run(work())


def _fewer(config: dict[str, Any]) -> dict[str, Any]:
    return {"num_replicas": 1} if config.get("num_replicas", 0) > 1 else {}


@pytest.mark.parametrize("into", ["2.12.8", "2.15.1"])
def test_another_name_is_refused_where_it_cannot_be(into: str, start: Any, store: ObjectStorage) -> None:
    """Before 2.15 every message in an archive has a checksum that depends on the name of its stream."""
    source, target = start("source", binary_of("2.12.8")), start("target", binary_of(into))

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "S", 30)
        await fill(other, "T", 3)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        plan = RestorePlan(streams={"S": "T"}, overwrite=frozenset({"T"}))
        with pytest.raises(InputError, match="S can be restored only under its own name"):
            await run_restore(target.place, store, manifest, plan, Silent())
        assert (await other.jetstream().stream_info("T")).state.messages == 3

    run(work())


def test_small_archives_start_no_process(start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took a second a stream, whatever its size."""
    source, target = start("source"), start("target")
    started: list[object] = []

    async def begin(*arguments: object, **_: object) -> None:
        started.append(arguments)
        raise AssertionError("a process for a few messages")

    async def work() -> None:
        client = await connect(source.url)
        for number in range(5):
            await fill(client, f"S{number}", 50)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        monkeypatch.setattr("secondsite.backup.digesting.asyncio.create_subprocess_exec", begin)
        outcomes = await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        assert [outcome.proof.verdict for outcome in outcomes] == ["equal"] * 5

    run(work())
    assert started == []


@pytest.mark.parametrize("version", ["2.14.6", "2.15.1"])
def test_a_consumer_that_stands_back_is_set_and_stays_as_it_is(version: str, start: Any, store: ObjectStorage) -> None:
    """A position was set by making the consumer anew with a start sequence: its application's own CREATE was refused
    then (10012). From 2.14 on CONSUMER.RESET sets it, and the configuration stays.
    """
    source, target = start("source", binary_of(version)), start("target", binary_of(version))
    config = {"durable_name": "worker", "ack_policy": "explicit", "deliver_policy": "all"}

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        for each in (client, other):
            await fill(each, "S", 9)
            await made(each, "S", "worker", config)
        await _acknowledge(client, 5)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        (stream,) = manifest.streams
        before = (await api(other, "CONSUMER.INFO.S.worker"))["config"]
        async with target.place.open() as jetstream:
            saved = tuple(await Reader(store, manifest, Keys()).document(stream, "consumers.json"))
            work = Work(stream, {"name": "S"}, {"config": {"name": "S"}}, saved, prove=True)
            assert await set_back(jetstream, work, ("worker",)) == ("worker",)
        assert (await api(other, "CONSUMER.INFO.S.worker"))["config"] == before
        assert "error" not in await made(other, "S", "worker", config), "its application creates it as ever"
        (message,) = await fetched(await other.jetstream().pull_subscribe_bind("worker", "S"), 1)
        assert message.metadata.sequence.stream == 6

    run(work())


async def _acknowledge(client: Client, count: int) -> None:
    for message in await fetched(await client.jetstream().pull_subscribe_bind("worker", "S"), count):
        await message.ack_sync()
