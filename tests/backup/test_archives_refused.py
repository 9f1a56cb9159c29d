"""Archives that break their rules are refused with the rule, and consumers are put right inside whole ones."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats_world import run

from secondsite.backup import digest_worker
from secondsite.backup.archive import ArchivedMessage, ArchiveError, ArchiveReader, entry, next_entry, open_message
from secondsite.backup.consumer_edit import ConsumerEdit, edited
from secondsite.backup.s2 import S2Decoder, S2Error, decode_block
from secondsite.backup.s2_write import blocks
from secondsite.backup.sourcing import noting, resumed
from secondsite.backup.tar_archive import messages, tombstones

HEAD = b"\xff\x06\x00\x00S2sTwO"
PADDING = b"\xfe\x03\x00\x00abc"
MAGIC, END = b"NATSARC1", entry(b"", 0, 0, b"", b"")
STATE = entry(b"state.json", 5, 0, b"", b'{"messages": 1}')
MESSAGE = entry(b"s.1", 1_700_000_000_000_000_000, 1, b"", b"hello")


def consumer(name: str, replicas: int = 0, floor: int = 7) -> dict[str, Any]:
    position = {"consumer_seq": floor, "stream_seq": floor}
    return {"name": name, "config": {"durable_name": name, "num_replicas": replicas}, "ack_floor": position}


def consumer_entry(name: str, replicas: int) -> bytes:
    return entry(f"consumers/{name}".encode(), 5, 0, b"", json.dumps(consumer(name, replicas)).encode())


def stream(*parts: bytes) -> bytes:
    """Each part a block of its own."""
    return HEAD + b"".join(blocks(part) for part in parts)


def read(data: bytes) -> tuple[ArchiveReader, list[ArchivedMessage]]:
    reader = ArchiveReader()
    found = list(reader.feed(data))
    reader.close()
    return reader, found


def test_a_magic_that_comes_in_two_blocks_is_one() -> None:
    reader, found = read(stream(MAGIC[:3], MAGIC[3:] + STATE, MESSAGE[:9], MESSAGE[9:] + END))
    assert reader.state == {"messages": 1}
    assert [item.raw for item in found] == [MESSAGE]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"NATSARC2" + STATE, "not a NATSARC1 archive"),
        (MAGIC + b"\xff" * 60, "without a readable head"),
        (MAGIC + entry(b"notes.txt", 5, 0, b"", b"x"), "unknown kind 'notes.txt'"),
        (MAGIC + STATE + b"\x00\x00\x01\x00\xff\xff\xff\x7f", r"an entry of \d{9} bytes"),
        (MAGIC + MESSAGE, "message 1 stands after 0"),  # before the state
        (MAGIC + STATE + MESSAGE + MESSAGE, "message 1 stands after 1"),
        (MAGIC + STATE + MESSAGE, "its end mark is missing"),
    ],
)
def test_what_breaks_the_rules_is_named(content: bytes, why: str) -> None:
    with pytest.raises(ArchiveError, match=why):
        read(stream(content))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x01\x08\x00\x00" + bytes(8), "not an S2 stream"),
        (b"\xff\x06\x00\x00SNaPpY", "not an S2 stream"),
        (HEAD + b"\x05\x04\x00\x00" + bytes(4), "unknown kind 0x5"),
        (HEAD + b"\x00\xff\xff\xff", "not an S2 stream"),
    ],
)
def test_what_is_no_s2(data: bytes, why: str) -> None:
    with pytest.raises(S2Error, match=why):
        list(S2Decoder().feed(data))


def test_a_block_that_says_it_is_huge_is_not_decoded() -> None:
    with pytest.raises(S2Error, match="too large"):
        decode_block(b"\xff\xff\xff\xff\x0f" + b"\x00a")


def test_an_entry_is_whole_or_a_message() -> None:
    assert next_entry(b"\x80\x80", 0) is None
    assert next_entry(STATE[:-1], 0) is None
    head = next_entry(MESSAGE[:-1], 0)
    assert head is not None
    assert (head.sequence, head.time_ns, head.end) == (1, 1_700_000_000_000_000_000, len(MESSAGE))
    with pytest.raises(ArchiveError, match="not an entry"):
        open_message(b"\x80\x80\x80")


REQUEST: dict[str, Any] = {"width": 1024, "upto": None, "only": None, "sources": False, "tar": None}


def test_the_worker_tells_why_and_never_dies_of_an_archive() -> None:
    broken = stream(MAGIC + entry(b"state.json", 5, 0, b"", b"{"))
    assert "contains invalid data (JSONDecodeError)" in digest_worker.answer(REQUEST, [broken])["error"]
    assert "not a NATSARC1" in digest_worker.answer(REQUEST, [stream(b"GIF89a..")])["error"]


@pytest.mark.parametrize(
    ("data", "error"), [(stream(MAGIC + STATE + MESSAGE + END), ""), (b"x" * 600_000, "not an S2")]
)
def test_the_process_answers_and_reads_to_the_end(data: bytes, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever feeds it meets no closed pipe, even where it knew early."""
    out, source = io.StringIO(), io.BytesIO(json.dumps(REQUEST).encode() + b"\n" + data)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(source))
    monkeypatch.setattr("sys.stdout", out)
    digest_worker.main()
    told = json.loads(out.getvalue())
    assert source.read() == b""
    assert told.get("error", "").startswith(error)
    assert ("digest" in told) is not bool(error)
    assert error or (told["digest"]["count"], told["digest"]["last"]) == (1, 1)


