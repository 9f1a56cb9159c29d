"""What one attempt over HTTP is worth: against a server that answers, hangs, hangs up or talks nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from attrs import define, field

from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import HttpTarget
from secondsite.drill.load.http_sender import HttpSender
from secondsite.drill.load.sending import Attempt, Write

MESSAGE = Write("r1.0.0", "events.load.3", "3", "r1.0.0 xx")


@define
class Server:
    """Answers each request with ``script``'s bytes for the n-th; None hangs, b"" hangs up."""

    script: Callable[[int], bytes | None]
    port: int = 0
    requests: list[bytes] = field(factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.script(len(self.requests) - 1)
                if answer is None:
                    await asyncio.sleep(60)
                elif not answer:
                    break
                else:
                    writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def _serving(script: Callable[[int], bytes | None]) -> AsyncIterator[Server]:
    served = Server(script)
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(served.serve(reader, writer))
        tasks.add(task)
        await asyncio.wait([task])

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    served.port = listening.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        for task in tasks:
            task.cancel()
        listening.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


def _response(status: int, body: bytes = b"{}", head: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), head, body)


def _sender(port: int, *addresses: str, timeout_s: float = 5.0) -> HttpSender:
    target = HttpTarget("api.example", port, addresses=addresses or ("127.0.0.1",), users=1)
    return HttpSender(target, 0, timeout_s)


def _asked(
    script: Callable[[int], bytes | None], do: Callable[[HttpSender, Server], Awaitable[None]], timeout_s: float = 5.0
) -> None:
    async def run() -> None:
        async with _serving(script) as server:
            sender = _sender(server.port, timeout_s=timeout_s)
            await sender.open()
            await do(sender, server)
            await sender.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (_response(200, b'{"stream": "E", "sequence": 41}'), Attempt(Status.STORED, 41, "127.0.0.1")),
        (_response(200, b"not json"), Attempt(Status.STORED, 0, "127.0.0.1")),
        (_response(200, b"[1]"), Attempt(Status.STORED, 0, "127.0.0.1")),
        (_response(202), Attempt(Status.BUFFERED, 0, "127.0.0.1")),
        (_response(503), Attempt(Status.REFUSED, 0, "127.0.0.1", "HTTP 503")),
        (_response(503, b'{"why": "queue is full"}'), Attempt(Status.REFUSED, 0, "127.0.0.1", "queue is full")),
        (_response(429, b'{"error": "rate limit"}'), Attempt(Status.REFUSED, 0, "127.0.0.1", "rate limit")),
        (_response(500), Attempt(Status.UNKNOWN, 0, "127.0.0.1")),
        (_response(504), Attempt(Status.UNKNOWN, 0, "127.0.0.1")),
        (b"nonsense\r\n\r\n", Attempt(Status.UNKNOWN, 0, "127.0.0.1")),
        (b"", Attempt(Status.UNKNOWN, 0, "127.0.0.1")),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Attempt(Status.UNKNOWN, 0, "127.0.0.1")),
    ],
)
def test_what_an_answer_is_worth(response: bytes, expected: Attempt) -> None:
    async def do(sender: HttpSender, _: Server) -> None:
        assert await sender.send(MESSAGE, 0) == expected

    _asked(lambda _: response, do, timeout_s=0.5)


def test_a_request_is_what_the_api_takes() -> None:
    async def do(sender: HttpSender, server: Server) -> None:
        await sender.send(MESSAGE, 0)
        head, body = server.requests[0].split(b"\r\n\r\n")
        assert head.startswith(b"POST /v1/events HTTP/1.1\r\nHost: api.example\r\napikey: lab-key\r\n")
        assert body == b'{"id": "r1.0.0", "subject": "events.load.3", "key": "3", "data": "r1.0.0 xx"}'

    _asked(lambda _: _response(202), do)


def test_a_silent_server_leaves_the_write_unknown_and_its_connection_is_given_up() -> None:
    async def do(sender: HttpSender, server: Server) -> None:
        assert await sender.send(MESSAGE, 0) == Attempt(Status.UNKNOWN, 0, "127.0.0.1")
        assert (await sender.send(MESSAGE, 0)).status is Status.STORED
        assert server.connections == 2

    _asked(lambda nth: _response(200) if nth else None, do, timeout_s=0.3)


def test_connections_are_kept_and_shared_by_nobody_at_once() -> None:
    async def do(sender: HttpSender, server: Server) -> None:
        for _ in range(5):
            await sender.send(MESSAGE, 0)
        assert server.connections == 1
        await asyncio.gather(*(sender.send(MESSAGE, 0) for _ in range(3)))
        assert server.connections == 3

    _asked(lambda _: _response(200), do)


def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    async def do(sender: HttpSender, server: Server) -> None:
        for _ in range(3):
            assert (await sender.send(MESSAGE, 0)).status is Status.STORED
            await asyncio.sleep(0.02)
        assert server.connections == 3

    _asked(lambda _: _response(200, head=b"Connection: close\r\n"), do)


def test_nothing_was_sent_where_nobody_listens() -> None:
    async def run() -> None:
        async with _serving(lambda _: _response(200)) as server:
            port = server.port
        assert await _sender(port).send(MESSAGE, 0) == Attempt(Status.ERROR)

    asyncio.run(run())


def test_the_next_address_is_tried_where_the_first_refuses() -> None:
    async def run() -> None:
        async with _serving(lambda _: _response(200)) as server:
            sender = _sender(server.port, "127.0.0.2", "127.0.0.1")
            assert await sender.send(MESSAGE, 0) == Attempt(Status.STORED, 0, "127.0.0.1")
            await sender.close()

    asyncio.run(run())


def test_no_resolver_is_an_error_and_nothing_sent() -> None:
    async def run() -> None:
        async with _serving(lambda _: _response(200)) as server:
            target = HttpTarget("api.example", server.port, resolver=("127.0.0.1", server.port), users=1)
            assert await HttpSender(target, 0, 0.3).send(MESSAGE, 0) == Attempt(Status.ERROR)
            assert server.connections == 0

    asyncio.run(run())
