"""The seam between a client and what it writes to: one attempt in, what is known about it out."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from secondsite.drill.ledger.record import Status


@frozen
class Write:
    id: str
    subject: str
    key: str
    data: str


@frozen
class Attempt:
    """``address``: who answered, or was spoken to; empty where nobody was reached. ``why``: the words of a refusal."""

    status: Status
    stream_sequence: int = 0
    address: str = ""
    why: str = ""


class Sender(Protocol):
    """Never raises for what the other side does or does not do: that is the answer's status."""

    async def open(self) -> None: ...

    async def send(self, message: Write, user: int) -> Attempt: ...

    async def close(self) -> None: ...
