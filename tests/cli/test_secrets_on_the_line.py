"""A secret on the command line is refused with the way to give it, and no message repeats it."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondsite.cli.__main__ import run
from secondsite.model.errors import EXIT_BAD_INPUT

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml")
SECRET = "hunter2"  # of nobody
URL = f"nats://app:{SECRET}@host:4222"
AGE = "AGE-SECRET-KEY-1QQPQHUNTER2"
CRONJOB = ["backup", "cronjob", "--to", "s3://b", "--every", "15m", "--image", "i"]


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["backup", "--nats", URL, "--to", "file:///x"], "set NATS_USER and NATS_PASSWORD"),
        (["backup", "--nats", f"nats://{SECRET}@host", "--to", "file:///x"], "NATS_TOKEN"),
        (["restore", "--nats", URL, "--from", "file:///x"], "--context"),
        ([*CRONJOB, "--nats", URL], "--environment-secret"),
        (["init", "--nats", URL], "NATS_PASSWORD"),
        (["init", "--nats", "nats://h", "--monitor", f"http://a:{SECRET}@h:8222"], "port-forward"),
        (["failover", "plan", "--file", EXAMPLE, "--nats", f"us-east-1={URL}"], "--nats us-east-1=context:NAME"),
        (["failover", "plan", "--file", EXAMPLE, "--nats", URL], "write --nats NAME=VALUE"),
        (["failover", "plan", "--file", EXAMPLE, "--system", f"us-east-1={URL}"], "--system us-east-1=context:NAME"),
        (["gate", "--nats", URL, "--system", "nats://h", "--folder", "/x", "--file", EXAMPLE], "set NATS_USER"),
        (["gate", "--nats", "nats://h", "--system", URL, "--folder", "/x", "--file", EXAMPLE], "NATS_SYSTEM_PASSWORD"),
        (["backup", "--nats", "nats://h", "--to", "s3://b", "--endpoint", f"http://k:{SECRET}@h"], "http://host:port"),
        (["backup", "--nats", "nats://h", "--to", f"s3://k:{SECRET}@b"], "environment"),
        (["backup", "--nats", "nats://h", "--to", "file:///x", "--recipient", AGE], "begins with age1"),
    ],
)
def test_it_is_refused_unseen(arguments: list[str], remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == EXIT_BAD_INPUT
    said = "".join(capsys.readouterr())
    assert remedy in said
    assert SECRET not in said.lower()
