"""Memory stays bounded whatever the stream: 300 MiB and 100,000 messages here, 5 GiB and 10 million when asked.

``SECONDSITE_BIG_MIB=5120 SECONDSITE_BIG_MESSAGES=10000000 pytest -s tests/backup/test_big_streams.py`` prints what it
measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nats_world import connect, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

MIB = int(os.environ.get("SECONDSITE_BIG_MIB", "300"))
MESSAGES = int(os.environ.get("SECONDSITE_BIG_MESSAGES", "100000"))
BOUND_MIB = 64
LARGE = 512 * 1024
BATCH = 20_000


async def load(url: str, count: int, size: int) -> None:
    """Without waiting for each acknowledgement: one per batch, as a connection's messages are stored in order."""
    client = await connect(url)
    jetstream = client.jetstream(timeout=60)
    await jetstream.add_stream(name="BIG", subjects=["big.>"])
    batch = max(1, min(BATCH, 32 * 1024**2 // size))
    for start in range(0, count, batch):
        end = min(count, start + batch)
        filler = os.urandom(size)
        for number in range(start, end - 1):
            content = os.urandom(size) if size == LARGE else number.to_bytes(8, "big") + filler[8:]
            await client.publish(f"big.{number % 10}", content)
        ack = await jetstream.publish("big.last", (end - 1).to_bytes(8, "big") + filler[8:])
        assert ack.seq == end


def measured(verb: str, nats: str, store: str) -> dict[str, Any]:
    script = Path(__file__).with_name("measured_run.py")
    done = subprocess.run([sys.executable, script, verb, nats, store], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    print(verb, told)
    return told


@pytest.mark.parametrize(("count", "size"), [(MIB * 2, LARGE), (MESSAGES, 16)], ids=["bytes", "messages"])
def test_memory_is_bounded_there_and_back(start: Any, tmp_path: Path, count: int, size: int) -> None:
    source, target = start("source"), start("target")
    run(load(source.url, count, size))
    url = f"file://{tmp_path / 'backups'}"
    saved = measured("backup", source.url, url)
    source.kill()
    assert saved["messages"] == count
    assert saved["grown_mib"] < BOUND_MIB
    back = measured("verify", target.url, url)
    assert (back["messages"], back["verdict"]) == (count, "equal")
    assert back["grown_mib"] < BOUND_MIB
    assert back["child_mib"] < BOUND_MIB + 40  # an interpreter, and one block
