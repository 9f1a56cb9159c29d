"""One record of a zone, as whoever may change it sees it, and the door's three answers. Pure."""

from __future__ import annotations

import re
from typing import Protocol

from attrs import frozen

from secondsite.model.errors import MachineError

_HERITAGE = re.compile(r"heritage=external-dns")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


class RecordRefusedError(MachineError):
    """Somebody answers and will not have us: asking again does not help."""


class RecordConflictError(MachineError):
    """The record is not what was expected; nothing was changed."""


@frozen
class HostRecord:
    """``values`` are addresses, or the one name that an alias (CNAME) leads to, without the dot at its end."""

    kind: str
    values: tuple[str, ...]
    ttl_s: int


@frozen
class WantedRecord:
    """What the record should lead to: addresses make it an A, a name a CNAME."""

    values: tuple[str, ...]

    @property
    def kind(self) -> str:
        return "A" if all(_ADDRESS.fullmatch(value) for value in self.values) else "CNAME"


class RecordSource(Protocol):
    """Who keeps the record. ``shown`` is its name in messages."""

    @property
    def shown(self) -> str: ...

    async def look(self) -> HostRecord | None: ...

    async def change(self, expected: HostRecord | None, wanted: WantedRecord, ttl_s: int) -> None:
        """Compare and swap. Raises RecordConflictError where it is not as expected, RecordRefusedError where we may
        not, MachineError where it is not known whether it was taken."""
        ...

    async def may(self) -> str:
        """Why no permission to change it; empty where nothing speaks against it. Changes nothing."""
        ...

    async def texts(self, name: str) -> tuple[str, ...]:
        """Its TXT records."""
        ...


def owner_of(texts: tuple[str, ...]) -> str:
    """By what external-dns writes beside a record that it keeps; empty where nobody does."""
    for text in texts:
        parts = dict(part.partition("=")[::2] for part in text.strip('"').split(","))
        if _HERITAGE.search(text):
            resource = parts.get("external-dns/resource", "")
            return f"external-dns {parts.get('external-dns/owner', '')}{f' ({resource})' if resource else ''}".strip()
    return ""


def owner_names(host: str) -> tuple[str, ...]:
    """Where external-dns says whose a record is: beside it, or below a name that begins with its type."""
    return (host, f"a-{host}", f"cname-{host}")
