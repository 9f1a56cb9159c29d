"""Names from files, streams, stores and arguments reach no terminal as commands, whichever verb prints them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from nats_world import BIN, free_port, process

from nats import connect
from secondsite.model.printable import printable

pytestmark = pytest.mark.slow
STREAM = "EV\x1b[2JENTS\u202e\x9b31m"
SYSTEM = """\
schema: secondsite/system/1
name: "shop\\e[2J\\x9b31m"
region: {provider: aws, name: us-east-1}
second: {provider: aws, name: us-west-2}
third: {provider: aws, name: us-east-2}
services:
  - {name: "api\\e[2J\\u202Eevil\\x9b31m\\r", role: api, kind: Deployment, image: "api:1\\e]0;owned\\a", replicas: 2}
  - {name: nats, role: nats, kind: StatefulSet, image: "nats:2.15.1", replicas: 1}
nats:
  - name: nats
    service: nats
    version: "2.15.1"
    servers: 1
    streams:
      - name: "EV\\e[2JENTS\\u202E\\x9b31m"
        subjects: ["ev\\x9b2Jil\\u202E.>"]
        consumers: [{name: "wor\\e]0;ker\\a"}]
contracts:
  - {subject: nats, fault: region, rto: 1h}
secrets:
  - {name: "sec\\e[2Jret", namespace: "n\\x9bs"}
"""
MANIFEST = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "nats\\e[2j", namespace: "n\\x9b31m"}
spec:
  replicas: 3
  template: {spec: {containers: [{name: "nats\\e]0;owned\\a", image: "nats:2.10\\e[2J", args: ["-js"]}]}}
"""
LEAF = ("--strategy", "warm-standby/leafnode-mirror")
WHERE = ("--nats", "us-east-1=NATS", "--nats", "us-west-2=nats://127.0.0.1:1", *LEAF)
VERBS = {
    "audit": ["audit"],
    "evaluate": ["evaluate", "--years", "500"],
    "failover plan": ["failover", "plan", *WHERE],
    "publish": ["publish", "docs", "--years", "500"],
    "render": ["render", "out", *LEAF, "--domain", "x.example.com"],
    "verify": ["verify"],
    "drill": ["drill", "no\x1b[2Jfault"],
    "init of files": ["init", "manifests", "--file", "found.yaml", "--yes"],
    "init of servers": ["init", "--nats", "NATS", "--file", "live.yaml", "--yes", "--verbose"],
    "init of a hostile file": ["init", "bad\x1b[2J\u202e.yaml", "--file", "bad.yaml", "--yes"],
    "backup": ["backup", "--nats", "NATS", "--to", "file://STORE"],
    "backup list": ["backup", "list", "--from", "file://STORE"],
    "backup verify": ["backup", "verify", "--from", "file://STORE", "--no-restore"],
    "a backup's streams": ["backup", "list", "--from", "file://STORE", "--json"],
    "restore": ["restore", "--nats", "NATS", "--from", "file://STORE"],
    "archive": ["archive", "--nats", "NATS", "--to", "file://STORE", "--once"],
    "archive verify": ["archive", "verify", "--from", "file://STORE"],
    "an unknown option": ["audit", "--\x1b[2Jevil"],
    "an unknown verb": ["au\x1b[2Jdit"],
    "a stream that does not exist": ["backup", "--nats", "NATS", "--to", "file://STORE", "--stream", "no\x9b31m"],
}
SHOWN = {"audit", "evaluate", "failover plan", "drill", "init of files", "restore", "render"}
"""What has such names to say."""
PROGRAM = """\
import json, sys
from secondsite.cli.__main__ import run
from secondsite.cli.streams import open_streams

open_streams()
for name, arguments in json.load(open("verbs.json", encoding="utf-8")).items():
    for stream in (sys.stdout, sys.stderr):
        print(f"@@{name}@@", file=stream, flush=True)
    try:
        run(arguments)
    except SystemExit:
        pass
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """It has a stream and a consumer with such names."""
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    store = tmp_path_factory.mktemp("store")
    with process(BIN / "nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", store, port=port):

        async def fill() -> None:
            client = await connect(url)
            config = {"name": STREAM, "subjects": ["e.>"], "num_replicas": 1, "storage": "file"}
            answer = await client.request(f"$JS.API.STREAM.CREATE.{STREAM}", json.dumps(config).encode(), timeout=30)
            assert "error" not in json.loads(answer.data), answer.data
            await client.request("e.a", b"x", timeout=30)
            await client.close()

        asyncio.run(fill())
        yield url


@pytest.fixture(scope="module")
def said(server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each verb printed on both streams, where rich is told that they are a terminal."""
    folder = tmp_path_factory.mktemp("said")
    (folder / "secondsite.yaml").write_text(SYSTEM)
    (folder / "manifests").mkdir()
    (folder / "manifests" / "nats.yaml").write_text(MANIFEST)
    (folder / "bad\x1b[2J\u202e.yaml").write_text("kind: 3\n\x1b: 1\n")
    (folder / "store" / "odd\x1b[2J").mkdir(parents=True)
    told = {"NATS": server, "STORE": str(folder / "store")}
    verbs = {name: [re.sub("NATS|STORE", lambda m: told[m[0]], each) for each in verb] for name, verb in VERBS.items()}
    (folder / "verbs.json").write_text(json.dumps(verbs))
    env = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "100", "XDG_DATA_HOME": str(folder)}
    with (folder / "said").open("wb") as out:
        command = [sys.executable, "-c", PROGRAM]
        subprocess.run(command, cwd=folder, env=env, stdout=out, stderr=out, check=True, timeout=240)
    parts = re.split(r"@@(.*?)@@\n", (folder / "said").read_bytes().decode("utf-8"))
    found: dict[str, str] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        found[name] = found.get(name, "") + text
    return found


def controls(text: str) -> set[str]:
    """But for new lines and colours of our own: no name above has one that ends so after an escape."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    return {letter for letter in plain if letter != "\n" and printable(letter) != letter}


@pytest.mark.parametrize("verb", VERBS)
def test_no_name_is_a_command_to_the_terminal(said: dict[str, str], verb: str) -> None:
    assert controls(said[verb]) == set()
    assert "internal error" not in said[verb]
    assert verb not in SHOWN or "[2j" in said[verb].lower()
