"""Many messages out of a stream and into one, on a real server: all of them, in order, as they were."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from region_pair import AWAY, Pair

from secondsite.model.errors import MachineError
from secondsite.nats import reading
from secondsite.nats.bulk import BulkParser, frame
from secondsite.nats.jetstream import NoAnswerError
from secondsite.nats.publishing import Outgoing
from secondsite.nats.stored import StoredMessage, parse_headers
from secondsite.nats.streams import StreamApi

COUNT = 2500


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One region of it."""
    pair = Pair(tmp_path_factory.mktemp("bulk"), denied=())
    pair.start(AWAY)
    yield pair
    pair.kill(AWAY)


@asynccontextmanager
async def filled(pair: Pair, name: str, **more: object) -> AsyncIterator[StreamApi]:
    """A stream with messages of all kinds, some of them deleted."""
    async with pair.place(AWAY).open() as jetstream:
        streams = StreamApi(jetstream)
        await streams.create({"name": name, "subjects": [f"{name}.>"], **more})
        await streams.publish_all([Outgoing(f"{name}.{n % 7}", b"%d" % n, _headers(n)) for n in range(1, COUNT + 1)])
        for sequence in (1, 700, COUNT):
            await jetstream.ask(f"STREAM.MSG.DELETE.{name}", {"seq": sequence})
        yield streams


def _headers(number: int) -> dict[str, str]:
    return {"Nats-Msg-Id": f"m{number}", "Reason": "größer: a=b"} if number % 3 else {}


async def _all(messages: AsyncIterator[StoredMessage]) -> list[StoredMessage]:
    return [message async for message in messages]


@pytest.mark.slow
@pytest.mark.parametrize("retention", ["limits", "workqueue"])
def test_what_is_read_in_bulk_is_what_is_read_one_by_one(pair: Pair, retention: str) -> None:
    async def work() -> None:
        async with filled(pair, f"R{retention}", retention=retention) as streams:
            name = f"R{retention}"
            wanted = await _all(streams.messages(name, 1, COUNT + 50))
            assert len(wanted) == COUNT - 3
            assert await _all(streams.many(name, 1, COUNT + 50)) == wanted
            assert await _all(streams.many(name, 600, 800)) == wanted[598:798]
            heads = await _all(streams.many(name, 1, COUNT, bodies=False))
            assert [(m.sequence, m.subject, m.headers) for m in heads] == [
                (m.sequence, m.subject, m.headers) for m in wanted
            ]
            assert not await _all(streams.many(name, COUNT, COUNT + 50))
            assert not await streams.consumers(name)
            page = await streams.jetstream.ask(f"CONSUMER.NAMES.{name}")
            assert not page["consumers"], "the reader leaves nothing behind"

    asyncio.run(work())


