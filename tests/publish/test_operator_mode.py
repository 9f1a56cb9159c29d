"""Servers whose accounts come from an operator's JWTs: read, rendered as they are, and let their own users in."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from textwrap import indent

import pytest
from identities import Operated
from nats_world import free_port, process, wait_until

from secondsite.audit.registry import audit
from secondsite.cli.__main__ import run
from secondsite.discover.manifests import discover
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.nats_binary import find
from secondsite.model.errors import InputError, MachineError
from secondsite.model.nats import NatsCluster
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import connect
from secondsite.nats.jetstream import JetStream
from secondsite.nats.options import ConnectOptions

STRATEGY = "warm-standby/leafnode-mirror"
MANIFESTS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: nats, namespace: bus}}
spec:
  serviceName: nats
  template:
    spec:
      containers:
        - name: nats
          image: nats:2.12.1
          args: [-c, /etc/nats/nats.conf]
          volumeMounts: [{{name: c, mountPath: /etc/nats}}]
      volumes: [{{name: c, configMap: {{name: conf}}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: conf, namespace: bus}}
data:
  nats.conf: |
    jetstream {{ store_dir: /data, domain: home }}
{conf}
---
apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata: {{name: orders, namespace: bus}}
spec: {{name: ORDERS, subjects: [orders.>]}}
"""


@pytest.fixture(scope="module")
def operator() -> Operated:
    return Operated()


def _written(folder: Path, conf: str) -> Path:
    (folder / "nats.yaml").write_text(MANIFESTS.format(conf=indent(conf, "    ")))
    assert run(["init", str(folder / "nats.yaml"), "--file", str(folder / "secondsite.yaml")]) == 0
    return folder / "secondsite.yaml"


def _cluster(folder: Path, conf: str) -> NatsCluster:
    (cluster,) = load_system(_written(folder, conf)).nats
    return cluster


def _rendered(folder: Path, *more: str) -> int:
    file, out = str(folder / "secondsite.yaml"), str(folder / "out")
    return run(["render", out, "--file", file, "--strategy", STRATEGY, "--domain", "example.com", *more])


def test_the_operators_part_is_read_whole(tmp_path: Path, operator: Operated) -> None:
    cluster = _cluster(tmp_path, operator.config)
    assert (cluster.operator, cluster.system_account) == (True, operator.system.public)
    assert cluster.trust["resolver"] == "MEMORY"
    assert set(cluster.trust["resolver_preload"]) == {operator.system.public, operator.account.public}


