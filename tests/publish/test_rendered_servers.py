"""Servers started from rendered text, with hosts, ports and folders of this machine put in: they log in and copy."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from identities import Certificates, certificates
from nats_world import free_port, listening, wait_until

from secondsite.lab.nats_binary import find
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import connect
from secondsite.nats.jetstream import JetStream
from secondsite.nats.options import ConnectOptions
from secondsite.publish.deploy.texts import server_files, stream_files
from secondsite.strategies.deployed_addresses import CERTIFICATES, STORE, DeployedAddresses, variables
from secondsite.strategies.server_config import CLIENT_PORT, GATEWAY_PORT, LEAF_PORT, MONITOR_PORT, ROUTE_PORT
from secondsite.strategies.write_gate import shut

pytestmark = pytest.mark.slow
__all__ = ["certificates"]

PASSWORDS = {name: f"{name.lower()}1" for name in ("APP", "OPERATOR", "LEAF", "ROUTE", "GATEWAY", "SYS")}
HOST = re.compile(
    r"(?:0\.0\.0\.0|nats-0\.us-\w+-\d\.nats\.example\.com|nats-0\.nats\.default\.svc\.cluster\.local):(\d+)"
)


class Pair:
    """One server in each region. Each keeps its ports, whichever name it is reached by."""

    def __init__(self, deployment: Deployment, folder: Path, made: Certificates) -> None:
        self.folder = folder
        self.deployment = attrs.evolve(
            deployment,
            clusters=tuple(
                attrs.evolve(
                    each, servers=1, streams=tuple(attrs.evolve(stream, replicas=1) for stream in each.streams)
                )
                for each in deployment.clusters
            ),
        )
        self.made = made
        self.ports: dict[tuple[str, str], int] = {}
        texts = server_files(self.deployment, DeployedAddresses(deployment.system.services, "nats.example.com"))
        self.confs = [path for path in texts if "/gate/" not in path]
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(self._here(path.partition("/")[0], text))

    def port(self, region: str, port: int) -> int:
        return self.ports.setdefault((region, str(port)), free_port())

    def _here(self, region: str, text: str) -> str:
        def local(found: re.Match[str]) -> str:
            other = re.search(r"us-\w+-\d", found[0])
            return f"127.0.0.1:{self.port(other[0] if other else region, int(found[1]))}"

        files = {CERTIFICATES.cert_file: self.made.server, CERTIFICATES.key_file: self.made.server_key}
        for name, path in {**files, CERTIFICATES.ca_file: self.made.ca}.items():
            text = text.replace(name, str(path))
        return HOST.sub(local, text).replace(f'"{STORE}"', json.dumps(str(self.folder / region / "store")))

    @contextmanager
    def running(self, **other: str) -> Iterator[None]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NATS")}
        given = {f"NATS_{name}_PASSWORD": value for name, value in PASSWORDS.items()}
        url = f"nats-leaf://leaf:{PASSWORDS['LEAF']}@127.0.0.1:{self.port('us-east-1', LEAF_PORT)}"
        env = {**clean, **given, "NATS_LEAF_URL_NATS_0": url, **other}
        with ExitStack() as stack:
            for path in self.confs:
                stack.enter_context(self.started(path.replace("/", "-"), self.folder / path, env | self._routes(path)))
            for path in self.confs:
                port = self.port(path.partition("/")[0], CLIENT_PORT)
                wait_until(lambda port=port: listening(port), 20)  # type: ignore[misc] # mypy cannot type a default
            yield

    @contextmanager
    def started(self, name: str, conf: Path, env: Mapping[str, str]) -> Iterator[Path]:
        """One server; gives its log."""
        path = self.folder / f"{name}.log"
        with path.open("wb") as log:
            command = [str(find("2.15.1")), "-c", str(conf)]
            process = subprocess.Popen(command, stderr=log, env=env, start_new_session=True)
        try:
            yield path
        finally:
            _end(process)

    def _routes(self, path: str) -> dict[str, str]:
        """The one server of a region has a route to itself."""
        url = f"nats://route:{PASSWORDS['ROUTE']}@127.0.0.1:{self.port(path.partition('/')[0], ROUTE_PORT)}"
        names = variables((self.folder / path).read_text())
        return {name[1:]: url for name in names if name.startswith("$NATS_ROUTE_URL_")}

    def page(self, region: str, name: str) -> Mapping[str, Any]:
        url = f"http://127.0.0.1:{self.port(region, MONITOR_PORT)}/{name}"
        with urllib.request.urlopen(url, timeout=2) as answer:
            found: Mapping[str, Any] = json.load(answer)
            return found

    async def ask(self, region: str, subject: str, request: Mapping[str, Any], user: str = "app") -> Mapping[str, Any]:
        url = f"nats://127.0.0.1:{self.port(region, CLIENT_PORT)}"
        options = ConnectOptions(user=user, password=PASSWORDS[user.upper()], timeout_s=2)
        async with connect(parse_addresses(url), options) as connection:
            return await JetStream(connection).ask(subject, request)

    async def publish(self, region: str, subject: str, user: str = "app") -> None:
        url = f"nats://127.0.0.1:{self.port(region, CLIENT_PORT)}"
        options = ConnectOptions(user=user, password=PASSWORDS[user.upper()], timeout_s=2)
        async with connect(parse_addresses(url), options) as connection:
            await connection.client.request(subject, b"x", timeout=1)

    def create_streams(self) -> None:
        for path, text in stream_files(self.deployment).items():
            region, kind, name = path.removesuffix(".json").split("/")[:3]
            if kind == "streams":
                asyncio.run(self.ask(region, f"STREAM.CREATE.{name}", json.loads(text)))
            else:
                consumer = json.loads(text)
                request = {"stream_name": name, "config": consumer}
                asyncio.run(self.ask(region, f"CONSUMER.CREATE.{name}.{consumer['name']}", request))

    def messages(self, region: str, stream: str) -> int:
        found = asyncio.run(self.ask(region, f"STREAM.INFO.{stream}", {}))
        return int(found["state"]["messages"])


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_leaf_logs_in_by_its_variable_over_tls_and_mirrors(
    laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    pair = Pair(laid_out("warm-standby/leafnode-mirror"), tmp_path, certificates)
    with pair.running():
        wait_until(lambda: pair.page("us-west-2", "leafz")["leafnodes"] == 1, 20)
        listener = pair.page("us-east-1", "varz")["leaf"]
        assert listener["tls_required"]
        pair.create_streams()
        asyncio.run(pair.publish("us-east-1", "events.a"))
        wait_until(lambda: pair.messages("us-west-2", "EVENTS") == 1, 20)
        assert pair.messages("us-east-1", "EVENTS") == 1


def test_a_leaf_with_another_password_stays_out(
    laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    pair = Pair(laid_out("warm-standby/leafnode-mirror"), tmp_path, certificates)
    url = f"nats-leaf://leaf:other1@127.0.0.1:{pair.port('us-east-1', LEAF_PORT)}"
    log = tmp_path / "us-west-2-nats-nats-us-west-2-0.conf.log"
    with pair.running(NATS_LEAF_URL_NATS_0=url):
        wait_until(lambda: "Authorization Violation" in log.read_text(), 20)
        assert pair.page("us-west-2", "leafz")["leafnodes"] == 0


def test_gateways_join_over_tls(
    laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    pair = Pair(laid_out("warm-standby/supercluster-mirror"), tmp_path, certificates)
    with pair.running():
        for region, other in (("us-east-1", "nats-us-west-2"), ("us-west-2", "nats")):
            wait_until(lambda r=region, o=other: o in pair.page(r, "gatewayz")["outbound_gateways"], 20)  # type: ignore[misc] # mypy cannot type a default
            assert pair.page(region, "varz")["gateway"]["tls_required"]


@pytest.mark.parametrize(("login", "joins"), [("", False), ("route:guess1@", False), ("route:route1@", True)])
def test_a_server_that_knows_the_name_of_the_cluster_only_does_not_join_it(
    login: str, joins: bool, laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    """With accounts of its own it would read and write what the application does, past the write gate."""
    pair = Pair(laid_out("warm-standby/supercluster-mirror"), tmp_path, certificates)
    with pair.running():
        port, own = pair.port("us-east-1", ROUTE_PORT), [free_port() for _ in range(2)]
        intruder = tmp_path / "intruder.conf"
        intruder.write_text(
            f"server_name: intruder\nlisten: 127.0.0.1:{own[0]}\n"
            "accounts { APP { users: [{user: x, password: x}] } }\n"
            f"cluster {{ name: nats, listen: 127.0.0.1:{own[1]}, routes: [nats://{login}127.0.0.1:{port}] }}\n"
        )
        before = pair.page("us-east-1", "routez")["num_routes"]
        with pair.started("intruder", intruder, dict(os.environ)) as log:
            said = "Route connection created" if joins else "Authorization Violation"
            wait_until(lambda: said in log.read_text(), 20)
            if joins:
                wait_until(lambda: pair.page("us-east-1", "routez")["num_routes"] > before, 20)
            else:
                assert pair.page("us-east-1", "routez")["num_routes"] == before


@pytest.mark.parametrize(("login", "joins"), [("", False), ("gateway: guess1", False), ("gateway: gateway1", True)])
def test_a_certificate_and_a_name_do_not_let_a_cluster_into_the_super_cluster(
    login: str, joins: bool, laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    """Whoever has any certificate of the same authority, and the name of a cluster that is not there."""
    pair = Pair(laid_out("warm-standby/supercluster-mirror"), tmp_path, certificates)
    pair.confs = [path for path in pair.confs if path.startswith("us-east-1/")]
    user, _, password = login.partition(": ")
    known = f"authorization {{ user: {user}, password: {password} }}" if login else ""
    files = f"cert_file: '{certificates.server}', key_file: '{certificates.server_key}', ca_file: '{certificates.ca}'"
    with pair.running():
        own, remote = [free_port() for _ in range(2)], f"nats://127.0.0.1:{pair.port('us-east-1', GATEWAY_PORT)}"
        intruder = tmp_path / "intruder.conf"
        intruder.write_text(
            f"server_name: intruder\nlisten: 127.0.0.1:{own[0]}\n"
            f"gateway {{ name: nats-us-west-2, listen: 127.0.0.1:{own[1]}, tls {{ {files} }}, {known}\n"
            f"  gateways: [{{ name: nats, urls: ['{remote}'] }}] }}\n"
        )
        with pair.started("intruder", intruder, dict(os.environ)) as log:
            ends = ("Outbound gateway connection to", "Authorization Violation")
            wait_until(lambda: any(said in log.read_text() for said in ends), 20)
            inbound = pair.page("us-east-1", "gatewayz")["inbound_gateways"]
            assert ("nats-us-west-2" in inbound) is joins, log.read_text()


def test_the_gate_beside_the_configuration_stops_the_application_and_not_the_operator(
    laid_out: Callable[[str], Deployment], tmp_path: Path, certificates: Certificates
) -> None:
    pair = Pair(laid_out("warm-standby/leafnode-mirror"), tmp_path, certificates)
    with pair.running():
        pair.create_streams()
        asyncio.run(pair.publish("us-east-1", "events.a"))
    (tmp_path / "us-east-1/nats/gate/us-east-1.conf").write_text(shut(("events.>",)))
    with pair.running():
        with pytest.raises((TimeoutError, MachineError)):
            asyncio.run(pair.publish("us-east-1", "events.a"))
        asyncio.run(pair.publish("us-east-1", "events.a", user="operator"))
        assert pair.messages("us-east-1", "EVENTS") == 2
