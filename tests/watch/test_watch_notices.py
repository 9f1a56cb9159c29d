"""Notices go out beside the decision: a receiver that hangs holds up nobody, and what waits is bounded."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Callable

import pytest
from in_loop import in_loop

from secondsite.model.errors import MachineError
from secondsite.nats.tasks import end_tasks
from secondsite.watch.http_server import HttpAnswer, HttpRequest, HttpServer, ListenAt
from secondsite.watch.notices import MOST_WAITING, Notice, Notices

AT = ListenAt("127.0.0.1", 0)
ASKS = Notice("asks", "us-east-1: gray", "api silent")


async def sent(notices: Notices, done: Callable[[], bool]) -> None:
    keeping = asyncio.ensure_future(notices.keep())
    for _ in range(500):
        if done():
            break
        await asyncio.sleep(0.01)
    await end_tasks(keeping)
    assert done()


@in_loop
async def test_a_webhook_gets_json_and_is_asked_again() -> None:
    bodies: list[dict[str, str]] = []

    def answering(request: HttpRequest) -> HttpAnswer:
        bodies.append(json.loads(request.body))
        return HttpAnswer(503 if len(bodies) == 1 else 200, b"")

    with HttpServer(AT, answering) as server:
        notices = Notices("watch west", (f"http://127.0.0.1:{server.port}/hook",), print, again_s=0.01)
        notices.say(ASKS)
        await sent(notices, lambda: len(bodies) == 2)
    assert bodies[0] == bodies[1]
    assert (bodies[0]["schema"], bodies[0]["kind"]) == ("secondsite/notice/1", "asks")
    assert bodies[0]["from"] == "watch west"
    assert bodies[0]["text"] == "us-east-1: gray\napi silent"


@in_loop
async def test_a_receiver_that_takes_nothing_is_told_without_its_address() -> None:
    log: list[str] = []
    notices = Notices("w", ("http://127.0.0.1:1/secret-in-a-path",), log.append, again_s=0.0)
    notices.say(ASKS)
    await sent(notices, lambda: bool(log))
    assert "target 1" in log[0]
    assert "secret" not in log[0]


def test_saying_never_waits_and_the_oldest_are_dropped() -> None:
    notices = Notices("w", ("http://127.0.0.1:1/",), print)
    for number in range(2 * MOST_WAITING):
        notices.say(Notice("asks", str(number), ""))
    assert [one.title for one in notices._waiting] == [str(n) for n in range(MOST_WAITING, 2 * MOST_WAITING)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Apprise's own
@in_loop
async def test_other_addresses_go_through_apprise() -> None:
    bodies: list[dict[str, str]] = []

    def answering(request: HttpRequest) -> HttpAnswer:
        bodies.append(json.loads(request.body))
        return HttpAnswer(200, b"")

    with HttpServer(AT, answering) as server:
        notices = Notices("w", (f"json://127.0.0.1:{server.port}/",), print, again_s=0.01)
        notices.say(ASKS)
        await sent(notices, lambda: bool(bodies))
    assert (bodies[0]["title"], bodies[0]["message"]) == ("us-east-1: gray", "api silent")


def test_without_apprise_only_webhooks_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    Notices("w", ("https://example.com/",), print)
    with pytest.raises(MachineError, match="notify"):
        Notices("w", ("slack://a/b/c",), print)