@pytest.mark.parametrize(
    "conf",
    [
        "operator: $OPERATOR\nresolver: MEMORY\n",
        "operator: /etc/o.jwt\nresolver_preload: {A: eyJ.eyJ9.x}\nresolver: MEM\n",
    ],
)
def test_half_of_it_is_not_kept_and_not_rendered(tmp_path: Path, conf: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dict(_cluster(tmp_path, conf).trust) == {}
    assert _rendered(tmp_path) == 2
    assert "its operator, resolver and system account were not all read" in capsys.readouterr().err


def test_no_user_is_kept(tmp_path: Path, operator: Operated) -> None:
    """A bearer's JWT may let somebody in: what is none of an operator or account is left out."""
    user = operator.user_jwt
    conf = operator.config.replace("resolver: MEMORY", f"resolver: MEMORY\ndefault_sentinel: {user}")
    assert dict(_cluster(tmp_path, conf).trust) == {}
    assert user not in (tmp_path / "secondsite.yaml").read_text()


def test_it_is_rendered_with_credentials_and_without_a_gate(tmp_path: Path, operator: Operated) -> None:
    _written(tmp_path, operator.config)
    assert _rendered(tmp_path) == 0
    texts = {str(path.relative_to(tmp_path / "out")): path.read_text() for path in (tmp_path / "out").rglob("*.*")}
    servers = [text for path, text in texts.items() if re.search(r"/nats/nats-.*\.conf$", path)]
    assert servers
    for text in servers:
        assert f"system_account: {operator.system.public}" in text.replace('"', "")
        assert "users" not in text
        assert "accounts {" not in text
    assert not [path for path in texts if "gate" in path]
    agent = next(text for path, text in texts.items() if path.endswith("agent/deployment.yaml"))
    assert "NATS_CREDS" in agent
    assert "NATS_PASSWORD" not in agent
    assert 'nsc add user --account "$ACCOUNT_NAME" agent --allow-pub' in texts["README.md"]
    assert "no write gate" in texts["README.md"]


def test_which_account_has_to_be_clear(tmp_path: Path, operator: Operated, capsys: pytest.CaptureFixture[str]) -> None:
    _written(tmp_path, operator.config.replace(operator.account.public, "A" * 56))
    assert _rendered(tmp_path, "--account", "orders") == 2
    assert "'orders' is not the public key of an account" in capsys.readouterr().err
    assert _rendered(tmp_path, "--account", operator.account.public) == 0


def test_one_writer_cannot_be_asked_of_it(tmp_path: Path, operator: Operated) -> None:
    file = _written(tmp_path, operator.config)
    file.write_text(file.read_text() + "\noperate: {writers: one}\n")
    with pytest.raises(InputError, match="one writer needs a write gate, and nats has none"):
        load_system(file)


def test_a_preloaded_resolver_is_no_hazard(tmp_path: Path, operator: Operated) -> None:
    (tmp_path / "n.yaml").write_text(MANIFESTS.format(conf=indent(operator.config, "    ")))
    system = discover([tmp_path / "n.yaml"], base=tmp_path).system
    assert "nats-operator-resolver" not in {hazard.rule for hazard in audit(system)}


@pytest.mark.slow
def test_rendered_servers_let_the_operators_users_in(tmp_path: Path, operator: Operated) -> None:
    """Both regions on real servers: the leaf link logs in with its credentials file, and nobody without any does."""
    program = find("2.15.1")
    assert program is not None
    _written(tmp_path, operator.config)
    assert _rendered(tmp_path) == 0
    ports = {name: free_port() for name in ("home", "away", "leaf", "home-page", "away-page")}
    leaf = tmp_path / "leaf.creds"
    operator.write_credentials(leaf)
    with ExitStack() as stack:
        for region, name, client in (("us-east-1", "home", "home"), ("us-west-2", "away", "away")):
            (conf,) = (tmp_path / "out" / region / "nats").glob("nats-*.conf")
            here = (ports[client], ports[f"{name}-page"], ports["leaf"])
            text = _on_loopback(conf.read_text(), *here, leaf, tmp_path / name)
            (tmp_path / f"{name}.conf").write_text(text)
            stack.enter_context(process(program, "-c", tmp_path / f"{name}.conf", port=ports[client]))
        wait_until(lambda: _leaves(ports["home-page"]) > 0, 60)
        asyncio.run(_used(ports["home"], leaf))


def _on_loopback(text: str, client: int, page: int, leaf: int, credentials: Path, store: Path) -> str:
    """The rendered text with this machine's addresses, files and no TLS between regions."""
    changes: Mapping[str, str] = {
        r"0\.0\.0\.0:4222": f"127.0.0.1:{client}",
        r"0\.0\.0\.0:8222": f"127.0.0.1:{page}",
        r"0\.0\.0\.0:7422": f"127.0.0.1:{leaf}",
        r"nats-leaf://[^\s\"]+:7422": f"nats-leaf://127.0.0.1:{leaf}",
        r"/etc/nats-creds/leaf\.creds": str(credentials),
        r'store_dir: "?/data"?': f'store_dir: "{store}"',
        r"(?m)^(\s*)tls \{[^}]*\}\n": "",
    }
    for pattern, by in changes.items():
        text = re.sub(pattern, by.replace("\\", "\\\\"), text)
    return text


def _leaves(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/leafz", timeout=2) as answer:
        return int(json.load(answer)["leafnodes"])


async def _used(port: int, credentials: Path) -> None:
    where = parse_addresses(f"nats://127.0.0.1:{port}")
    async with asyncio.timeout(60), connect(where, ConnectOptions(credentials=credentials)) as connection:
        streams = JetStream(connection)
        await streams.ask("STREAM.CREATE.ORDERS", {"name": "ORDERS", "subjects": ["orders.>"]}, timeout_s=5)
        assert (await streams.ask("INFO", timeout_s=5))["streams"] == 1
    with pytest.raises(MachineError, match="does not know these credentials"):
        async with asyncio.timeout(60), connect(where, ConnectOptions()):
            pass
