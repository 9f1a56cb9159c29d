"""Where a Redis or Valkey server is and who we are to it; three answers: silence, no, an answer.

The login is a reference (``env:NAME``, ``file:PATH``) or a URL without a password: what stands on a command line is
read by every user of the machine.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_place import StoreRefusedError, referred

CLIENT_NAME = "secondsite"
_SCHEMES = ("redis", "rediss")
_LATER = ("LOADING", "MASTERDOWN", "BUSY")


@frozen
class RedisSession:
    """``within_s`` bounds each command."""

    client: Any = field(repr=False)
    shown: str
    within_s: float

    async def ask(self, *command: object, within_s: float | None = None) -> Any:
        """Raises StoreRefusedError for the server's own no, MachineError for silence."""
        return await self._answered(lambda: self.client.execute_command(*command), within_s or self.within_s)

    async def ask_all(self, commands: Sequence[tuple[object, ...]], within_s: float) -> list[Any]:
        """Sent at once: one way there and back for all. Raises as `ask` does."""
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return list(await self._answered(pipeline.execute, within_s)) if commands else []

    async def _answered(self, send: Callable[[], Awaitable[Any]], within_s: float) -> Any:
        import valkey.exceptions as failures

        try:
            async with asyncio.timeout(within_s):
                return await send()
        except (TimeoutError, failures.TimeoutError):
            raise MachineError.at(self.shown, "does not answer", "check that the server is running") from None
        except (failures.AuthenticationError, failures.NoPermissionError) as error:
            what, remedy = f"refuses us: {error}", "docs/stores.md lists what the login needs"
            raise StoreRefusedError.at(self.shown, what, remedy) from None
        except (failures.ConnectionError, failures.BusyLoadingError, OSError) as error:
            if (cause := _no_silence(error)) is not None:
                what, remedy = f"{cause}", "check the host name, and the server's certificate (rediss://)"
                raise StoreRefusedError.at(self.shown, what, remedy) from None
            raise MachineError.at(self.shown, f"does not answer: {error}", "check that the server is running") from None
        except failures.ValkeyError as error:
            words = str(error)
            kind = MachineError if words.startswith(_LATER) else StoreRefusedError
            raise kind.at(self.shown, words, "docs/stores.md lists what the login needs") from None

    async def info(self, section: str) -> dict[str, str]:
        answer = await self.ask("INFO", section)
        return {str(name): str(value) for name, value in answer.items()}

    async def configured(self, name: str) -> dict[str, str]:
        """What CONFIG GET says, by name; raises as `ask` does."""
        answer = await self.ask("CONFIG", "GET", name)
        pairs = answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=True)
        return {_word(key): _word(value) for key, value in pairs}


def _no_silence(error: BaseException | None) -> BaseException | None:
    """A name that nobody has, or a certificate that one of the two does not take; not a line that was cut meanwhile."""
    while error is not None:
        if isinstance(error, (socket.gaierror, ssl.SSLError)):
            return None if isinstance(error, (ssl.SSLEOFError, ssl.SSLSyscallError)) else error
        error = error.__cause__ or error.__context__
    return None


def _word(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@frozen
class RedisPlace:
    """``url`` is a client's, password included, and shown to nobody."""

    url: str = field(repr=False)
    within_s: float = 2.0

    @property
    def shown(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"

    @property
    def user(self) -> str:
        return urlsplit(self.url).username or "default"

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "localhost", parts.port or 6379

    @asynccontextmanager
    async def open(self, database: int = 0) -> AsyncIterator[RedisSession]:
        from valkey.asyncio import Valkey

        client = Valkey.from_url(
            self.url,
            db=database,
            client_name=CLIENT_NAME,
            socket_connect_timeout=self.within_s,
            socket_timeout=None,
            decode_responses=False,
        )
        try:
            session = RedisSession(client, self.shown, self.within_s)
            await session.ask("PING")
            yield session
        finally:
            await client.aclose()


def redis_place(reference: str, option: str, within_s: float = 2.0) -> RedisPlace:
    """Raises InputError for a reference that leads nowhere, and for a password in the open."""
    kind, _, name = reference.partition(":")
    url = referred(kind, name, option) if kind in ("env", "file") else reference
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise InputError.at(option, "not a Redis URL", "write redis://user@host:6379")
    if url is reference and parts.password:
        what = "a password on the command line is visible to every user of this machine"
        raise InputError.at(option, what, "give env:NAME or file:PATH")
    return RedisPlace(url, within_s)
