"""A bucket that a script or a manifest asks for is the stream that a client of JetStream makes of it, on a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from manifest_tree import discovered
from nats.js.api import KeyValueConfig
from nats_world import Server

import nats
from secondsite.model.nats import NatsCluster
from secondsite.strategies.stream_config import stream_config

SCRIPT = """
nats kv add MACHINES --history 3 --max-value-size 1024 --description 'one value for each machine' --defaults
nats kv add FLAGS
nats object add PROOFS --description 'page proofs'
"""
APP = "{apiVersion: v1, kind: Service, metadata: {name: app}}"
NACK = """
apiVersion: jetstream.nats.io/v1beta2
kind: KeyValue
metadata: {name: machines}
spec: {bucket: MACHINES, history: 3, maxValueSize: 1024, description: one value for each machine}
---
apiVersion: jetstream.nats.io/v1beta2
kind: KeyValue
metadata: {name: flags}
spec: {bucket: FLAGS}
---
apiVersion: jetstream.nats.io/v1beta2
kind: ObjectStore
metadata: {name: proofs}
spec: {bucket: PROOFS, description: page proofs}
"""
CLIENTS_OWN = ("duplicate_window", "allow_msg_ttl", "metadata")
"""On these the clients differ (nats-py lets each key expire, natscli where it is asked), or the server says them."""


@pytest.mark.parametrize(
    "files", [{"streams.sh": SCRIPT, "app.yaml": APP}, {"buckets.yaml": NACK}], ids=["script", "nack"]
)
def test_a_bucket_is_the_stream_that_a_client_makes(tmp_path: Path, files: dict[str, str]) -> None:
    (cluster,) = discovered(tmp_path, files).system.nats
    server = Server(tmp_path / "server")
    server.start()
    try:
        clients, ours = asyncio.run(_made(server.url, cluster))
    finally:
        server.kill()
    assert set(clients) == {"KV_MACHINES", "KV_FLAGS", "OBJ_PROOFS"}
    assert ours == clients


async def _made(url: str, cluster: NatsCluster) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What the server holds of each: made by the client, and made of what was read."""
    connection = await nats.connect(url)
    js = connection.jetstream()
    described = "one value for each machine"
    machines = KeyValueConfig("MACHINES", description=described, max_value_size=1024, history=3, direct=True)
    await js.create_key_value(machines)
    await js.create_key_value(KeyValueConfig("FLAGS", direct=True))
    await js.create_object_store("PROOFS", description="page proofs")
    clients = await _held(js)
    for name in clients:
        await js.delete_stream(name)
    for stream in cluster.streams:
        await js._api_request(
            f"$JS.API.STREAM.CREATE.{stream.name}", json.dumps(stream_config(stream, cluster)).encode()
        )
    ours = await _held(js)
    await connection.close()
    return clients, ours


async def _held(js: Any) -> dict[str, Any]:
    answer = await js._api_request("$JS.API.STREAM.LIST", b"{}")
    return {
        each["config"]["name"]: {key: value for key, value in each["config"].items() if key not in CLIENTS_OWN}
        for each in answer["streams"]
    }
