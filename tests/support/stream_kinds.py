"""Streams of every kind, worn by use, and what there is to know of one: to be compared there and back."""

from __future__ import annotations

import json
from typing import Any

from nats.aio.client import Client
from nats.js.errors import NoStreamResponseError
from nats_world import eventually, everything, fetched

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
CASES = [
    *((version, 1) for version in ("2.10.26", "2.11.11", "2.12.8", "2.14.6", "2.15.1")),
    *((version, 3) for version in ("2.10.26", "2.12.8", "2.15.1")),
]
"""Releases that the kinds are tried on, alone and on three servers."""
OLD = ("2.10.26", "2.11.11", "2.12.8", "2.14.6")
CANNOT: dict[str, tuple[str, ...]] = {  # kinds that these versions do not have, or cannot save
    "MEMORY": OLD,
    "TTL": ("2.10.26",),
    "COUNTER": ("2.10.26", "2.11.11"),
}


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
        await _stored(client, f"{subject_of(kind)}.{number % 3}", payload, headers)


async def _stored(client: Client, subject: str, payload: bytes, headers: dict[str, str]) -> None:
    """A server may hear of another's stream a moment after it was made: until then nobody answers."""

    async def taken() -> bool:
        try:
            await client.jetstream().publish(subject, payload, headers=headers)
        except NoStreamResponseError:
            return False
        return True

    await eventually(taken, f"{subject} is taken")


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
