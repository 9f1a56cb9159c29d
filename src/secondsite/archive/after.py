"""What came after a moment, and which of it a wrong write could have reached: what to publish again after a restore.

A good message on a subject that was never written wrongly before it does not depend on the wrong ones, as far as an
archive can tell: its writer may have read another subject. That is said, and the decision is a person's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from enum import StrEnum
from fnmatch import fnmatchcase

from attrs import field, frozen

from secondsite.archive.chain import Chain
from secondsite.archive.cut import Segments
from secondsite.archive.travel import whole_catalogue
from secondsite.backup.archive import Opened, heads, open_message
from secondsite.backup.codec import Keys
from secondsite.model.errors import InputError


class Dependence(StrEnum):
    """``touched``: good, and on a subject that was written wrongly before it."""

    WRONG = "wrong"
    TOUCHED = "touched"
    INDEPENDENT = "independent"


@frozen
class WrongWrites:
    """Which messages are wrong: shell patterns of subjects and of message ids; any of them is enough."""

    subjects: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def holds(self, subject: str, message_id: str) -> bool:
        by_id = message_id and any(fnmatchcase(message_id, pattern) for pattern in self.ids)
        return bool(by_id) or any(fnmatchcase(subject, pattern) for pattern in self.subjects)


@frozen
class LaterMessage:
    sequence: int
    time_ns: int
    subject: str
    message_id: str
    size_bytes: int
    payload: bytes = field(repr=False)


@frozen
class Judged:
    message: LaterMessage
    dependence: Dependence


def judged(messages: Iterable[LaterMessage], wrong: WrongWrites) -> Iterator[Judged]:
    """In their order, which is the order of writing."""
    touched: set[str] = set()
    for message in messages:
        if wrong.holds(message.subject, message.message_id):
            touched.add(message.subject)
            yield Judged(message, Dependence.WRONG)
        else:
            yield Judged(message, Dependence.TOUCHED if message.subject in touched else Dependence.INDEPENDENT)


async def later(chain: Chain, keys: Keys, stream: str, sequence: int) -> AsyncIterator[LaterMessage]:
    """Every shipped message of the stream after this one. Raises InputError where that one was not shipped."""
    catalogue = await whole_catalogue(chain, keys)
    life = catalogue.holding(stream, sequence)
    if life is None:
        what = f"no message {sequence} of {stream} was shipped"
        raise InputError.at(
            chain.store.shown, what, "`secondsite archive verify` shows the period that the archive covers"
        )
    wanted = [segment for segment in catalogue.of(life) if segment.last_seq > sequence]
    async for _, plain in Segments(chain.store, keys).each(wanted):
        for number, _, at, end in heads(plain):
            if number > sequence:
                yield _message(open_message(plain[at:end]))


def _message(opened: Opened) -> LaterMessage:
    named = (line.partition(b":") for line in opened.headers.split(b"\r\n"))
    ids = (value.strip().decode("utf-8", "replace") for name, _, value in named if name.lower() == b"nats-msg-id")
    return LaterMessage(
        opened.sequence, opened.time_ns, opened.subject, next(ids, ""), len(opened.payload), opened.payload
    )
