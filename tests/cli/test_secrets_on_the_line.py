"""A secret on the command line is refused with the way to give it, and no message repeats it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.cli.__main__ import run
from secondsite.cli.secrets_on_the_line import refuse_secrets
from secondsite.model.errors import EXIT_BAD_INPUT, InputError

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
        (["failover", "plan", "--file", EXAMPLE, "--nats", URL], "--nats REGION=context:NAME"),
        (["failover", "plan", "--file", EXAMPLE, "--system", f"us-east-1={URL}"], "--system us-east-1=context:NAME"),
        (["gate", "--nats", URL, "--system", "nats://h", "--folder", "/x", "--file", EXAMPLE], "set NATS_USER"),
        (["gate", "--nats", "nats://h", "--system", URL, "--folder", "/x", "--file", EXAMPLE], "NATS_SYSTEM_PASSWORD"),
        (["backup", "--nats", "nats://h", "--to", "s3://b", "--endpoint", f"http://k:{SECRET}@h"], "http://host:port"),
        (["backup", "--nats", "nats://h", "--to", f"s3://k:{SECRET}@b"], "environment"),
        (["backup", "--nats", "nats://h", "--to", "file:///x", "--recipient", AGE], "begins with age1"),
        (["agent", "--nats", URL, "--config", "x"], "NATS_PASSWORD"),
        (["failback", "run", "--file", EXAMPLE, "--path-url", f"https://u:{SECRET}@h/"], "`operate: path:`"),
        (["failover", "run", "--command", f"fence=curl https://u:{SECRET}@h/"], "from a file"),
        (["postgres", "status", f"postgresql://dr:{SECRET}@h/"], "env:NAME, file:PATH or service:NAME"),
        (["init", "--postgres", f"orders=postgresql://dr:{SECRET}@h/"], "env:NAME, file:PATH or service:NAME"),
        (["redis", "status", f"redis://:{SECRET}@h"], "give env:NAME or file:PATH"),
        (["failover", "plan", "--store", f"us-east-1/orders=redis://:{SECRET}@h"], "REGION/STORE=env:NAME"),
        (["failover", "plan", f"--nats=us-east-1={URL}"], "--nats us-east-1=context:NAME"),
        (["backup", URL], "--help"),
        (["backup", "--password", SECRET], "NATS_PASSWORD"),
        (["backup", "--metrics-port", URL], "--help"),
        (["evaluate", "--workers", f"dask://{SECRET}@h:1"], "--help"),
        (["verify", "--key", f"-----BEGIN PRIVATE KEY-----{SECRET}"], "--help"),
    ],
)
def test_it_is_refused_unseen(arguments: list[str], remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == EXIT_BAD_INPUT
    said = "".join(capsys.readouterr())
    assert remedy in said
    assert SECRET not in said.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        ["failover", "run", "--why", "see https://wiki:8443/@ops/postmortem", "--who", "ops@example.com"],
        ["failover", "plan", "--nats", "us-east-1=context:ops", "--path-url", "https://h/a@b?to=c@d"],
        ["backup", "--to", "s3://bucket/prefix", "--endpoint", "http://minio:9000", "--recipient", "age1qqqq"],
        ["render", "--domain", "nats.example.com", "--gate-image", "registry:5000/secondsite@sha256:00"],
    ],
)
def test_what_is_no_secret_goes_through(arguments: list[str]) -> None:
    refuse_secrets(arguments)


@given(
    st.sampled_from(["audit", "init", "failover run", "backup list", "archive", "watch"]),
    st.from_regex(r"--[a-z]{1,12}(-[a-z]{1,8})?", fullmatch=True),
    st.sampled_from([URL, f"east={URL}", AGE, f"https://:{SECRET}@h", f"redis://{SECRET}@h", f"a,{URL}"]),
    st.booleans(),
)
def test_no_verb_and_no_option_can_forget_to_refuse(verb: str, option: str, secret: str, joined: bool) -> None:
    arguments = [*verb.split(), *([f"{option}={secret}"] if joined else [option, secret])]
    with pytest.raises(InputError) as refused:
        refuse_secrets(arguments)
    assert SECRET not in str(refused.value).lower()
