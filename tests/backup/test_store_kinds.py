"""The whole round through the command, on every kind of store, with the credentials of its own ecosystem."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import command
import pytest
from command import secondsite
from nats_world import ACCESS, SECRET, Server, connect, consume, everything, fill, next_of, run
from store_servers import ACCOUNT_KEY, write_service_account

pytestmark = pytest.mark.slow
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def source(start: Any) -> Server:
    server: Server = start("source")

    async def load() -> None:
        client = await connect(server.url)
        await fill(client, "ORDERS", 500, 1000, headers=True)
        await consume(client, "ORDERS", "worker", 100)

    run(load())
    return server


@pytest.fixture
def nothing_secret_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Neither in what commands print, nor in what they wrote. A test that skipped said nothing at all."""
    heard: list[str] = []
    say = command.secondsite

    def listening(*arguments: str, **more: Any) -> tuple[str, str]:
        heard.extend(told := say(*arguments, **more))
        return told

    monkeypatch.setattr(sys.modules[__name__], "secondsite", listening)
    yield
    key = tmp_path / "service-account.json"
    private = json.loads(key.read_text())["private_key"].splitlines()[1:-1] if key.exists() else []
    for secret in (SECRET, ACCOUNT_KEY, *private):
        assert not [text for text in heard if secret in text]


@pytest.mark.usefixtures("nothing_secret_is_said")
@pytest.mark.parametrize(("kind", "scheme"), [("moto_s3", "s3"), ("azurite", "az"), ("fake_gcs", "gs")])
def test_there_and_back(source: Server, start: Any, kind: str, scheme: str, request: pytest.FixtureRequest) -> None:
    target = start("target")
    where = [f"{scheme}://bucket/prod", "--endpoint", request.getfixturevalue(kind)]
    saved = json.loads(secondsite("backup", "--nats", source.url, "--to", *where, "--json")[0])["backup"]
    assert secondsite("backup", "list", "--from", *where)[0].startswith(f"{saved}  1 stream, 500 messages")
    assert "good; restored in" in secondsite("backup", "verify", "--from", *where)[0]
    restored = json.loads(secondsite("restore", "--nats", target.url, "--from", *where, "--json")[0])
    assert (restored["ok"], restored["streams"][0]["proof"]["verdict"]) == (True, "equal")

    async def compare() -> None:
        one, other = await connect(source.url), await connect(target.url)
        assert await everything(one, "ORDERS") == await everything(other, "ORDERS")
        assert await next_of(other, "ORDERS", "worker") == 101

    run(compare())
    error = secondsite("backup", "list", "--from", f"{scheme}://other/prod", *where[1:], code=4)[1]
    assert "no such" in error
    newer = json.loads(secondsite("backup", "--nats", source.url, "--to", *where, "--keep-last", "1", "--json")[0])
    assert [line.split()[0] for line in secondsite("backup", "list", "--from", *where)[0].splitlines()] == [
        newer["backup"]
    ]


@pytest.mark.usefixtures("nothing_secret_is_said")
def test_aws_profiles_and_a_shared_credentials_file(source: Server, moto_s3: str, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n\n"
        f"[backup]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n"
    )
    where = ["s3://bucket/prod", "--endpoint", moto_s3]
    shared = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    secondsite("backup", "--nats", source.url, "--to", *where, without=KEYS, env=shared)
    out, _ = secondsite("backup", "list", "--from", *where, without=KEYS, env=shared | {"AWS_PROFILE": "backup"})
    assert "1 stream" in out
    _, error = secondsite(
        "backup", "list", "--from", *where, without=KEYS, env=shared | {"AWS_PROFILE": "nobody"}, code=2
    )
    assert error.startswith("AWS_PROFILE: unknown profile nobody")
    assert len(error.splitlines()) == 1


@pytest.mark.usefixtures("nothing_secret_is_said")
def test_an_aws_role_by_web_identity(source: Server, moto_s3: str, tmp_path: Path) -> None:
    """A token that STS changes into keys, as in a pod; from a profile, as the tests' STS speaks no TLS."""
    (tmp_path / "token").write_text("header.payload.signature")
    role = f"role_arn = arn:aws:iam::123456789012:role/backup\nweb_identity_token_file = {tmp_path / 'token'}\n"
    (tmp_path / "config").write_text(f"[profile pod]\n{role}")
    pod = {
        "AWS_PROFILE": "pod",
        "AWS_ENDPOINT_URL_STS": moto_s3,
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }
    where = ["s3://bucket/prod", "--endpoint", moto_s3]
    secondsite("backup", "--nats", source.url, "--to", *where, without=KEYS, env=pod)
    assert "1 stream" in secondsite("backup", "list", "--from", *where, without=KEYS, env=pod)[0]


@pytest.mark.usefixtures("nothing_secret_is_said")
def test_where_google_default_credentials_are_found(source: Server, fake_gcs: str, tmp_path: Path) -> None:
    """In the variable (above), in gcloud's own file, and in the one that names a service account."""
    variable = "GOOGLE_APPLICATION_CREDENTIALS"
    key = (tmp_path / "service-account.json").read_text()
    found = tmp_path / "home" / ".config" / "gcloud" / "application_default_credentials.json"
    found.parent.mkdir(parents=True)
    found.write_text(key)
    where = ["gs://bucket/prod", "--endpoint", fake_gcs]
    secondsite(
        "backup", "--nats", source.url, "--to", *where, without=(variable,), env={"HOME": str(tmp_path / "home")}
    )
    named = {"GOOGLE_SERVICE_ACCOUNT": str(tmp_path / "service-account.json")}
    out, _ = secondsite("backup", "list", "--from", *where, without=(variable,), env=named)
    assert "1 stream" in out
    write_service_account(tmp_path / "stranger.json")
    stranger = {variable: str(tmp_path / "stranger.json")}
    _, error = secondsite("backup", "list", "--from", *where, env=stranger, code=4)
    assert "access denied by the store" in error
    assert "GOOGLE_APPLICATION_CREDENTIALS" in error


@pytest.mark.usefixtures("nothing_secret_is_said")
def test_azure_refuses_another_key_and_says_what_it_takes(source: Server, azurite: str) -> None:
    where = ["az://bucket/prod", "--endpoint", azurite]
    other = ACCOUNT_KEY[:-6] + "AAAA=="
    _, error = secondsite(
        "backup", "--nats", source.url, "--to", *where, env={"AZURE_STORAGE_ACCOUNT_KEY": other}, code=4
    )
    assert "access denied by the store" in error
    assert "AZURE_STORAGE_ACCOUNT_KEY" in error
    assert other not in error
    _, error = secondsite("backup", "list", "--from", *where, without=("AZURE_STORAGE_ACCOUNT_NAME",), code=4)
    assert "AZURE_STORAGE_ACCOUNT_NAME" in error
