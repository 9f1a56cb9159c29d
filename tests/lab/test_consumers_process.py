"""What the lab's consumers process: of durables that are asked, and of those to which the server delivers by itself."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nats_world import Server, acknowledged, wait_until

import nats

pytestmark = pytest.mark.slow

MESSAGES = 300
KINDS: dict[str, dict[str, Any]] = {
    "asked": {},
    "pushed": {"deliver_subject": "to.pushed", "flow_control": True, "idle_heartbeat": 10**9},
    "shared": {"deliver_subject": "to.shared", "deliver_group": "crew"},
}


async def _fill(url: str) -> None:
    async with await nats.connect(url) as client:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="PARCELS", subjects=["parcels"])
        for name, how in KINDS.items():
            config = {"durable_name": name, "ack_policy": "explicit", "max_ack_pending": 50, **how}
            asked = json.dumps({"stream_name": "PARCELS", "config": config}).encode()
            answer = await client.request(f"$JS.API.CONSUMER.DURABLE.CREATE.PARCELS.{name}", asked)
            assert b'"error"' not in answer.data
        for number in range(MESSAGES):
            await acknowledged(client, "parcels", b"x" * 1000, {"Nats-Msg-Id": str(number)})


def test_what_the_server_pushes_is_processed_as_what_is_pulled(tmp_path: Path) -> None:
    server, record = Server(tmp_path / "server"), tmp_path / "record.jsonl"
    consumers = [
        {
            "stream": "PARCELS",
            "name": name,
            "push": how.get("deliver_subject", ""),
            "group": how.get("deliver_group", ""),
        }
        for name, how in KINDS.items()
    ]
    config = {
        **{"region": "east", "nats": [server.url], "client": {}, "consumers": consumers},
        **{"record": str(record), "ready": str(tmp_path / "ready")},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "secondsite.lab.consumer_process", str(tmp_path / "config.json")]
    process = subprocess.Popen(command)  # it waits for the server, as a pod does
    try:
        server.start()
        asyncio.run(_fill(server.url))
        wait_until(lambda: record.exists() and record.read_text().count("\n") >= MESSAGES * len(KINDS), 60)
        lines = [json.loads(line) for line in record.read_text().splitlines()]
    finally:
        process.kill()
        process.wait()
        server.kill()
    done = {name: sorted(line["sequence"] for line in lines if line["consumer"] == name) for name in KINDS}
    assert done == {name: list(range(1, MESSAGES + 1)) for name in KINDS}
