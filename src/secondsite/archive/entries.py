"""Messages as they come from a server, as the entries that an archive of nats-server 2.15 has for them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from re import compile as pattern

from attrs import define, field

_TIME = pattern(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def delivery(reply: bytes) -> tuple[int, int, int, int]:
    """The consumer's own sequence, the stream's, the time in ns, and the number of messages that follow.

    ``$JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<consumer sequence>.<time>.<pending>``; with a domain and an
    account before the stream on newer servers. Raises ValueError for what is neither.
    """
    parts = reply.split(b".")
    at = 5 if len(parts) == 9 else 7
    if len(parts) < at + 4:
        raise ValueError("not the reply subject of a delivered message")
    return int(parts[at + 1]), int(parts[at]), int(parts[at + 2]), int(parts[at + 3])


def nanoseconds(text: str) -> int:
    """Since the epoch, of a time as servers write it; 0 for none."""
    match = _TIME.fullmatch(text)
    if not match:
        return 0
    whole = datetime.fromisoformat(match[1] + ("+00:00" if match[3] == "Z" else match[3]))
    return int(whole.timestamp()) * 10**9 + int((match[2] or "").ljust(9, "0") or 0)


def moment(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns / 1e9, UTC)


def rfc3339(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


@define
class EntryRun:
    """Entries that follow each other, until they are sealed."""

    plain: bytearray = field(factory=bytearray)
    messages: int = 0
    first_seq: int = 0
    last_seq: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, raw: bytes, sequence: int, time_ns: int) -> None:
        self.plain += raw
        self.messages += 1
        self.first_seq = self.first_seq or sequence
        self.last_seq = sequence
        self.first_ns = self.first_ns or time_ns
        self.last_ns = time_ns
