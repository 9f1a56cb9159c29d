"""The commands of docs/archive.md, as they are printed: on a server of ours, a folder for the bucket."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from nats_world import BIN, connect, publish, run, wait_until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def _commands() -> list[str]:
    text = (ROOT / "docs/archive.md").read_text("utf-8")
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("secondsite ")]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def test_they_do_what_is_said(start: Any, tmp_path: Path) -> None:
    source = start("source")
    store = f"file://{tmp_path / 'bucket'}"

    async def fill() -> None:
        client = await connect(source.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await publish(client, "ORDERS", 1100)

    async def last(url: str) -> int:
        client = await connect(url)
        return int((await client.jetstream().stream_info("ORDERS")).state.last_seq)

    run(fill())
    once, daemon, newest, at, at_sequence, after, deployment, policy, verify, _, compact = _commands()
    here = {"nats://nats:4222": source.url, "s3://my-backups/prod": store}

    def told(command: str, **more: str) -> list[str]:
        words = [{**here, **more}.get(word, word) for word in shlex.split(command)]
        return [str(BIN / "secondsite"), *words[1:]]

    assert re.match(r"checkpoint 1 in file://.*: 1,100 messages of 1 stream", _run(told(once)))
    moment = datetime.now(UTC).isoformat()
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen([*told(daemon)[:-1], "0"], stdout=file, stderr=file)
    try:
        wait_until(lambda: "checkpoint 2" in log.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "kind: Deployment" in _run(shlex.split(f"{BIN}/{deployment}"))
    assert '"s3:PutObject"' in _run(shlex.split(f"{BIN}/{policy}"))
    assert _run(told(after)).endswith(
        "58 messages after ORDERS=1042: 0 wrong, 0 on subjects that were written wrongly "
        "before them, 58 independent of both\n"
    )
    assert _run(told(compact)).startswith("base ")
    assert _run(told(verify)).endswith("archive: good\n")
    for name, command, more, expected in (
        ("newest", newest, {}, 1100),
        ("at", at, {"2026-11-27T12:03:04Z": moment}, 1100),
        ("sequence", at_sequence, {}, 1042),
    ):
        target = start(name)
        out = _run(told(command, **{"nats://dr:4222": target.url}, **more))
        assert "every message is identical" in out
        assert run(last(target.url)) == expected
