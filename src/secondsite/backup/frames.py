"""Whether two archives hold the same messages, told without unpacking them.

A server packs the same content into the same blocks. Where what stands before the messages (the stream's state, its
consumers) is as long in both, every block behind it is the same, byte for byte, exactly when the messages are. Only the
blocks at the beginning are unpacked. Where blocks differ, nothing is said: the messages may be the same all the same.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from attrs import frozen

from secondsite.backup.archive import MAGIC, next_entry
from secondsite.backup.s2 import COMPRESSED, PLAIN, S2Error, decode_block

MAX_HEAD_BYTES = 16 * 1024**2
_FRAME_HEAD_BYTES, _CHECKSUM_BYTES = 4, 4


@frozen
class Framed:
    """``sha256`` is over what of the first blocks is messages, unpacked, and over the blocks behind as they are."""

    sha256: str
    state: dict[str, Any]
    consumers: tuple[dict[str, Any], ...]


class FrameDigest:
    """Feed it an archive as a server of 2.15 or later sends it."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._hash = hashlib.sha256()
        self._head = b""
        self._at = len(MAGIC)
        self._begun, self._lost = False, False
        self._state: dict[str, Any] = {}
        self._consumers: list[dict[str, Any]] = []

    def feed(self, piece: bytes) -> None:
        if self._lost:
            return
        if self._begun:
            self._hash.update(piece)
            return
        self._rest += piece
        try:
            while frame := self._frame():
                if self._opened(frame):
                    self._hash.update(self._rest)
                    self._rest.clear()
        except ValueError:
            self._lost = True

    def result(self) -> Framed | None:
        """None where it cannot be told so."""
        if self._lost or not self._begun:
            return None
        return Framed(self._hash.hexdigest(), self._state, tuple(self._consumers))

    def _frame(self) -> bytes | None:
        size = _FRAME_HEAD_BYTES + int.from_bytes(self._rest[1:_FRAME_HEAD_BYTES], "little")
        if len(self._rest) < max(size, _FRAME_HEAD_BYTES):
            return None
        frame = bytes(self._rest[:size])
        del self._rest[:size]
        return frame

    def _opened(self, frame: bytes) -> bool:
        """Whether messages begin in it. Raises ValueError where it is no archive that could be compared so."""
        at = _FRAME_HEAD_BYTES + _CHECKSUM_BYTES
        if frame[0] == COMPRESSED:
            self._head += decode_block(frame, at)
        elif frame[0] == PLAIN:
            self._head += frame[at:]
        if len(self._head) > MAX_HEAD_BYTES or not MAGIC.startswith(self._head[: len(MAGIC)]):
            raise S2Error("no beginning that could be compared")
        while entry := next_entry(self._head, self._at):
            if entry.sequence or not entry.name:  # a message, or the end
                self._begin()
                return True
            if entry.name == b"state.json":
                self._state = json.loads(entry.payload)
            else:
                self._consumers.append(json.loads(entry.payload))
            self._at = entry.end
        return False

    def _begin(self) -> None:
        """What is hashed from here on is messages and the end mark."""
        messages = self._head[self._at :]
        self._hash.update(b"%d\n" % len(messages) + messages)
        self._head = b""
        self._begun = True
