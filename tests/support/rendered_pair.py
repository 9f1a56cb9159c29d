"""Servers started from rendered text, one in each region, with hosts, ports and folders of this machine put in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
from identities import Certificates
from nats_world import free_port, listening, wait_until

from secondsite.lab.nats_binary import find
from secondsite.model.deployment import Deployment
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import connect
from secondsite.nats.jetstream import JetStream
from secondsite.nats.options import ConnectOptions
from secondsite.publish.deploy.texts import server_files, stream_files
from secondsite.strategies.deployed_addresses import CERTIFICATES, STORE, DeployedAddresses, variables
from secondsite.strategies.server_config import CLIENT_PORT, LEAF_PORT, MONITOR_PORT, ROUTE_PORT

NAMES = ("APP", "OPERATOR", "LEAF", "ROUTE", "GATEWAY", "BACKUP", "AGENT", "ARCHIVE", "GATE", "SYS")
PASSWORDS = {name: f"{name.lower()}1" for name in NAMES}
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
                wait_until(lambda port=port: listening(port), 60)  # type: ignore[misc] # mypy cannot type a default
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

    async def ask(
        self, region: str, subject: str, request: Mapping[str, Any], user: str = "operator"
    ) -> Mapping[str, Any]:
        url = f"nats://127.0.0.1:{self.port(region, CLIENT_PORT)}"
        options = ConnectOptions(user=user, password=PASSWORDS[user.upper()], timeout_s=10)
        async with connect(parse_addresses(url), options) as connection:
            return await JetStream(connection).ask(subject, request)

    async def publish(self, region: str, subject: str, user: str = "app", within_s: float = 10) -> None:
        url = f"nats://127.0.0.1:{self.port(region, CLIENT_PORT)}"
        options = ConnectOptions(user=user, password=PASSWORDS[user.upper()], timeout_s=10)
        async with connect(parse_addresses(url), options) as connection:
            await connection.client.request(subject, b"x", timeout=within_s)

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
