"""The way back from an archive, by the commands of docs/archive.md on real servers: no acknowledged write goes."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from moments import ship
from nats_world import BIN, connect, everything, publish, run

from secondsite.archive.layout import ROOT as ARCHIVE
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[2] / "docs/archive.md"


def _documented() -> list[str]:
    """Each command, without what is said beside it."""
    lines = re.findall(r"^    (secondsite .*)$", DOCS.read_text("utf-8"), re.MULTILINE)
    return [re.split(r"\s{3,}", line)[0] for line in lines]


def _typed(command: str, bucket: Path, **environment: str) -> str:
    here = command.replace("secondsite ", f"{BIN / 'secondsite'} ", 1).replace("s3://my-backups", f"file://{bucket}")
    known = {**os.environ, **environment}
    done = subprocess.run(["sh", "-c", here], env=known, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (here, done.stdout, done.stderr)
    return done.stdout


def test_the_first_region_has_all_again_and_what_only_it_had_is_kept(start: Any, tmp_path: Path) -> None:
    home, second, bucket = start("home"), start("second"), tmp_path / "bucket"
    at = {"HOME_NATS": home.url, "SECOND_NATS": second.url}

    async def written(url: str, count: int, payload: bytes) -> list[int]:
        client = await connect(url)
        return [(await client.jetstream().publish("orders.x", payload)).seq for _ in range(count)]

    async def before() -> list[int]:
        client = await connect(home.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await publish(client, "ORDERS", 50)
        await client.jetstream().pull_subscribe("orders.>", durable="w", stream="ORDERS")
        store = ObjectStorage(parse_store(f"file://{bucket}/home"), make=True)
        await ship(home.place, store.below(ARCHIVE))
        return await written(home.url, 7, b"shipped by nobody")

    late = run(before())
    _typed('secondsite restore --nats "$SECOND_NATS" --from s3://my-backups/home', bucket, **at)
    taken = run(written(second.url, 20, b"taken by the second region"))
    assert taken[0] == late[0], "both regions gave out the same sequences"
    for command in _documented():
        _typed(command, bucket, **at)

    async def there(url: str) -> list[tuple[int, bytes]]:
        client = await connect(url)
        assert (await client.jetstream().consumer_info("ORDERS", "w")).name == "w"
        return [(sequence, payload) for sequence, _, payload, _ in await everything(client, "ORDERS")]

    assert run(there(home.url)) == run(there(second.url))
    assert len(run(there(home.url))) == 70
    after = f"secondsite archive after ORDERS={late[0] - 1} --from s3://my-backups/home"
    kept = [json.loads(line) for line in _typed(f"{after} --json --payload", bucket).splitlines()]
    assert [base64.b64decode(each["payload"]) for each in kept] == [b"shipped by nobody"] * 7
    assert _typed(after, bucket).splitlines()[-1] == f"7 messages after ORDERS={late[0] - 1}"
    assert run(written(home.url, 1, b"next"))[0] == 71
    _typed(_documented()[0], bucket, **at)
    listed = _typed("secondsite archive after ORDERS=70 --from s3://my-backups/home", bucket)
    assert listed.startswith("71 "), "its own archive goes on with the stream that came back"
