"""The same stream comes back: every kind, on every version, alone and on three servers; what cannot be is said.

One table, `CANNOT`, holds what a version does not do; everything else has to be equal: messages, state, deleted gaps,
configuration field by field, consumers with their positions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats_world import Server, binary_of, cluster_place, connect, eventually, everything, fetched, run, three_servers

from secondsite.backup.inventory import choose_backup
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.target import differences
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
CASES = [
    *((version, 1) for version in ("2.10.26", "2.11.11", "2.12.8", "2.14.6", "2.15.1")),
    *((version, 3) for version in ("2.10.26", "2.12.8", "2.15.1")),
]
KINDS: dict[str, dict[str, Any]] = {
    "LIMITS": {},
    "QUEUE": {"retention": "workqueue"},
    "INTEREST": {"retention": "interest"},
    "MEMORY": {"storage": "memory"},
    "PACKED": {"compression": "s2"},
    "FIRST": {"first_seq": 5000},
    "SEALED": {},
    "DENIED": {"deny_delete": True, "deny_purge": True},
    "FULL": {"max_msgs": 7, "discard": "new"},
    "EACH": {"max_msgs_per_subject": 2},
    "KV_b": {"max_msgs_per_subject": 3, "allow_rollup_hdrs": True, "deny_delete": True, "allow_direct": True},
    "TRANSFORMED": {"subject_transform": {"src": "transformed.>", "dest": "done.>"}},
    "REPUBLISHED": {"republish": {"src": "republished.>", "dest": "again.>"}},
    "TTL": {"allow_msg_ttl": True},
    "COUNTER": {"allow_msg_counter": True},
    "SOURCED": {"sources": [{"name": "LIMITS"}]},
    "MIRROR": {"mirror": {"name": "LIMITS"}},
}
OLD = ("2.10.26", "2.11.11", "2.12.8", "2.14.6")
CANNOT: dict[str, tuple[str, ...]] = {  # kinds that these versions do not have, or cannot save
    "MEMORY": OLD,
    "TTL": ("2.10.26",),
    "COUNTER": ("2.10.26", "2.11.11"),
}


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def begin(version: str, count: int, name: str) -> list[Server]:
            binary = binary_of(version)
            if count == 3:
                return stack.enter_context(three_servers(tmp_path / name, binary))
            server = Server(tmp_path / name, name, binary=binary)
            stack.callback(server.kill)
            server.start()
            return [server]

        yield begin


async def api(client: Client, subject: str, request: Any = None) -> dict[str, Any]:
    data = b"" if request is None else json.dumps(request).encode()
    answer: dict[str, Any] = json.loads((await client.request(f"$JS.API.{subject}", data, timeout=10)).data)
    assert "error" not in answer, (subject, answer["error"])
    return answer


def subject_of(kind: str) -> str:
    return "$KV.b" if kind == "KV_b" else kind.lower()


async def make(client: Client, kind: str, replicas: int) -> None:
    fed = kind in ("SOURCED", "MIRROR")
    config = {"name": kind, "storage": "file", "num_replicas": replicas, "metadata": {"owner": "tests"}, **KINDS[kind]}
    if not fed:
        config["subjects"] = [f"{subject_of(kind)}.>"]
    if kind == "TRANSFORMED":
        config["description"] = "moved"
    await api(client, f"STREAM.CREATE.{kind}", config)
    if kind in ("LIMITS", "QUEUE", "INTEREST"):
        consumer = {"durable_name": "c", "ack_policy": "explicit", "ack_wait": 60 * 10**9, "max_deliver": 9}
        await api(client, f"CONSUMER.DURABLE.CREATE.{kind}.c", {"stream_name": kind, "config": consumer})
    if fed:

        async def copied() -> bool:
            return bool((await api(client, f"STREAM.INFO.{kind}"))["state"]["messages"] == 12)

        await eventually(copied, f"{kind} has its messages")
        return
    headers = {"Nats-Incr": "+1"} if kind == "COUNTER" else {"Nats-TTL": "1h"} if kind == "TTL" else {"A": "b"}
    for number in range(12 if kind != "FULL" else 7):
        payload = b"" if kind == "COUNTER" else b"%d" % number
        await client.jetstream().publish(f"{subject_of(kind)}.{number % 3}", payload, headers=headers)


async def wear(client: Client, kind: str) -> None:
    """Gaps, positions, a seal."""
    if kind in ("LIMITS", "FIRST", "PACKED"):
        last = (await api(client, f"STREAM.INFO.{kind}"))["state"]["last_seq"]
        for sequence in (last - 7, last - 4):
            await client.jetstream().delete_msg(kind, sequence)
    if kind in ("LIMITS", "QUEUE", "INTEREST"):
        puller = await client.jetstream().pull_subscribe_bind("c", stream=kind)
        for message in await fetched(puller, 4):
            await message.ack_sync()
    if kind == "SEALED":
        config = (await api(client, "STREAM.INFO.SEALED"))["config"]
        await api(client, "STREAM.UPDATE.SEALED", {**config, "sealed": True})


async def facts(client: Client, kind: str) -> dict[str, Any]:
    info = await api(client, f"STREAM.INFO.{kind}", {"deleted_details": True})
    consumers = (await api(client, f"CONSUMER.LIST.{kind}"))["consumers"] or []
    state = info["state"]
    return {
        "messages": await everything(client, kind) if kind != "QUEUE" else state["messages"],
        "state": {key: state.get(key) for key in ("messages", "first_seq", "last_seq", "deleted", "num_subjects")},
        "consumers": {item["name"]: (_plain(item["config"]), item["ack_floor"]["stream_seq"]) for item in consumers},
    }


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("metadata", "num_replicas") and value}


@pytest.mark.parametrize(("version", "count"), CASES)
def test_the_same_stream_comes_back(version: str, count: int, servers: Any, store: ObjectStorage) -> None:
    source, target = servers(version, count, "source"), servers(version, count, "target")
    kinds = [kind for kind in KINDS if version not in CANNOT.get(kind, ())]

    async def work() -> None:
        client, other = await connect(source[0].url), await connect(target[0].url)
        for kind in kinds:
            await make(client, kind, count)
        for kind in kinds:
            await wear(client, kind)
        await run_backup(cluster_place(source), store, BackupPlan(parallel=4), Silent())
        before = {kind: await facts(client, kind) for kind in kinds}
        configs = {kind: (await api(client, f"STREAM.INFO.{kind}"))["config"] for kind in kinds}
        manifest = await choose_backup(store)
        plan = RestorePlan(parallel=4)
        outcomes = await run_restore(cluster_place(target), store, manifest, plan, Silent())
        told = {item.stream: (item.error, item.missing_consumers, item.proof.verdict) for item in outcomes}
        assert told == dict.fromkeys(kinds, ("", (), "equal"))
        for item in outcomes:
            found = (await api(other, f"STREAM.INFO.{item.stream}"))["config"]
            wanted = configs[item.stream]
            if item.stream == "SOURCED":  # from 2.15 on it says where it goes on
                found = {**found, "sources": [{"name": "LIMITS"}]}
            assert differences(wanted, found) == ()
            assert item.differences == ()
            assert await facts(other, item.stream) == before[item.stream], item.stream

    run(work())
