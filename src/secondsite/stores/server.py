"""What a failover asks of any database's server: who it is, a fence, a promotion, and what only it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from secondsite.model.errors import InputError


@frozen
class OnlyThere:
    """Of one table or one set of keys: what only the old primary has. ``file`` is None where that is nothing; ``rows``
    is more than there are keys where rows without a primary key are alike."""

    name: str
    keys: tuple[str, ...]
    file: Path | None
    rows: int


class StoreState(Protocol):
    """``position``: bytes of the log that it has written or received."""

    @property
    def standby(self) -> bool: ...

    @property
    def fenced(self) -> bool: ...

    @property
    def position(self) -> int: ...

    @property
    def described(self) -> str: ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """For the journal."""
        ...

    def follows(self, primary: StoreState, /) -> bool: ...

    def stranger_to(self, other: StoreState, /) -> bool:
        """Known to be no copy of it; false where nothing tells."""
        ...

    def same_server(self, other: StoreState, /) -> bool:
        """Two logins, and one server behind both."""
        ...


def refuse_same(place: str, mine: StoreState, other: StoreState) -> None:
    """Raises InputError: compared with itself a server has nothing that the other lacks."""
    if mine.same_server(other):
        raise InputError.at(place, "both logins lead to this server", "give the login of the other one")


class StoreServer(Protocol):
    async def look(self) -> StoreState: ...

    async def fence(self) -> object: ...

    async def unfence(self) -> None: ...

    async def promote(self) -> StoreState: ...

    async def replayed_up_to(self, position: int, within_s: float, /) -> bool: ...

    async def only_there(self, serving: StoreServer, folder: Path, /) -> tuple[OnlyThere, ...]:
        """Compared with the one that serves, and saved into a folder that is there."""
        ...
