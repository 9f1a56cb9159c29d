"""Files that people write, broken at random: each is read, or refused at a place, and never ends in a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mutations import HOSTILE, VALUES, bounded_time, changed_text, seeds, survives

from secondsite.audit.registry import audit
from secondsite.cli.__main__ import run
from secondsite.cli.stores import Server, open_store
from secondsite.discover.manifests import discover
from secondsite.discover.nats_conf import parse_conf
from secondsite.discover.system_file.reading import load_system
from secondsite.nats.connection import _signer
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents"
CONF = """\
server_name: n0
listen: 0.0.0.0:4222
jetstream { store_dir: "/data", max_file_store: 10Gi, sync_interval: 2m }
cluster { name: c, listen: "0.0.0.0:6222", routes: [ nats://a:6222, nats://b:6222 ], tls { ca_file: x } }
accounts { APP: { jetstream: enabled, users: [ {user: a, password: $P} ] } }
leafnodes { remotes: [ { url: "nats-leaf://h:7422", deny_imports: ["a.>"] } ] }
"""


def test_system_files(tmp_path: Path) -> None:
    text = (EXAMPLE / "secondsite.yaml").read_text("utf-8")
    path = tmp_path / "secondsite.yaml"
    for chance in seeds():
        path.write_text(changed_text(text, chance), "utf-8")
        survives(lambda: audit(load_system(path)))


@pytest.mark.slow
def test_manifests(tmp_path: Path) -> None:
    files = sorted((EXAMPLE / "manifests").rglob("*.yaml"))
    for number, chance in enumerate(seeds()):
        source = chance.choice(files)
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "manifest.yaml").write_text(changed_text(source.read_text("utf-8"), chance), "utf-8")
        survives(lambda folder=folder: discover([folder], name="x", base=folder))  # type: ignore[misc]


def test_nats_conf() -> None:
    for chance in seeds():
        text = changed_text(CONF, chance)
        survives(lambda text=text: parse_conf(text, "nats.conf"))  # type: ignore[misc]


def test_contexts_of_the_nats_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "nats" / "context" / "prod.json"
    path.parent.mkdir(parents=True)
    keys = ("url", "user", "password", "token", "creds", "nkey", "ca", "cert", "key", "inbox_prefix", "tls_first")
    known = {"url": "nats://h:4222", "user": "u", "password": "p", "jetstream_domain": "d"}
    for key in (*keys, "jetstream_domain", "jetstream_api_prefix", "user_jwt", "nsc", "description"):
        for value in VALUES:
            path.write_text(json.dumps({**known, key: value}), "utf-8")
            survives(lambda: nats_place(None, ConnectOptions(), context="prod"))
    whole = json.dumps(known)
    for chance in seeds():
        path.write_text(changed_text(whole, chance), "utf-8")
        survives(lambda: nats_place(None, ConnectOptions(), context="prod"))


def test_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that somebody else set: for servers, for stores, for where things lie."""
    for name in ("NATS_CONTEXT", "NATS_CREDS", "NATS_NKEY", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    hostile = [text for text in (*HOSTILE, "/", ".", "nats://[::1", "tls://h:99999", "file:///x") if "\0" not in text]
    for name in ("NATS_URL", "NATS_CONTEXT", "NATS_CREDS", "NATS_NKEY", "NATS_USER", "NATS_TOKEN", "XDG_CONFIG_HOME"):
        for value in hostile:
            with monkeypatch.context() as changed:
                changed.setenv("NATS_URL", "nats://h:4222")
                changed.setenv(name, value)
                survives(lambda: connected(Server().place()))
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "HOME"):
        for value in hostile[:: len(hostile) // 8]:  # each reads what the provider's own library knows
            with monkeypatch.context() as changed:
                changed.setenv(name, value)
                survives(lambda: open_store("s3://bucket/prefix", None, "--to"))


def connected(place: NatsPlace) -> None:
    """All that is done before anything is sent."""
    place.options.tls()
    _signer(place.options)


@pytest.mark.parametrize("columns", ["", "0", "-5", "x", "9" * 20, "1"])
def test_a_terminal_of_any_width(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    arguments = ["audit", "--file", str(EXAMPLE / "secondsite.yaml"), "--fail-on", "never"]
    with bounded_time():
        assert run(arguments) == 0
