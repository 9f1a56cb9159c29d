"""Archives that are packed are compared by their blocks: the same messages at the same places, and nothing unpacked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nats_world import Server, connect, run

from secondsite.backup import restore as restore_module
from secondsite.backup import stream_restore
from secondsite.backup.archive import entry
from secondsite.backup.frames import Framed, FrameDigest
from secondsite.backup.passing import Passed
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.s2_write import blocks
from secondsite.objects.store import ObjectStorage

STREAM_HEAD = b"\xff\x06\x00\x00S2sTwO"
END = entry(b"", 0, 0, b"", b"")
MESSAGES = [entry(b"s.1", 5, number, b"", bytes(700)) for number in range(1, 1000)]


def archive(state: dict[str, Any], messages: list[bytes] = MESSAGES, consumer: str = "w") -> bytes:
    begin = b"NATSARC1" + entry(b"state.json", 5, 0, b"", json.dumps(state).encode())
    begin += entry(b"consumers/w", 5, 0, b"", json.dumps({"config": {"name": consumer}}).encode())
    return STREAM_HEAD + blocks(begin + b"".join(messages) + END)


def told(content: bytes, step: int = 50_000) -> Framed | None:
    frames = FrameDigest()
    for at in range(0, len(content), step):
        frames.feed(content[at : at + step])
    return frames.result()


def sha256(content: bytes, step: int = 50_000) -> str:
    framed = told(content, step)
    assert framed
    return framed.sha256


@pytest.mark.parametrize("step", [1, 7, 70_000, 10**7])
def test_what_stands_before_the_messages_does_not_count_where_it_is_as_long(step: int) -> None:
    one, other = archive({"messages": 999}), archive({"messages": 111}, consumer="v")
    assert sha256(one, step) == sha256(other)
    framed = told(one, step)
    assert framed
    assert (framed.state, framed.consumers) == ({"messages": 999}, ({"config": {"name": "w"}},))


def test_whatever_byte_of_a_message_changes_it_is_seen() -> None:
    state = {"messages": 999}
    whole = sha256(archive(state))
    for number in (0, 1, 500, 998):
        for at in range(0, len(MESSAGES[number]), 97):
            hurt = bytearray(MESSAGES[number])
            hurt[-1 - at % 700] ^= 1
            assert sha256(archive(state, [*MESSAGES[:number], bytes(hurt), *MESSAGES[number + 1 :]])) != whole
    for fewer in (MESSAGES[1:], MESSAGES[:-1], [*MESSAGES[:500], *MESSAGES[501:]], []):
        assert sha256(archive(state, fewer)) != whole


def test_where_it_is_longer_nothing_is_proven_and_nothing_denied() -> None:
    assert sha256(archive({"messages": 999})) != sha256(archive({"messages": 1999}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" * 99,
        STREAM_HEAD,
        STREAM_HEAD + blocks(b"NATSARC2" + bytes(99)),
        STREAM_HEAD + b"\x00\x09\x00\x00" + bytes(4) + b"\xff\xff\xff\xff\x0f",
        STREAM_HEAD + blocks(b"NATSARC1" + entry(b"state.json", 5, 0, b"", b"{no json")),
        archive({"messages": 1})[:90],
    ],
)
def test_what_is_no_such_archive_is_not_compared_so(content: bytes) -> None:
    assert told(content) is None


@pytest.mark.slow
def test_a_packed_archive_is_proven_without_unpacking_it(
    start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where one message is missing, it is named."""
    source: Server = start("source")
    target: Server = start("target")
    started: list[object] = []

    async def begin(*arguments: object, **_: object) -> None:
        started.append(arguments)
        raise AssertionError("a process that unpacks")

    async def work() -> None:
        client = await connect(source.url)
        jetstream = client.jetstream()
        await jetstream.add_stream(name="S", subjects=["s.>"])
        for number in range(200):
            await jetstream.publish("s.1", b"".join(b"%d-%d," % (number, at) for at in range(6000)))
        puller = await jetstream.pull_subscribe("s.>", durable="w", stream="S")
        for message in await puller.fetch(3):
            await message.ack_sync()
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        with monkeypatch.context() as patched:
            patched.setattr("secondsite.backup.digesting.asyncio.create_subprocess_exec", begin)
            (outcome,) = await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        assert (outcome.proof.verdict, outcome.proof.messages, outcome.proof.last_seq) == ("equal", 200, 200)
        assert (outcome.why_not, outcome.consumers) == ("", 1)
        other = (await connect(target.url)).jetstream()
        await other.delete_stream("S")
        transfer = stream_restore.transfer

        async def and_delete(*arguments: Any) -> Passed:
            passed = await transfer(*arguments)
            assert passed.framed
            await other.delete_msg("S", 77)
            return passed

        monkeypatch.setattr(restore_module, "transfer", and_delete)
        (outcome,) = await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        assert (outcome.proof.verdict, outcome.proof.missing, outcome.held_back) == ("differs", (77,), True)

    run(work())
    assert started == []