# Archives of servers before 2.15


def record(sequence: int, payload: bytes = b"hello") -> bytes:
    length = 22 + 3 + len(payload) + 8
    return struct.pack("<IQqH", length, sequence, 5, 3) + b"s.1" + payload + bytes(8)


def tarred(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_blk", ".blk").replace("_inf", ".inf"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream(out.getvalue())


def test_headers_come_out_whole_and_apart_from_the_payload() -> None:
    headers = b"NATS/1.0\r\nNats-Msg-Id: 7\r\n\r\n"
    content = b"s.1" + struct.pack("<I", len(headers)) + headers + b"hello" + bytes(8)
    head = struct.pack("<IQqH", 22 + len(content) | 1 << 31, 1, 5, 3)
    (found,) = messages([tarred(msgs__1_blk=head + content)], 1, set())
    assert found.raw == entry(b"s.1", 5, 1, headers, b"hello")


def test_what_is_gone_by_a_tombstone_or_below_the_first_is_left_out() -> None:
    block = record(1) + record(2) + record(3) + record(2 | 1 << 62, b"") + record(0, b"")
    data = [tarred(meta_inf=b"{}", msgs__1_blk=block, msgs__2_blk=record(4))]
    gone = tombstones(data)
    assert gone == {2}
    found = [open_message(item.raw) for item in messages(data, 2, gone)]
    assert [(item.sequence, item.subject, item.payload) for item in found] == [
        (3, "s.1", b"hello"),
        (4, "s.1", b"hello"),
    ]


def folder() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("msgs/1.blk")
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
    return stream(out.getvalue())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (tarred(msgs__1_blk=record(2) + record(1)), "message 1 stands after 2"),
        (tarred(msgs__1_blk=record(1)[:10]), "a block that is cut short"),
        (tarred(msgs__1_blk=record(1) + record(2)[:-4]), "an impossible length: the block may be compressed"),
        (tarred(msgs__1_blk=b"\x09" + record(1)[1:]), "an impossible length"),
        (folder(), "msgs/1.blk does not hold messages"),
        (stream(b"no tar at all" * 100), "not a tar of store files"),
    ],
)
def test_store_files_that_break_their_rules(data: bytes, why: str) -> None:
    with pytest.raises(ArchiveError, match=why):
        list(messages([data], 1, set()))
    request = {**REQUEST, "tar": {"first": 1, "gone": []}}
    assert why.split(":", maxsplit=1)[0] in digest_worker.answer(request, [data])["error"]


# Consumers put right


