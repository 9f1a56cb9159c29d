"""Who we are to NATS, said each way that people say it, through backup and restore; and no secret comes out again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from attrs import define, field
from command import secondsite
from identities import USER, Certificates, Identity, Operated, certificates
from nats_world import Server, connect, fill

from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import nats_place
from secondsite.nats.streams import StreamApi

pytestmark = pytest.mark.slow
__all__ = ["certificates"]
PASSWORD, TOKEN = "pa55-w0rd-of-the-backup", "t0ken-of-the-backup"
VARIABLES = ("NATS_USER", "NATS_PASSWORD", "NATS_TOKEN", "NATS_CREDS", "NATS_NKEY", "NATS_URL", "NATS_CONTEXT")


@define
class Said:
    """What the command printed, and which secrets it must not."""

    folder: Path
    secrets: list[str] = field(factory=list)
    heard: list[str] = field(factory=list)

    @property
    def store(self) -> str:
        return f"file://{self.folder / 'store'}"

    def run(self, *arguments: str, code: int = 0, env: Mapping[str, str] = MappingProxyType({})) -> str:
        seen = {"XDG_CONFIG_HOME": str(self.folder), **env}
        told = secondsite(*arguments, code=code, without=VARIABLES, env=seen)
        self.heard += told
        return told[1] if code else told[0]

    def there_and_back(self, server: Server, *who: str, **env: str) -> None:
        """A backup, and a restore into the same server under another name."""
        number = len(self.heard)
        url = [] if "--context" in who or "NATS_CONTEXT" in env else ["--nats", server.url]
        self.run("backup", *url, *who, "--to", self.store, env=env)
        out = self.run("restore", *url, *who, "--from", self.store, "--stream", f"S=S{number}", env=env)
        assert "every message is identical" in out

    def context(self, name: str, **content: object) -> None:
        path = self.folder / "nats" / "context" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


@pytest.fixture
def said(tmp_path: Path) -> Iterator[Said]:
    said = Said(tmp_path)
    yield said
    kept = [path.read_text("utf-8", "replace") for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert said.secrets
    assert len(said.heard) > 4
    for secret in said.secrets:
        assert not [text for text in said.heard if secret in text], "a secret was printed"
        assert not [text for text in kept if secret in text], "a secret went into the store"


def load(server: Server, **options: Any) -> None:
    async def work() -> None:
        client = await connect(server.url, **options)
        await fill(client, "S", 50)
        await client.close()

    asyncio.run(work())


def load_signed(server: Server, options: ConnectOptions) -> None:
    """Through our own door: nats-py has another package sign."""

    async def work() -> None:
        async with nats_place(server.url, options).open() as jetstream:
            streams = StreamApi(jetstream)
            await streams.create({"name": "S", "subjects": ["s.>"], "storage": "file"})
            for number in range(50):
                await streams.publish("s.x", b"%d" % number, {})

    asyncio.run(work())


def test_an_operators_credentials_file(start: Any, said: Said, tmp_path: Path) -> None:
    operated, stranger = Operated(), Operated()
    server = start(**operated.settings)
    creds, other = tmp_path / "user.creds", tmp_path / "other.creds"
    operated.write_credentials(creds)
    stranger.write_credentials(other)
    said.secrets += [operated.user.seed, stranger.user.seed, operated.user_jwt, stranger.user_jwt]
    load_signed(server, ConnectOptions(credentials=creds))
    said.there_and_back(server, "--creds", str(creds))
    said.there_and_back(server, NATS_CREDS=str(creds))
    said.context("prod", url=server.url, creds=str(creds))
    said.there_and_back(server, "--context", "prod")
    said.there_and_back(server, NATS_CONTEXT="prod")
    error = said.run("backup", "--nats", server.url, "--creds", str(other), "--to", said.store, code=4)
    assert "does not know these credentials" in error


def test_an_nkey(start: Any, said: Said, tmp_path: Path) -> None:
    user, stranger = Identity(USER), Identity(USER)
    server = start(authorization={"users": [{"nkey": user.public}, {"user": "load", "password": "x"}]})
    for name, who in (("user.nk", user), ("other.nk", stranger)):
        (tmp_path / name).write_text(f"{who.seed}\n")
    said.secrets += [user.seed, stranger.seed]
    load(server, user="load", password="x")
    said.there_and_back(server, "--nkey", str(tmp_path / "user.nk"))
    said.context("prod", url=server.url, nkey=str(tmp_path / "user.nk"))
    said.there_and_back(server, "--context", "prod")
    error = said.run(
        "restore", "--nats", server.url, "--nkey", str(tmp_path / "other.nk"), "--from", said.store, code=4
    )
    assert "does not know these credentials" in error


def test_user_and_password_or_a_token(start: Any, said: Said) -> None:
    server = start(authorization={"users": [{"user": "backup", "password": PASSWORD}]})
    said.secrets += [PASSWORD, "wr0ng-passw0rd"]
    load(server, user="backup", password=PASSWORD)
    said.there_and_back(server, "--user", "backup", NATS_PASSWORD=PASSWORD)
    said.context("prod", url=server.url, user="backup", password=PASSWORD)
    said.there_and_back(server, "--context", "prod")
    inside = server.url.replace("nats://", f"nats://backup:{PASSWORD}@")
    said.run("backup", "--to", said.store, env={"NATS_URL": inside})
    wrong = inside.replace(PASSWORD, "wr0ng-passw0rd")
    for who, env in (
        (["--nats", server.url, "--user", "backup"], {"NATS_PASSWORD": "wr0ng-passw0rd"}),
        ([], {"NATS_URL": wrong}),
    ):
        error = said.run("backup", *who, "--to", said.store, code=4, env=env)
        assert "does not know these credentials" in error


def test_a_token(start: Any, said: Said) -> None:
    server = start(authorization={"token": TOKEN})
    said.secrets.append(TOKEN)
    load(server, token=TOKEN)
    said.there_and_back(server, NATS_TOKEN=TOKEN)
    said.context("prod", url=server.url, token=TOKEN)
    said.there_and_back(server, "--context", "prod")


def test_tls_with_an_authority_and_a_client_certificate(start: Any, said: Said, certificates: Certificates) -> None:
    files = certificates
    tls = {"cert_file": files.server, "key_file": files.server_key, "ca_file": files.ca, "verify": True}
    server = start(tls={name: str(value) if isinstance(value, Path) else value for name, value in tls.items()})
    said.secrets.append(files.client_key.read_text().splitlines()[1])
    mine = ["--tlsca", str(files.ca), "--tlscert", str(files.client), "--tlskey", str(files.client_key)]
    said.context("prod", url=server.url, ca=str(files.ca), cert=str(files.client), key=str(files.client_key))
    load(server, tls=ConnectOptions(tls_ca=files.ca, tls_cert=files.client, tls_key=files.client_key).tls())
    said.there_and_back(server, *mine)
    said.there_and_back(server, "--context", "prod")
    error = said.run("backup", "--nats", server.url, "--tlsca", str(files.ca), "--to", said.store, code=4)
    assert "--tlscert" in error


def test_what_a_context_may_hold_besides(start: Any, said: Said) -> None:
    """A user who may only use an inbox of their own; and what is not read is said, not ignored."""
    allowed = {"publish": ["$JS.>", "s.>", "_BOX.me.>"], "subscribe": ["_BOX.me.>"]}
    users = [{"user": "me", "password": PASSWORD, "permissions": allowed}, {"user": "load", "password": "x"}]
    server = start(authorization={"users": users})
    said.secrets.append(PASSWORD)
    load(server, user="load", password="x")
    said.context("prod", url=server.url, user="me", password=PASSWORD, inbox_prefix="_BOX.me")
    said.there_and_back(server, "--context", "prod")
    for key, value in (("user_jwt", PASSWORD), ("nsc", "nsc://operator/account/user"), ("creds", "nsc://o/a/u")):
        said.context("odd", url=server.url, **{key: value})
        error = said.run("backup", "--context", "odd", "--to", said.store, code=2)
        assert key in error
        assert "--creds" in error


@pytest.mark.parametrize("denied", ["STREAM.LIST", "STREAM.SNAPSHOT.S"])
def test_what_a_login_may_not_ask_is_told(start: Any, said: Said, denied: str) -> None:
    """A server does not answer what it denies, and an election is no reason to wait for it."""
    permissions = {"publish": {"deny": [f"$JS.API.{denied}"]}}
    users = [{"user": "me", "password": PASSWORD, "permissions": permissions}, {"user": "load", "password": "x"}]
    server = start(authorization={"users": users})
    said.secrets.append(PASSWORD)
    load(server, user="load", password="x")
    said.there_and_back(server, "--user", "load", NATS_PASSWORD="x")
    said.context("prod", url=server.url, user="me", password=PASSWORD)
    error = said.run("backup", "--context", "prod", "--to", said.store, code=4)
    assert f"no permission for $JS.API.{denied}" in error
