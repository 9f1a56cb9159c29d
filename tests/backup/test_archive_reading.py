"""S2 and the archive: decoded as streams cut anywhere, refused when cut short, measured without decoding."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whole_archive import digest_archive

from secondsite.backup.archive import NATSARC_FILE, TAR_FILE, ArchiveError, ArchiveReader, archive_file, open_message
from secondsite.backup.digest import Digester, differing, width_for
from secondsite.backup.s2 import S2Decoder, S2Error, S2Meter, decode_block

HEAD = b"\xff\x06\x00\x00S2sTwO"


def uvarint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def plain_chunk(content: bytes) -> bytes:
    return b"\x01" + (len(content) + 4).to_bytes(3, "little") + bytes(4) + content


def compressed_chunk(block: bytes) -> bytes:
    return b"\x00" + (len(block) + 4).to_bytes(3, "little") + bytes(4) + block


def literal(content: bytes) -> bytes:
    assert 0 < len(content) <= 60
    return bytes([(len(content) - 1) << 2]) + content


def entry(name: str, time: int, sequence: int, headers: bytes, payload: bytes) -> bytes:
    sizes = (len(name), time << 1, sequence, len(headers), len(payload))
    return b"".join(uvarint(size) for size in sizes) + name.encode() + headers + payload


def archive(messages: list[tuple[int, bytes]], *, end: bool = True) -> bytes:
    state = {"messages": len(messages), "first_seq": 1, "last_seq": 10**6, "consumer_count": 1}
    consumer = {"config": {"durable_name": "c"}, "state": {"ack_floor": {"consumer_seq": 1, "stream_seq": 1}}}
    content = b"NATSARC1" + entry("state.json", 5, 0, b"", json.dumps(state).encode())
    content += entry("consumers/c", 5, 0, b"", json.dumps(consumer).encode())
    for sequence, payload in messages:
        content += entry(f"s.{sequence}", 1_700_000_000_000_000_000 + sequence, sequence, b"NATS/1.0\r\n\r\n", payload)
    content += entry("", 0, 0, b"", b"") if end else b""
    return HEAD + b"".join(plain_chunk(content[at : at + 1000]) for at in range(0, len(content), 1000))


def test_every_kind_of_tag() -> None:
    assert decode_block(uvarint(4) + literal(b"abcd")) == b"abcd"
    long = bytes(range(256)) * 2
    assert decode_block(uvarint(512) + bytes([61 << 2]) + (511).to_bytes(2, "little") + long) == long
    copy1 = bytes([(4 - 4) << 2 | 1, 2])  # four bytes from two back: overlapping
    assert decode_block(uvarint(6) + literal(b"ab") + copy1) == b"ababab"
    copy2 = bytes([(10 - 1) << 2 | 2]) + (3).to_bytes(2, "little")
    assert decode_block(uvarint(13) + literal(b"abc") + copy2) == b"abcabcabcabca"
    assert decode_block(uvarint(17) + literal(b"abc") + copy2 + literal(b"more")) == b"abcabcabcabcamore"
    copy4 = bytes([(3 - 1) << 2 | 3]) + (3).to_bytes(4, "little")
    assert decode_block(uvarint(6) + literal(b"abc") + copy4) == b"abcabc"
    assert decode_block(uvarint(10) + literal(b"abc") + copy4 + literal(b"more")) == b"abcabcmore"


@pytest.mark.parametrize(
    ("repeat", "length"),
    [
        (bytes([0 << 2 | 1, 0]), 4),
        (bytes([4 << 2 | 1, 0]), 8),
        (bytes([5 << 2 | 1, 0, 7]), 15),
        (bytes([6 << 2 | 1, 0, 9, 1]), 9 + 256 + 256 + 4),
        (bytes([7 << 2 | 1, 0, 1, 0, 0]), 1 + 65536 + 4),
    ],
)
def test_repeats_of_the_last_offset(repeat: bytes, length: int) -> None:
    copy = bytes([0 << 2 | 1, 3])
    out = decode_block(uvarint(3 + 4 + length) + literal(b"abc") + copy + repeat)
    assert out == (b"abc" * (length + 7))[: 7 + length]


@pytest.mark.parametrize(
    "block",
    [
        b"",
        uvarint(5) + literal(b"abcd"),
        uvarint(8) + literal(b"ab") + bytes([1, 9]),
        uvarint(9) + bytes([8 << 2]) + b"ab",
    ],
)
def test_a_broken_block_is_refused(block: bytes) -> None:
    with pytest.raises(S2Error):
        decode_block(block)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=30), st.integers(1, 50))
def test_a_stream_is_the_same_however_it_is_cut_and_is_measured_right(parts: list[bytes], step: int) -> None:
    stream = HEAD
    for number, part in enumerate(parts):
        stream += plain_chunk(part) if number % 2 else compressed_chunk(uvarint(len(part)) + literal(part))
    decoder, meter, out = S2Decoder(), S2Meter(), b""
    for at in range(0, len(stream), step):
        meter.feed(stream[at : at + step])
        out += b"".join(decoder.feed(stream[at : at + step]))
    decoder.close()
    assert out == b"".join(parts)
    assert meter.decoded_bytes == len(out)


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 500))
def test_messages_are_read_however_the_archive_is_cut(payloads: list[bytes], step: int) -> None:
    data = archive(list(enumerate(payloads, 1)))
    reader = ArchiveReader()
    found = [open_message(item.raw) for at in range(0, len(data), step) for item in reader.feed(data[at : at + step])]
    reader.close()
    assert [(item.sequence, item.payload) for item in found] == list(enumerate(payloads, 1))
    assert all(item.subject == f"s.{item.sequence}" and item.headers == b"NATS/1.0\r\n\r\n" for item in found)
    assert all(item.time_ns == 1_700_000_000_000_000_000 + item.sequence for item in found)
    assert reader.state["messages"] == len(payloads)
    assert [consumer["config"]["durable_name"] for consumer in reader.consumers] == ["c"]


@given(st.data())
def test_an_archive_cut_short_is_never_whole(data: st.DataObject) -> None:
    whole = archive([(number, bytes(50)) for number in range(1, 60)])
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises((S2Error, ArchiveError)):
        digest_archive([cut], 1024)


def test_an_archive_that_breaks_its_rules() -> None:
    for bad in (
        archive([(2, b"x"), (1, b"y")]),
        archive([(1, b"x")], end=False),
        HEAD + plain_chunk(b"TARTARTAR" * 10),
        b"not S2 at all",
    ):
        with pytest.raises((S2Error, ArchiveError)):
            digest_archive([bad], 1024)


def test_the_file_is_named_as_the_nats_command_names_it() -> None:
    assert archive_file(archive([])) == NATSARC_FILE
    assert archive_file(HEAD + plain_chunk(b"meta.inf" + bytes(504))) == TAR_FILE


sequences = st.sets(st.integers(1, 9000), max_size=60)


@given(sequences, sequences)
def test_digests_are_equal_exactly_for_the_same_messages(one: set[int], other: set[int]) -> None:
    digests = [digest_archive([archive([(seq, bytes(3)) for seq in sorted(some)])], 1024) for some in (one, other)]
    assert (digests[0] == digests[1]) == (one == other) == (digests[0].sha256 == digests[1].sha256)
    assert differing(*digests) == tuple(
        sorted({seq // 1024 for seq in one ^ other}),
    )
    assert (digests[0].count, digests[0].first, digests[0].last) == (len(one), min(one, default=0), max(one, default=0))


@given(st.sets(st.integers(1, 9000), max_size=60), st.integers(0, 9000), st.integers(1, 700))
def test_runs_of_messages_digest_to_the_same_as_message_by_message(held: set[int], upto: int, step: int) -> None:
    """However the archive is cut, with gaps, across ranges, and up to a sequence."""
    data = archive([(seq, bytes(seq % 90)) for seq in sorted(held)])
    reader, digester = ArchiveReader(), Digester(1024)
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    digester.add_runs(run for piece in pieces for run in reader.runs(piece, 1024, upto))
    reader.close()
    wanted = archive([(seq, bytes(seq % 90)) for seq in sorted(held) if seq <= upto])
    assert digester.result() == digest_archive([wanted], 1024)


def test_one_changed_byte_is_seen() -> None:
    one = digest_archive([archive([(5, b"payload")])], 1024)
    other = digest_archive([archive([(5, b"paYload")])], 1024)
    assert differing(one, other) == (0,)


@given(st.integers(0, 2**62), st.integers(0, 2**40))
def test_a_digest_has_about_a_thousand_ranges_at_most(first: int, span: int) -> None:
    width = width_for(first, first + span)
    assert width & (width - 1) == 0
    assert span // width < 1024


def test_digesting_in_pieces_is_the_same() -> None:
    data = archive([(number * 700, bytes([number])) for number in range(1, 40)])
    reader = ArchiveReader()
    messages = list(reader.feed(data))
    digester = Digester(1024)
    for message in messages:
        digester.add([message])
    assert digester.result() == digest_archive([data], 1024)
    only = [part for part in digester.result().ranges if part.index == 0]
    assert only[0].sha256 == hashlib.sha256(messages[0].raw).hexdigest()
