"""A password that nats-server would not read as one is named, by a command that stands before its start."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from needed import missing
from region_pair import BINARY

from secondsite.model.deployment import Deployment
from secondsite.publish.deploy.readme import document
from secondsite.strategies.deployed_addresses import DeployedAddresses

GOOD = "aGoodOneOf24Characters00"
BAD = (
    "12345678901234567890",
    "true",
    "",
    "a,b;c'd",
    'x"y',
    "a b c d e f g h i j k",
    "1e400",
    "$OTHER",
    "0x7f",
    "2k",
    "{}",
)
CONF = "accounts { A { users: [ {user: a, password: $P} ] } }\n"


def command(deployment: Deployment) -> str:
    """What stands behind the pipe."""
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    lines = [line for line in document(deployment, book, "render").splitlines() if "get secret nats-logins" in line]
    assert len(lines) == 2  # one for each region
    return lines[0].partition(" | ")[2]


def named(filtered: str, value: str) -> bool:
    jq = shutil.which("jq") or missing("jq is not installed: apt-get install jq")
    secret = json.dumps({"data": {"P": base64.b64encode(value.encode()).decode()}})
    words = shlex.split(filtered)
    assert words[0] == "jq"
    done = subprocess.run([jq, *words[1:]], input=secret, capture_output=True, text=True, check=True)
    return done.stdout.split() == ["P"]


@pytest.mark.parametrize("value", BAD)
def test_what_is_no_password_is_named(value: str, laid_out: Callable[[str], Deployment]) -> None:
    assert named(command(laid_out("warm-standby/leafnode-mirror")), value)


def test_what_it_names_not_is_taken(tmp_path: Path, laid_out: Callable[[str], Deployment]) -> None:
    assert not named(command(laid_out("warm-standby/leafnode-mirror")), GOOD)
    conf = tmp_path / "nats.conf"
    conf.write_text(CONF)
    for value, taken in ((GOOD, True), (BAD[0], False), ("a,b;c'd", False)):
        done = subprocess.run(
            [BINARY, "-t", "-c", conf], capture_output=True, text=True, check=False, env={**os.environ, "P": value}
        )
        assert (done.returncode == 0) is taken, re.sub(r"\s+", " ", done.stderr)
