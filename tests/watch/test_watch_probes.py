"""Three answers along each way: what serves, what is silent, and what refuses us or cannot be asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from region_pair import AWAY, HOME, Pair, linked

from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import nats_place
from secondsite.operate.world import PathWrite
from secondsite.watch.http_server import HttpAnswer, HttpRequest, HttpServer, ListenAt
from secondsite.watch.probes import HttpWay, heard_sight, http_sight, nats_sight, path_sight
from secondsite.watch.signals import Sight, SignalAnswer

TIMEOUT_S = 0.5
SECURE = ssl.create_default_context()


@contextmanager
def listening(answers: bool = False) -> Iterator[int]:
    """A port whose connections the system takes while nobody answers; or none at all."""
    with closing(socket.socket()) as each:
        each.bind(("127.0.0.1", 0))
        if answers:
            each.listen()
        yield int(each.getsockname()[1])


def looked(url: str, *, status_page: bool = False) -> Sight:
    target = HttpWay(url, SECURE, TIMEOUT_S)
    return asyncio.run(target.status_page() if status_page else target.sight())


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        *((code, SignalAnswer.YES) for code in (200, 204, 302, 404)),
        *((code, SignalAnswer.UNKNOWN) for code in (401, 403, 407, 429)),
        *((code, SignalAnswer.NO) for code in (500, 502, 503)),
    ],
)
def test_an_answer_serves_refuses_or_fails(status: int, answer: SignalAnswer) -> None:
    assert http_sight(status).answer is answer


def test_silence_is_no() -> None:
    with listening() as port:
        assert looked(f"http://127.0.0.1:{port}/").answer is SignalAnswer.NO
    with listening(answers=True) as port:
        assert looked(f"http://127.0.0.1:{port}/").answer is SignalAnswer.NO


def test_a_name_that_nobody_has_is_unknown() -> None:
    assert looked("http://nobody.invalid/").answer is SignalAnswer.UNKNOWN


def test_what_speaks_no_tls_is_unknown() -> None:
    with HttpServer(ListenAt("127.0.0.1", 0), lambda _request: HttpAnswer(200, b"")) as server:
        assert looked(f"https://127.0.0.1:{server.port}/").answer is SignalAnswer.UNKNOWN
        assert looked(f"http://127.0.0.1:{server.port}/").answer is SignalAnswer.YES


def test_the_public_name_is_asked_for_at_the_region_s_own_address() -> None:
    asked: list[HttpRequest] = []

    def answering(request: HttpRequest) -> HttpAnswer:
        asked.append(request)
        return HttpAnswer(200, b"")

    with HttpServer(ListenAt("127.0.0.1", 0), answering) as server:
        target = HttpWay(f"http://127.0.0.1:{server.port}/healthz", SECURE, TIMEOUT_S, "api.example.com", "secret")
        assert asyncio.run(target.sight()) == Sight(SignalAnswer.YES)
    assert (asked[0].path, asked[0].headers["host"]) == ("/healthz", "api.example.com")
    assert asked[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"status": {"indicator": "none"}}', SignalAnswer.YES),
        (b'{"status": {"indicator": "major"}}', SignalAnswer.NO),
        (b'{"status": "fine"}', SignalAnswer.UNKNOWN),
        (b"<html>", SignalAnswer.UNKNOWN),
    ],
)
def test_a_provider_s_page_is_read(body: bytes, answer: SignalAnswer) -> None:
    with HttpServer(ListenAt("127.0.0.1", 0), lambda _request: HttpAnswer(200, body)) as server:
        assert looked(f"http://127.0.0.1:{server.port}/", status_page=True).answer is answer


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (PathWrite(200, "id"), SignalAnswer.YES),
        (PathWrite(202, "id", why="queued, not stored"), SignalAnswer.NO),
        (PathWrite(401, "id"), SignalAnswer.UNKNOWN),
        (PathWrite(0, "id", why="ConnectError"), SignalAnswer.NO),
    ],
)
def test_a_write_that_is_only_promised_is_no(written: PathWrite, answer: SignalAnswer) -> None:
    class Client:
        async def write(self) -> PathWrite:
            return written

    assert asyncio.run(path_sight(Client())).answer is answer


class Denying(Pair):
    """Its operator may ask nothing."""

    def _config(self, region: str) -> str:
        denied = "{user: operator, password: operator, permissions: {publish: {allow: [nothing]}}}"
        return super()._config(region).replace("{user: operator, password: operator}", denied)


@pytest.mark.slow
def test_the_other_side_hears_a_region_or_does_not_or_may_not_say(tmp_path: Path) -> None:
    pair = Denying(tmp_path)

    def heard(login: str) -> SignalAnswer:
        return asyncio.run(heard_sight([pair.place(AWAY, login)], HOME, 1.0)).answer

    try:
        pair.start(HOME)
        pair.start(AWAY)
        asyncio.run(linked(pair))
        assert heard("app") is SignalAnswer.YES
        assert heard("operator") is SignalAnswer.UNKNOWN
        pair.kill(HOME)
        assert heard("app") is SignalAnswer.NO
        assert heard("operator") is SignalAnswer.UNKNOWN
        pair.kill(AWAY)
        assert heard("app") is SignalAnswer.UNKNOWN
    finally:
        for region in (HOME, AWAY):
            pair.kill(region)


@pytest.mark.slow
def test_nats_answers_refuses_or_is_silent(tmp_path: Path) -> None:
    def sight(url: str) -> SignalAnswer:
        return asyncio.run(nats_sight(nats_place(url, ConnectOptions(timeout_s=0.5)))).answer

    pair = Pair(tmp_path)
    try:
        pair.start(HOME)
        assert sight(pair.url(HOME)) is SignalAnswer.YES
        assert sight(pair.url(HOME).replace("app:app", "app:wrong")) is SignalAnswer.UNKNOWN
        with listening() as port, listening(answers=True) as still:
            assert sight(f"nats://127.0.0.1:{port}") is SignalAnswer.NO
            assert sight(f"nats://127.0.0.1:{still}") is SignalAnswer.NO
            assert sight(f"nats://app:app@127.0.0.1:{still},{pair.url(HOME)}") is SignalAnswer.YES
    finally:
        pair.kill(HOME)