async def cut(data: bytes, step: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


def put_right(data: bytes, edit: ConsumerEdit, *, tar: bool, step: int = 37) -> bytes:
    """Decoded."""

    async def work() -> bytes:
        return b"".join([piece async for piece in edited(cut(data, step), edit, tar=tar)])

    decoder = S2Decoder()
    out = b"".join(decoder.feed(run(work())))
    decoder.close()
    return out


@pytest.mark.parametrize("split", [1, 30, 10_000])
def test_only_replicas_that_are_too_many_are_changed(split: int) -> None:
    content = MAGIC + STATE + consumer_entry("a", 3) + consumer_entry("b", 1) + MESSAGE + END
    parts = [content[at : at + split] for at in range(0, len(content), split)]
    data = HEAD + PADDING + b"".join(blocks(part) for part in parts) + PADDING
    reader, found = read(stream(put_right(data, ConsumerEdit(1), tar=False)))
    assert [told["config"]["num_replicas"] for told in reader.consumers] == [1, 1]
    assert [told["ack_floor"] for told in reader.consumers] == [consumer("a")["ack_floor"]] * 2
    assert [item.raw for item in found] == [MESSAGE]


def test_it_tells_whether_there_is_anything_to_change() -> None:
    configs: tuple[dict[str, Any], ...] = ({"num_replicas": 0}, {"num_replicas": 3}, {})
    assert ConsumerEdit(1).touches(configs)
    assert not ConsumerEdit(3).touches(configs)


OLD_CONSUMERS = {"obs__a__meta_inf": json.dumps({"Name": "a", "num_replicas": 3}).encode(), "obs__a__o_dat": b"x"}


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {item.name: tar.extractfile(item).read() for item in tar}  # type: ignore[union-attr] # files only


@pytest.mark.parametrize("size", [512, 1500, 10**6])
def test_old_archives_get_the_consumers_that_they_lack(size: int) -> None:
    """However the tar lies in its blocks; what exists already stands as it stood."""
    whole = b"".join(S2Decoder().feed(tarred(meta_inf=b"{}", msgs__1_blk=record(1, bytes(5000)), **OLD_CONSUMERS)))
    data = HEAD + PADDING + b"".join(blocks(whole[at : at + size]) for at in range(0, len(whole), size)) + PADDING
    listed = (consumer("a"), consumer("away", 3, floor=300))
    found = members(put_right(data, ConsumerEdit(1, listed), tar=True))
    assert found["msgs/1.blk"] == record(1, bytes(5000))
    assert (found["meta.inf"], found["obs/a/o_dat"]) == (b"{}", b"x")
    assert json.loads(found["obs/a/meta.inf"])["num_replicas"] == 1
    added = json.loads(found["obs/away/meta.inf"])
    assert (added["name"], added["durable_name"], added["num_replicas"]) == ("away", "away", 1)
    assert found["obs/away/o.dat"] == bytes((22, 2, 0xAC, 2, 0xAC, 2, 0xAC, 2, 0xAC, 2, 0, 0))


@pytest.mark.parametrize(
    ("data", "tar", "why"),
    [
        (stream(MAGIC + STATE), False, "its end mark is missing"),
        (stream(MAGIC + STATE + MESSAGE)[:-3], False, "truncated"),
        (stream(b"\0" * 511), True, "truncated"),
        (tarred(msgs__1_blk=bytes(2000))[:-20], True, "truncated"),
    ],
)
def test_an_archive_that_ends_early_is_not_put_right(data: bytes, tar: bool, why: str) -> None:
    with pytest.raises(ArchiveError, match=why):
        put_right(data, ConsumerEdit(1), tar=tar)


@pytest.mark.parametrize(
    ("tar", "why"), [(True, "of an impossible size"), (False, "without messages and without an end")]
)
def test_consumers_without_an_end_are_not_held(tar: bool, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondsite.backup.consumer_edit.MAX_CONSUMERS_BYTES", 2000)
    data = HEAD + blocks(b"obs/" + bytes(1000)) * 3 if tar else stream(MAGIC, *[consumer_entry("a", 1)] * 30)
    with pytest.raises(ArchiveError, match=why):
        put_right(data, ConsumerEdit(1), tar=tar)


def old_archive() -> bytes:
    return tarred(meta_inf=b"{}", msgs__1_blk=record(1), **OLD_CONSUMERS)


@pytest.mark.parametrize("tar", [False, True])
def test_whatever_byte_is_changed_it_is_an_error_of_the_archive_or_none(tar: bool) -> None:
    """It is read before its checksum is known: nothing in it may end a restore in a traceback."""
    data = old_archive() if tar else stream(MAGIC + STATE + consumer_entry("a", 3), MESSAGE + END)
    edit, places = ConsumerEdit(1, (consumer("a"),)), range(len(HEAD), len(data), 37 if tar else 1)

    async def work() -> int:
        refused = 0
        for at in places:
            changed = bytearray(data)
            changed[at] ^= 0xFF if at % 2 else 0x20
            try:
                async for _ in edited(cut(bytes(changed), 100_000), edit, tar=tar):
                    pass
            except (ArchiveError, S2Error):
                refused += 1
        return refused

    assert 10 < run(work()) < len(places)


@pytest.mark.parametrize(
    ("data", "tar", "why"),
    [
        (stream(MAGIC + STATE + entry(b"consumers/a", 5, 0, b"", b"{}") + END), False, "invalid data .KeyError"),
        (
            stream(MAGIC + STATE + entry(b"consumers/a", 5, 0, b"", b"{") + END),
            False,
            "invalid data .JSONDecodeError",
        ),
        (HEAD + b"\x00\x05\x00\x00" + bytes(4) + b"\xff", False, "a block that is cut short"),
        (HEAD + b"\x00\x05\x00\x00" + bytes(4) + b"\xff", True, "invalid data .IndexError"),
        (stream(b"meta.inf".ljust(124, b"\0") + b"eight".ljust(388, b"\0")), True, "invalid data .ValueError"),
        (stream(b"meta.inf".ljust(124, b"\0") + b"-0000002000".ljust(388, b"\0")), True, "of an impossible size"),
        (stream(b"obs/a/meta.inf" + bytes(10)), True, "invalid data|truncated"),
    ],
)
def test_consumers_that_no_server_wrote(data: bytes, tar: bool, why: str) -> None:
    with pytest.raises((ArchiveError, S2Error), match=why):
        put_right(data, ConsumerEdit(1), tar=tar, step=10_000)


# Where sources had come to


def sourced(sequence: int, headers: bytes) -> ArchivedMessage:
    return ArchivedMessage(sequence, entry(b"s", 5, sequence, headers, b""))


def test_the_last_of_each_source_is_noted_and_what_is_no_position_is_not() -> None:
    found = [
        sourced(1, b"NATS/1.0\r\nNats-Stream-Source: A:x 7 s.> s.> s.1\r\n\r\n"),
        sourced(2, b"NATS/1.0\r\nNats-Stream-Source: A:x 5 s.> s.> s.1\r\n\r\n"),
        sourced(3, b"NATS/1.0\r\nNats-Stream-Source: B 9\r\n\r\n"),
        sourced(4, b"NATS/1.0\r\nNats-Stream-Source: C\r\nNats-Stream-Source: D many\r\n\r\n"),
        sourced(5, b""),
    ]
    positions: dict[tuple[str, str], int] = {}
    assert list(noting(found, positions)) == found
    assert positions == {("A", "s.>"): 7, ("B", ">"): 9}


def test_a_source_goes_on_behind_what_is_there_unless_it_is_another_one() -> None:
    positions = {("A", "a.>"): 40, ("A", "b.>"): 30, ("B", ">"): 9, ("C", ">"): 5}
    sources: list[dict[str, Any]] = [
        {"name": "A", "filter_subject": "a.>", "opt_start_time": "2026-01-01T00:00:00Z"},
        {"name": "A", "subject_transforms": [{"src": "b.>", "dest": "c.>"}]},
        {"name": "B"},
        {"name": "C", "external": {"api": "$JS.far.API"}},
        {"name": "UNKNOWN"},
    ]
    changed, told = resumed(sources, positions, {"A": 100, "B": 3, "C": 0})
    assert changed == [
        {"name": "A", "filter_subject": "a.>", "opt_start_seq": 41},
        {"name": "A", "subject_transforms": [{"src": "b.>", "dest": "c.>"}], "opt_start_seq": 31},
        {"name": "B"},  # ends at 3: made anew
        {"name": "C", "external": {"api": "$JS.far.API"}, "opt_start_seq": 6},
        {"name": "UNKNOWN"},
    ]
    assert [line.split(" (")[0] for line in told] == [
        "its source A continues at 41",
        "its source A continues at 31",
        "its source C continues at 6",
    ]
