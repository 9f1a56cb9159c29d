"""The same texts are accepted and refused by nats-server itself (``-t``), but for the differences listed here."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from secondsite.discover.nats_conf import parse_conf
from secondsite.model.errors import InputError

pytestmark = pytest.mark.slow

SERVER = Path(sys.executable).parent / "nats-server"

FULL = """
server_name: "n1"; port: 4222, http: "127.0.0.1:8222"
max_payload = 2MB
jetstream {
  store_dir: '/tmp/x', max_file_store: 10Gi # per server
  max_mem: "1G"
  sync_interval: always
}
LIMIT = 1k
max_connections = $LIMIT
cluster { name: c1, listen: 127.0.0.1:6222
  routes [ nats://127.0.0.1:6222, "nats://127.0.0.1:6223" ] }
gateway { name: c1, port: 7222, reject_unknown: yes, gateways: [ {name: c1, url: nats://127.0.0.1:7222} ] }
leafnodes { remotes = [ { urls: ["nats-leaf://127.0.0.1:7422"], deny_imports: "a.>", deny_exports: [b, c] } ] }
accounts { SYS { users [ {user: a, password: $2a$11$PWIFAL8RsWyGI3jVZtO9Nu8.6jOxzxfZo7c/W0eLk017hjgUKWrhy} ] } }
system_account: SYS
"""
VALID = [
    FULL,
    '{\n  "port": 4222,\n  "server_name": "a",\n "cluster": {"name": "b", "port": 6222,},\n "max_connections": 1M\n}\n',
    "port: 4222\n// end",
    "{port 4222}",
    "port: 4222 }\n",
    "x=[1 ]",
    "x=[1k]",
    "x=[a\nb]",
    "x=(\na\n)\n",
    "x\n\n 5",
    "x {a=\n5}",
    "x=a#b",
    "x=10s",
    "x=1kib",
    "x='a\nb'",
    'x="\\x41\\t"',
    "x=-5",
    "x=2024-01-01T00:00:00Z",
    "x=127.0.0.1:4222",
    "y=5\nx=$y",
    "x = ;",
    "x={include 'inc.conf'}",
    "INCLUDE inc.conf",
    "x\u00a0=1",
    "{ {x=1} }",
]
INVALID = [
    "x=[1]",
    "x=[1,2]",
    "x",
    "x \n",
    "x =\n5",
    "x=1 y=2",
    "x={a 1 b 2}",
    "x=[a b]",
    "x=[,]",
    "x=[{a:1} {b:2}]",
    "x {",
    "x [",
    "x='a",
    'x="a',
    'x="\\q"',
    'x="\\x4"',
    "x=(\na",
    "x=1.5s",
    "x=5.",
    "x=.5",
    "x=-a",
    "x=2024-01-01",
    "x=2024-13-01T00:00:00Z",
    "x=99999999999999999999",
    "x=1٥",
    "=1",
    "/x=1",
    "x=1 / y",
    "x={]}",
    "x=[}]",
    "}}",
    "include [a]",
    "x=a'b",
    "x {a:1}{",
]
# We are stricter where the server drops, wraps or misplaces a value; we are not the server where it needs its pod.
STRICTER = ["x={a:}", "x={a 1 /b 2}", "x=1kbb", "x=10E", '"', "x=1\n}\ny=2", "x=1\0"]
LENIENT = ["x=$NOPE", "x = << $NOPE >>", "include 'nope.conf'"]


def ours(text: str) -> bool:
    try:
        parse_conf(text, "nats.conf", include=lambda name: ({"inc.conf": "z = 3\n"}[name], name))
    except InputError:
        return False
    return True


def theirs(text: str, folder: Path) -> bool:
    """Whether the server can read the text; what it thinks of the keys does not matter here."""
    (folder / "inc.conf").write_text("z = 3\n")
    (folder / "nats.conf").write_bytes(text.encode())
    done = subprocess.run(
        [SERVER, "-t", "-c", "nats.conf"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    output = done.stdout + done.stderr
    return done.returncode == 0 or "unknown field" in output or "no values" in output or "validating" in output


@pytest.mark.parametrize("text", VALID)
def test_both_accept(text: str, tmp_path: Path) -> None:
    assert theirs(text, tmp_path)
    assert ours(text)


@pytest.mark.parametrize("text", INVALID)
def test_both_refuse(text: str, tmp_path: Path) -> None:
    assert not theirs(text, tmp_path)
    assert not ours(text)


@pytest.mark.parametrize("text", STRICTER)
def test_we_refuse_what_the_server_would_lose(text: str, tmp_path: Path) -> None:
    assert theirs(text, tmp_path)
    assert not ours(text)


@pytest.mark.parametrize("text", LENIENT)
def test_we_go_on_without_the_pod(text: str, tmp_path: Path) -> None:
    assert not theirs(text, tmp_path)
    assert ours(text)


def test_the_full_example_is_valid_to_the_last_key(tmp_path: Path) -> None:
    (tmp_path / "nats.conf").write_text(FULL)
    done = subprocess.run(
        [SERVER, "-t", "-c", "nats.conf"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


# Pieces that make no known difference: no slash alone, no map key without a value, no stray brace or quote.
PIECES = [
    "a ",
    "b=",
    "c: ",
    "d {",
    "}",
    "\n",
    ",",
    ";",
    "[",
    " ]",
    "1 ",
    "2k ",
    "1.5 ",
    "'q'",
    '"d"',
    "# c\n",
    "// s\n",
]
PIECES += ["true ", "10.0.0.1:42 ", "x-y ", "[a, b]", "{e 1 }", " = ", "(\nt\n)\n", "2024-01-01T00:00:00Z "]


def test_random_texts_are_judged_alike(tmp_path: Path) -> None:
    dice = random.Random(20261)
    differing = []
    accepted = 0
    for _ in range(400):
        text = "k = 1\n" + "".join(dice.choices(PIECES, k=dice.randint(1, 7)))
        mine, server = ours(text), theirs(text, tmp_path)
        accepted += server
        if mine != server and not stricter(text):
            differing.append((text, server))
    assert not differing
    assert 40 < accepted < 360


def stricter(text: str) -> bool:
    """A brace that closes nothing, or a key without its value or a value without its key: the server misplaces it."""
    try:
        parse_conf(text, "nats.conf")
    except InputError as error:
        return (
            error.problems[0].what in ("'}' closes nothing", "a key without a value")
            or "where a key" in error.problems[0].what
        )
    return False
