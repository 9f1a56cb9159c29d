"""Many messages in and out of one connection at a fraction of what the library takes for each.

The library builds an object and wakes a task for every message. A subscription that is taken in bulk gets the bytes of
each of its messages handed over as soon as they are read; every other byte goes to the library's own parser, frame by
frame and in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.protocol.parser import AWAITING_MSG_PAYLOAD, CRLF_SIZE, Parser

from nats import errors

Taker = Callable[[bytes, bytes, bytes, bytes], None]
"""Called with subject, reply, headers as they came ("" without any) and payload."""

_MESSAGES = (b"MSG ", b"HMSG ")
_NOT_WHOLE, _NOT_OURS = -1, -2
_NO_SUBJECT = re.compile(r"\s")
_BREAK = re.compile(r"[\r\n]")


class BulkParser(Parser):
    def __init__(self, client: Client) -> None:
        self.takers: dict[bytes, Taker] = {}
        self._held = b""
        super().__init__(client)

    def reset(self) -> None:
        self._held = b""
        super().reset()

    async def parse(self, data: bytes = b"") -> None:
        if not (self.takers or self._held):
            await super().parse(data)
            return
        data, at = self._held + data, 0
        self._held = b""
        while at < len(data):
            if self.state == AWAITING_MSG_PAYLOAD:
                end = at + self.needed + CRLF_SIZE - len(self.buf)
                await super().parse(data[at:end])
            else:
                end = self._taken(data, at)
                line = data.find(b"\r\n", at) + CRLF_SIZE
                if end == _NOT_WHOLE or line < CRLF_SIZE:
                    self._held = data[at:]
                    return
                if end == _NOT_OURS:
                    end = line
                    await super().parse(data[at:end])
            at = end

    def _taken(self, data: bytes, at: int) -> int:
        """Where the frame ends that was handed over."""
        if not data.startswith(_MESSAGES, at):
            return _NOT_OURS
        line = data.find(b"\r\n", at)
        if line < 0:
            return _NOT_WHOLE
        words = data[at:line].split()
        taker = self.takers.get(words[2])
        if taker is None:
            return _NOT_OURS
        headed = words[0] == b"HMSG"
        begin, size = line + CRLF_SIZE, int(words[-1])
        end = begin + size + CRLF_SIZE
        if end > len(data):
            return _NOT_WHOLE
        body = begin + int(words[-2]) if headed else begin
        reply = words[3] if len(words) == (6 if headed else 5) else b""
        taker(words[1], reply, data[begin:body], data[body : begin + size])
        return end


def take_in_bulk(client: Client, subscription: Subscription, taker: Taker) -> None:
    """From now on, and until it is given back; ask for messages only then."""
    parser = client._ps
    assert isinstance(parser, BulkParser)  # noqa: S101 # ours makes no other
    parser.takers[str(subscription._id).encode()] = taker


def give_back(client: Client, subscription: Subscription) -> None:
    parser = client._ps
    assert isinstance(parser, BulkParser)  # noqa: S101 # ours makes no other
    parser.takers.pop(str(subscription._id).encode(), None)


async def send_all(client: Client, frames: Iterable[bytes]) -> None:
    """In their order."""
    if client.is_closed:
        raise errors.ConnectionClosedError
    await client._send_command(b"".join(frames))
    await client._flush_pending()


def frame(subject: str, reply: str, headers: Mapping[str, str], payload: bytes) -> bytes:
    """One publish, as it goes over the wire. Raises ValueError for what would not be read as it was meant."""
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    if _NO_SUBJECT.search(subject) or len(_BREAK.findall(lines)) != 2 * len(headers):
        raise ValueError("a subject with a space, or a header with a line break")
    head = f"NATS/1.0\r\n{lines}\r\n".encode("utf-8", "surrogateescape")
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (
        subject.encode(),
        reply.encode(),
        len(head),
        len(head) + len(payload),
        head,
        payload,
    )
