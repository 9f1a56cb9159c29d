"""What servers answer, changed at random: understood, or told that it is invalid; never a traceback, never a yes.

The answers are those of real servers (nats-server 2.15.1, Amazon S3's listing), broken on their way.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import dns.message
import dns.rrset
import pytest
from attrs import field, frozen
from mutations import VALUES, changed_bytes, changed_value, seeds, survives

from secondsite.dns.asking import state_at
from secondsite.dns.lookup import look_up
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import SecondsiteError
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import connect
from secondsite.nats.jetstream import JetStream
from secondsite.nats.meta import Meta
from secondsite.nats.options import ConnectOptions
from secondsite.nats.servers import Servers
from secondsite.nats.streams import StreamApi
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow

CONFIG = {"name": "EVENTS", "subjects": ["events.>"], "num_replicas": 3, "metadata": {"_nats.level": "1"}}
STATE = {"messages": 3, "bytes": 90, "first_seq": 1, "first_ts": "2026-11-01T00:00:00Z", "last_seq": 3}
INFO = {
    "type": "io.nats.jetstream.api.v1.stream_info_response",
    "config": CONFIG,
    "created": "2026-11-01T00:00:00.1Z",
    "ts": "2026-11-01T00:00:01Z",
    "state": {**STATE, "last_ts": "2026-11-01T00:00:00Z", "consumer_count": 1},
    "cluster": {"name": "C", "leader": "n0", "replicas": [{"name": "n1", "current": True, "active": 5}]},
    "mirror": {"name": "EVENTS", "lag": 0, "active": 5000000},
}
CONSUMER = {
    "stream_name": "EVENTS",
    "name": "worker",
    "config": {"durable_name": "worker", "ack_policy": "explicit", "deliver_policy": "all"},
    "delivered": {"consumer_seq": 2, "stream_seq": 2},
    "ack_floor": {"consumer_seq": 1, "stream_seq": 1},
    "num_pending": 1,
}
MESSAGE = {
    "message": {
        "subject": "events.a",
        "seq": 2,
        "data": "aGVsbG8=",
        "hdrs": "TkFUUy8xLjANCkE6IGINCg0K",
        "time": "2026-11-01T00:00:00Z",
    }
}
ERROR = {"error": {"code": 404, "err_code": 10059, "description": "stream not found"}}
SERVER = {"server": {"name": "n0", "id": "NABC", "cluster": "C", "ver": "2.15.1"}}
META = {
    **SERVER,
    "data": {
        "meta_cluster": {
            "name": "C",
            "leader": "n0",
            "cluster_size": 3,
            "quorum_needed": 2,
            "replicas": [{"name": "n1"}],
        }
    },
}
RESCUED = {"server": "n0", "error": {"description": "no"}}


@frozen
class _Reply:
    data: bytes
    headers: Mapping[str, str] = field(factory=dict)


@frozen
class _Replies:
    """A subscription with one answer, and nothing after it."""

    left: list[bytes]

    async def next_msg(self, **_: object) -> _Reply:
        if not self.left:
            raise TimeoutError
        return _Reply(self.left.pop())

    async def unsubscribe(self) -> None:
        return None


@frozen
class _Answering:
    """A connection to a server that answers everything with the same bytes."""

    answer: bytes
    shown: str = "nats://h:4222"
    server: Mapping[str, Any] = field(factory=dict)

    @property
    def client(self) -> _Client:
        return _Client(self.answer)

    async def request(self, subject: str, payload: bytes, timeout_s: float) -> bytes:
        del subject, payload, timeout_s
        return self.answer


@frozen
class _Client:
    answer: bytes

    def new_inbox(self) -> str:
        return "_INBOX.x"

    async def subscribe(self, inbox: str) -> _Replies:
        del inbox
        return _Replies([self.answer])

    async def publish(self, *_: object, **__: object) -> None:
        return None

    async def request(self, *_: object, **__: object) -> _Reply:
        return _Reply(self.answer)


Ask = Callable[[JetStream], Awaitable[object]]

ASKED: Mapping[str, tuple[Any, Ask]] = {
    "stream": (INFO, lambda js: StreamApi(js).stream("EVENTS")),
    "refusal": (ERROR, lambda js: StreamApi(js).stream("EVENTS")),
    "consumer": (CONSUMER, lambda js: StreamApi(js).consumer("EVENTS", "worker")),
    "consumers": ({"consumers": [CONSUMER], "total": 1}, lambda js: StreamApi(js).consumers("EVENTS")),
    "holders": ({"streams": ["EVENTS"], "total": 1}, lambda js: StreamApi(js).holders("events.a")),
    "message": (MESSAGE, lambda js: StreamApi(js).message("EVENTS", 2)),
    "newest": (MESSAGE, lambda js: StreamApi(js).newest("EVENTS", "events.a")),
    "publish": (
        {"stream": "EVENTS", "seq": 4, "domain": "east"},
        lambda js: StreamApi(js).publish("events.a", b"", {}),
    ),
    "probe": (ERROR, lambda js: StreamApi(js).probe("events.a")),
    "servers": (SERVER, lambda js: Servers(js).running()),
    "reload": ({**SERVER, "error": {"description": "no"}}, lambda js: Servers(js).reload("NABC")),
    "meta": (META, lambda js: Meta(js).servers()),
    "rescue": (RESCUED, lambda js: Meta(js).rescue(1)),
}


def changed_answers(plain: Any) -> Iterator[bytes]:
    """As JSON with another value in it, and as bytes that are no JSON any more."""
    for chance in seeds():
        yield json.dumps(changed_value(plain, chance)).encode()
        yield changed_bytes(json.dumps(plain).encode(), chance)
    yield from (json.dumps(value).encode() for value in VALUES if not isinstance(value, float))
    yield from (b"", b"[" * 100_000, b"null", b"{}", b"\xff\xfe", json.dumps(plain).encode() * 2)


@pytest.mark.parametrize("asked", ASKED)
def test_answers_of_nats(asked: str) -> None:
    plain, ask = ASKED[asked]
    for answer in changed_answers(plain):
        jetstream = JetStream(_Answering(answer))  # type: ignore[arg-type] # it answers as one does
        survives(lambda jetstream=jetstream: asyncio.run(_awaited(ask(jetstream))))  # type: ignore[misc]


async def _awaited(answer: Awaitable[object]) -> object:
    return await answer


@pytest.mark.parametrize(
    "broken",
    [
        {"state": {**STATE, "messages": -1}},
        {"state": {**STATE, "last_seq": "3"}},
        {"state": {**STATE, "first_seq": 1.5}},
        {"state": {**STATE, "last_seq": 2**70}},
        {"config": {**CONFIG, "subjects": "events.>"}},
        {"config": {**CONFIG, "name": None}},
        {"config": []},
        {"mirror": "EVENTS"},
    ],
)
def test_a_stream_that_cannot_be_is_not_believed(broken: Mapping[str, Any]) -> None:
    """A count that is none would be compared, and say that nothing was lost."""
    jetstream = JetStream(_Answering(json.dumps({**INFO, **broken}).encode()))  # type: ignore[arg-type] # as above
    with pytest.raises(SecondsiteError, match="is invalid"):
        asyncio.run(StreamApi(jetstream).stream("EVENTS"))


@contextmanager
def _serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of this machine where each connection is handled once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.settimeout(1)
                    try:
                        handle(peer)
                    except OSError:
                        continue

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(60)


GREETING = (
    b'INFO {"server_id":"NABC","server_name":"n0","version":"2.15.1","proto":1,"headers":true,'
    b'"max_payload":1048576,"jetstream":true}\r\n'
)
REST = b"PONG\r\n"


def test_what_a_server_says_first() -> None:
    """INFO and PONG broken, or something else in their place: connected, or told why not, and never a hang."""
    lines: list[bytes] = []

    def greet(peer: socket.socket) -> None:
        peer.sendall(lines[-1])
        peer.recv(65536)
        peer.sendall(REST if len(lines) % 2 else changed_bytes(REST, random.Random(len(lines))))

    options = ConnectOptions(timeout_s=0.2)
    with _serving(greet) as port:
        addresses = parse_addresses(f"nats://127.0.0.1:{port}")

        async def greeted() -> str:
            async with connect(addresses, options) as connection:
                return connection.shown

        for number, chance in enumerate(seeds()):
            if number >= 20:  # each that is silent is waited for
                break
            lines.append(changed_bytes(GREETING, chance) if number else GREETING)
            survives(lambda: asyncio.run(greeted()))


def test_answers_of_dns() -> None:
    query = dns.message.make_query("api.example.io", "A")
    whole = dns.message.make_response(query)
    whole.answer.append(dns.rrset.from_text("api.example.io.", 60, "IN", "A", "192.0.2.1", "192.0.2.2"))
    wire = whole.to_wire()
    with socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as server:  # a forged answer has to bear the question's number
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        answers: list[bytes] = []

        def serve() -> None:
            try:
                while True:
                    asked, client = server.recvfrom(4096)
                    server.sendto(asked[:2] + answers[-1][2:], client)
            except OSError:
                return

        Thread(target=serve, daemon=True).start()
        at = Endpoint("127.0.0.1", server.getsockname()[1])
        for chance in seeds():
            answers.append(changed_bytes(wire, chance))
            found = survives(lambda: asyncio.run(look_up(at, "api.example.io", timeout_s=0.05)))
            assert found is None or all(address.count(".") == 3 for address in found.addresses)
            record = survives(lambda: asyncio.run(state_at(at, "api.example.io", timeout_s=0.05)))
            assert record is None or (record.kind in ("A", "CNAME") and record.values)


LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>p/</Prefix><KeyCount>1</KeyCount>
<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>p/a</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>
<ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>
</ListBucketResult>"""


def test_answers_of_object_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    answers: list[bytes] = []

    class Broken(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answers[-1])))
            self.send_header("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
            self.send_header("ETag", '"0123"')
            self.end_headers()
            self.wfile.write(answers[-1])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the name that it overrides
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        store = ObjectStorage(parse_store("s3://b/p", f"http://127.0.0.1:{server.server_port}"))
        for chance in seeds():
            answers.append(changed_bytes(LISTING, chance))
            survives(lambda: asyncio.run(store.listing("")))
            survives(lambda: asyncio.run(store.folders("")))
    finally:
        server.shutdown()
        server.server_close()
