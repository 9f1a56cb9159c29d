"""Observers answer those who hold the token, and a watch believes nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx2
import pytest
from attrs import evolve

from secondsite.operate.observer_config import ObserverConfig
from secondsite.watch.http_server import HttpAnswer, HttpRequest, HttpServer, ListenAt
from secondsite.watch.listening import Listening
from secondsite.watch.observer import Observer
from secondsite.watch.signals import ObserverRound, Sight, Signal, SignalAnswer

TOKEN = "a token of sixteen"
AT = ListenAt("127.0.0.1", 0)


async def yes() -> Sight:
    return Sight(SignalAnswer.YES)


async def hangs() -> Sight:
    await asyncio.sleep(60)
    return Sight(SignalAnswer.YES)


async def breaks() -> Sight:
    raise ValueError("unforeseen")


def observer(name: str = "west", token: str = TOKEN) -> Observer:
    config = ObserverConfig(name, (), every_s=0.05, timeout_s=0.05)
    ways = {"us-east-1": {Signal.API: yes, Signal.NATS: hangs, Signal.HEARD: hangs, Signal.KUBE: breaks}}
    return Observer(config, ways, token, lambda _what: None)


def listened(answering: Callable[[HttpRequest], HttpAnswer], name: str = "west") -> tuple[list[ObserverRound], str]:
    """What a watch hears, and why it does not."""
    heard: list[ObserverRound] = []

    async def once(port: int) -> str:
        listening = Listening({name: f"http://127.0.0.1:{port}"}, TOKEN, 1.0, 0.5, heard.append)
        async with httpx2.AsyncClient(trust_env=False) as client:
            await listening.ask(client, name)
        return listening.silent[name]

    with HttpServer(AT, answering) as server:
        return heard, asyncio.run(once(server.port))


def test_a_round_is_heard() -> None:
    one = observer()
    asyncio.run(one.round())
    heard, why = listened(one.answering)
    assert (heard, why) == ([one.latest], "")
    sights = heard[0].regions["us-east-1"]
    assert {signal: sight.answer for signal, sight in sights.items()} == {
        Signal.API: SignalAnswer.YES,
        Signal.NATS: SignalAnswer.NO,
        Signal.HEARD: SignalAnswer.UNKNOWN,
        Signal.KUBE: SignalAnswer.UNKNOWN,
    }


def test_an_observer_that_has_seen_nothing_says_so() -> None:
    heard, why = listened(observer().answering)
    assert heard == []
    assert "503" in why


def forged(request: HttpRequest) -> HttpAnswer:
    one = observer(token="another token, as long")
    asyncio.run(one.round())
    return one.answering(evolve(request, headers={**request.headers}))


def without_proof(request: HttpRequest) -> HttpAnswer:
    one = observer()
    asyncio.run(one.round())
    return evolve(one.answering(request), headers=())


def changed(request: HttpRequest) -> HttpAnswer:
    one = observer()
    asyncio.run(one.round())
    answer = one.answering(request)
    return evolve(answer, body=answer.body.replace(b'"yes"', b'"no" '))


def other(request: HttpRequest) -> HttpAnswer:
    one = observer("office")
    asyncio.run(one.round())
    return one.answering(request)


class Repeated:
    """The first answer, for ever: as somebody in between would."""

    def __init__(self) -> None:
        self.first: HttpAnswer | None = None

    def __call__(self, request: HttpRequest) -> HttpAnswer:
        self.first = self.first or without_nonce(request)
        return self.first


def without_nonce(request: HttpRequest) -> HttpAnswer:
    from secondsite.watch.shared_token import NONCE, question_proof

    one = observer()
    asyncio.run(one.round())
    old = {**request.headers, NONCE.lower(): "old", "secondsite-proof": question_proof(TOKEN, "old")}
    return one.answering(evolve(request, headers=old))


@pytest.mark.parametrize("answering", [forged, without_proof, changed, other, Repeated()])
def test_who_does_not_prove_it_is_not_heard(answering: Callable[[HttpRequest], HttpAnswer]) -> None:
    heard, why = listened(answering)
    assert heard == []
    assert why


def test_the_token_is_never_sent() -> None:
    seen: list[HttpRequest] = []

    def answering(request: HttpRequest) -> HttpAnswer:
        seen.append(request)
        return HttpAnswer(200, b"{}")

    listened(answering)
    assert TOKEN not in str(seen[0])


def test_a_stranger_is_refused() -> None:
    one = observer()
    asyncio.run(one.round())
    with HttpServer(AT, one.answering) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert httpx2.get(f"{url}/observation", trust_env=False).status_code == 403
        assert httpx2.get(f"{url}/", trust_env=False).status_code == 404
        assert httpx2.post(f"{url}/observation", content=b"x" * 2**17, trust_env=False).status_code == 413


def test_rounds_go_on_and_have_numbers() -> None:
    one, waits = observer(), []

    async def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError

    one.sleep = pause
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(one.keep())
    assert one.latest is not None
    assert (one.latest.run, one.latest.number) == (one.run, 3)