@pytest.mark.slow
def test_more_bytes_than_a_batch_may_have(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends such a batch early; its rest is asked for again."""
    monkeypatch.setattr(reading, "_BATCH_BYTES", -(2**20) + 2**19)

    async def work() -> None:
        async with pair.place(AWAY).open() as jetstream:
            streams = StreamApi(jetstream)
            await streams.create({"name": "BIG", "subjects": ["big"]})
            await streams.publish_all([Outgoing("big", bytes(200_000), {}) for _ in range(20)])
            assert [m.sequence async for m in streams.many("BIG", 1, 20)] == list(range(1, 21))

    asyncio.run(work())


@pytest.mark.slow
def test_a_stream_that_allows_no_more_consumers_is_read_all_the_same(pair: Pair) -> None:
    async def work() -> None:
        async with filled(pair, "FEW", max_consumers=1) as streams:
            await streams.create_consumer("FEW", {"name": "one", "durable_name": "one", "ack_policy": "explicit"})
            assert len(await _all(streams.many("FEW", 1, COUNT))) == COUNT - 3

    asyncio.run(work())


@pytest.mark.slow
def test_a_reader_whose_consumer_is_lost_goes_on_where_it_was(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the server on which it lives restarts, or reads its configuration anew."""
    monkeypatch.setattr(reading, "BATCH", 50)
    monkeypatch.setattr(reading, "_ROOM", 250)

    async def work() -> None:
        async with filled(pair, "LOST") as streams:
            wanted = await _all(streams.messages("LOST", 1, COUNT))
            seen: list[StoredMessage] = []
            async for message in streams.many("LOST", 1, COUNT):
                seen.append(message)
                if len(seen) % 600 == 0:
                    await _lose_readers(streams, "LOST")
            assert seen == wanted
            assert not await _readers(streams, "LOST")

    asyncio.run(work())


@pytest.mark.slow
def test_a_reader_whose_consumer_is_not_answered_for_asks_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, silent = reading._Reader.begin, [True]

    async def begun(self: reading._Reader, first: int, *, bodies: bool) -> int:
        if silent and silent.pop():
            raise NoAnswerError.at("here", "no answer", "none")
        return await begin(self, first, bodies=bodies)

    monkeypatch.setattr(reading._Reader, "begin", begun)

    async def work() -> None:
        async with filled(pair, "LATE") as streams:
            assert len(await _all(streams.many("LATE", 1, COUNT))) == COUNT - 3

    asyncio.run(work())


@pytest.mark.slow
def test_a_reader_whose_consumer_is_lost_each_time_says_so(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "GO_ON_FOR_S", 0.5)
    begin = reading._Reader.begin

    async def lost(self: reading._Reader, first: int, *, bodies: bool) -> int:
        pending = await begin(self, first, bodies=bodies)
        await _lose_readers(StreamApi(self._jetstream), "GONE")
        return pending

    monkeypatch.setattr(reading._Reader, "begin", lost)

    async def work() -> None:
        async with filled(pair, "GONE") as streams:
            with pytest.raises(MachineError, match="reading GONE was cut: the server ended it with 503"):
                await _all(streams.many("GONE", 1, COUNT))

    asyncio.run(work())


async def _readers(streams: StreamApi, name: str) -> list[str]:
    return list((await streams.jetstream.ask(f"CONSUMER.NAMES.{name}"))["consumers"] or ())


async def _lose_readers(streams: StreamApi, name: str) -> None:
    for one in await _readers(streams, name):
        await streams.jetstream.ask(f"CONSUMER.DELETE.{name}.{one}")


@pytest.mark.slow
def test_each_answer_belongs_to_its_message(pair: Pair) -> None:
    async def work() -> None:
        async with pair.place(AWAY).open() as jetstream:
            streams = StreamApi(jetstream)
            await streams.create({"name": "ONE", "subjects": ["one.a"], "max_msg_size": 100})
            sent = [Outgoing("one.a", b"1", {"Nats-Msg-Id": "x"}), Outgoing("one.b", b"2", {})]
            sent += [Outgoing("one.a", b"3" * 101, {}), Outgoing("one.a", b"4", {"Nats-Msg-Id": "x"})]
            stored, nobody, refused, again = await streams.publish_all(sent)
            assert nobody is None
            assert stored is not None
            assert (stored.sequence, stored.code) == (1, 0)
            assert refused is not None
            assert refused.code == 10054
            assert again is not None
            assert again.duplicate
            with pytest.raises(MachineError, match="more than max_payload"):
                await streams.publish_all([Outgoing("one.a", bytes(2**20), {"A": "b"})])

    asyncio.run(work())


def test_a_frame_is_read_as_it_was_meant() -> None:
    assert frame("a.b", "r", {"K": "v"}, b"data") == b"HPUB a.b r 18 22\r\nNATS/1.0\r\nK: v\r\n\r\ndata\r\n"
    for subject, headers in (("a b", {}), ("a", {"K": "v\r\nEvil: 1"})):
        with pytest.raises(ValueError, match="line break"):
            frame(subject, "r", headers, b"")
    odd = "K: \udcff"
    assert parse_headers(frame("a", "r", {"K": odd}, b"").partition(b"\r\n")[2])["K"] == odd


class Told:
    """A client that notes what the library's own parser hands on."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self.seen.append((sid, subject, reply, data, headers))

    async def _process_pong(self) -> None:
        self.seen.append("pong")

    async def _process_ping(self) -> None:
        self.seen.append("ping")


STREAMED = (
    b"MSG a 7 3\r\nabc\r\nPING\r\nHMSG b 7 r 12 15\r\nNATS/1.0\r\n\r\nxyz\r\nMSG c 8 q 4\r\n\r\n\r\n\r\nPONG\r\n"
    b"HMSG d 8 12 12\r\nNATS/1.0\r\n\r\n\r\nMSG e 7 0\r\n\r\n+OK\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
def test_bytes_may_be_cut_anywhere(size: int) -> None:
    async def work() -> None:
        told = Told()
        parser = BulkParser(told)  # type: ignore[arg-type] # of which it uses no more
        taken: list[tuple[bytes, bytes, bytes, bytes]] = []
        parser.takers[b"7"] = lambda *parts: taken.append(parts)
        for at in range(0, len(STREAMED), size):
            await parser.parse(STREAMED[at : at + size])
        assert taken == [(b"a", b"", b"", b"abc"), (b"b", b"r", b"NATS/1.0\r\n\r\n", b"xyz"), (b"e", b"", b"", b"")]
        head = b"NATS/1.0\r\n\r\n"
        assert told.seen == ["ping", (8, b"c", b"q", b"\r\n\r\n", None), "pong", (8, b"d", b"", b"", head)]

    asyncio.run(work())
