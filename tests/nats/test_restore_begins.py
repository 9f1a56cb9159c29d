"""The first chunk of a restore, sent before the servers between us and the stream's leader know who listens for it."""

from __future__ import annotations

import asyncio

import pytest
from nats.aio.msg import Msg
from nats_world import Server, connect, run

from secondsite.nats.restore import RestoreCutError, _Upload

pytestmark = pytest.mark.slow


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> str:
    """Of its own for each test: a server may hold what a client of the test before listened to for a moment longer."""
    return f"restore.{request.node.name}"


def test_a_chunk_that_nobody_took_is_sent_again(server: Server, subject: str) -> None:

    async def work() -> list[bytes]:
        leader = await connect(server.url)
        chunks: list[bytes] = []

        async def take(message: Msg) -> None:
            chunks.append(message.data)
            await message.respond(b"" if message.data else b'{"config": {}}')

        async with server.place.open() as jetstream:
            upload = _Upload(jetstream, "S", subject)
            await upload.open()
            first = asyncio.ensure_future(upload.send(b"one"))
            await asyncio.sleep(0.3)
            assert not first.done(), "nobody has taken it"
            await leader.subscribe(subject, cb=take)
            await leader.flush()
            await first
            await upload.send(b"two")
            await upload.finish()
            await upload.close()
        return chunks

    assert run(work()) == [b"one", b"two", b""]


def test_a_server_that_takes_no_more_ends_it(server: Server, subject: str) -> None:

    async def work() -> None:
        leader = await connect(server.url)

        async def take(message: Msg) -> None:
            await message.respond(b"")

        listening = await leader.subscribe(subject, cb=take)
        await leader.flush()
        async with server.place.open() as jetstream:
            upload = _Upload(jetstream, "S", subject)
            await upload.open()
            await upload.send(b"one")
            await listening.unsubscribe()
            await leader.flush()
            with pytest.raises(RestoreCutError, match="accepts no more data"):
                await upload.finish()
            await upload.close()

    run(work())
