"""What a reader of a stream makes of every answer: a delivery that is not whole is cut off, and never handed on."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from attrs import define, field

from secondsite.archive import tail as tail_module
from secondsite.archive.tail import Tail, TailCutError, message_runs, time_of
from secondsite.model.errors import Problem
from secondsite.model.place import Place
from secondsite.nats.jetstream import RefusedError
from secondsite.nats.streams import NO_MESSAGE


def _refused(code: int) -> RefusedError:
    refused = RefusedError([Problem(Place("nats"), "refused", "")])
    refused.code = code
    return refused


@define
class Client:
    """Answers each request for messages with what the test says: reply subjects, or a status."""

    answers: list[list[tuple[bytes, bytes]]] = field(factory=list)
    taps: dict[int, Any] = field(factory=dict)
    max_payload: int = 1024
    is_closed: bool = False
    taker: Any = None

    async def publish(self, _: str, __: bytes, reply: str = "") -> None:
        if not self.answers:
            raise OSError("gone")
        for position, headers in self.answers.pop(0):
            self.taker(f"{reply}".encode() if not position else b"s.a", position, headers, b"")


@define
class Leader:
    """The stream's leader: which sequences it has, by number."""

    client: Client
    held: tuple[int, ...] = ()
    prefix: str = "$JS.API"
    shown: str = "nats"

    @property
    def connection(self) -> Any:
        return self

    async def ask(self, subject: str, request: dict[str, Any] | None = None, **_: Any) -> Any:
        assert request is not None, subject
        wanted = request["seq"]
        later = [sequence for sequence in self.held if sequence >= wanted]
        if not later or ("next_by_subj" not in request and later[0] != wanted):
            raise _refused(NO_MESSAGE if wanted < 1000 else 1)
        data = base64.b64encode(b"x").decode()
        return {"message": {"seq": later[0], "time": "2023-11-14T22:13:20Z", "subject": "s.a", "data": data}}


def _at(consumer: int, sequence: int, pending: int) -> tuple[bytes, bytes]:
    return b"$JS.ACK.S.c.1.%d.%d.1700000000000000000.%d" % (sequence, consumer, pending), b""


def _status(text: bytes) -> tuple[bytes, bytes]:
    return b"", b"NATS/1.0 " + text + b"\r\n\r\n"


def _read(answers: list[list[tuple[bytes, bytes]]], upto: int, held: tuple[int, ...] = ()) -> tuple[list[int], Tail]:
    client = Client(answers)
    leader: Any = Leader(client, held)
    tail = Tail(leader, "S", 0)
    tail._expected = 1
    client.taker = tail._take

    async def work() -> list[int]:
        return [run.messages async for run in tail.runs(upto, 10**6)]

    return asyncio.run(work()), tail


def test_what_comes_is_handed_on_up_to_where_it_was_asked() -> None:
    assert _read([[_at(1, 4, 1), _at(2, 7, 0)]], 7)[0] == [2]
    assert _read([[_status(b"404 No Messages")]], 7)[0] == []


def test_a_consumer_that_the_server_has_not_heard_of_yet_is_asked_again() -> None:
    """In a cluster its making may be answered before the other servers know of it: 1 read in 70, measured."""
    nobody = [_status(b"503 No Responders")]
    assert _read([nobody, nobody, [_at(1, 4, 1), _at(2, 7, 0)]], 7)[0] == [2]


def test_it_ends_early_where_the_leader_has_more_than_the_replica() -> None:
    counts, tail = _read([[_at(1, 1, 0)], [_status(b"404 No Messages")]], 7, held=(1, 5))
    assert counts == [1]
    assert tail.through == 1


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([[_at(2, 4, 1)]], "message 1 of the delivery was lost"),
        ([[_at(1, 4, 1), _at(3, 6, 1)]], "message 2 of the delivery was lost"),
        ([[(b"$JS.ACK.S", b"")]], "a message without its position"),
        ([[_status(b"409 Consumer Deleted")]], "409 Consumer Deleted"),
        ([[(b"", b"")]], "an empty answer"),
        ([[_status(b"503 No Responders")] for _ in range(99)], "503 No Responders"),
        ([], "the connection failed"),
        ([[_status(b"408 Request Timeout")] for _ in range(9)], "nothing arrives"),
    ],
)
def test_a_delivery_that_is_not_whole_is_cut_off(answers: list[list[tuple[bytes, bytes]]], why: str) -> None:
    with pytest.raises(TailCutError, match=why):
        _read(answers, 9)


def test_silence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "SILENCE_S", 0.01)
    with pytest.raises(TailCutError, match="nothing"):
        _read([[]], 9)


def test_message_by_message_gaps_are_leapt_over() -> None:
    held = (1, 2, 300, 301)

    async def work(upto: int, limit: int) -> list[tuple[int, int]]:
        leader: Any = Leader(Client(), held)
        return [(run.first_seq, run.last_seq) async for run in message_runs(leader, "S", 1, upto, limit)]

    assert asyncio.run(work(301, 10**6)) == [(1, 301)]
    assert asyncio.run(work(301, 1)) == [(1, 2), (300, 301)]
    assert asyncio.run(work(250, 10**6)) == [(1, 2)]
    leader: Any = Leader(Client(), held)
    assert asyncio.run(time_of(leader, "S", 2)) == 1_700_000_000 * 10**9
    assert asyncio.run(time_of(leader, "S", 3)) is None
    with pytest.raises(RefusedError):
        asyncio.run(time_of(leader, "S", 1000))
