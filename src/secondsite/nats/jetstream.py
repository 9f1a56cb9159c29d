"""The JetStream API of one account and one domain, with its refusals told apart by the server's own error codes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from attrs import frozen

from nats import errors
from secondsite.model.errors import MachineError
from secondsite.nats.connection import Connection
from secondsite.nats.understood import an_object, count, understood

Json = Mapping[str, Any]
T = TypeVar("T")

API = "$JS.API"

MAX_ITEMS = 20_000

STREAM_NOT_FOUND = 10059
NO_META_LEADER = 10008
_NOT_ENABLED = frozenset({10039, 10076})
# There is no leader, the one asked is none any more, the snapshot was given up: the same may be granted in a moment.
_PASSING = frozenset({NO_META_LEADER, 10009, 10064, 10118})

# A server that reads its configuration anew has no API for an instant (2.10 to 2.15), and says that nobody answers; so
# does one that was not told yet of a stream or a consumer that another server of its cluster has just made.
_ASK_AGAIN_FOR_S = 1.0
_ASK_AGAIN_AFTER_S = 0.02

_ENABLE = "connect as a user of an account that has it, or enable it for this one"
_NO_META_LEADER = "there is no meta leader: bring back a majority of the servers"


_REMEDIES = {
    NO_META_LEADER: _NO_META_LEADER,
    10047: "the limits of the streams together are more than the server may store: lower max_bytes, or give it more",
    10052: "correct the settings of the stream where it is declared",
    10065: "two streams cannot take one subject: correct the subjects where the streams are declared",
}


class RefusedError(MachineError):
    """The server said no. ``code`` is its err_code."""

    code: int = 0

    @property
    def passing(self) -> bool:
        """Whether the refusal is of the moment."""
        return self.code in _PASSING


class NoAnswerError(MachineError):
    """Nobody answered in time: a leader is missing, or being elected."""


@frozen
class JetStream:
    """``prefix`` is ``$JS.API`` or, for a domain, ``$JS.<domain>.API``."""

    connection: Connection
    prefix: str = API

    @property
    def shown(self) -> str:
        return self.connection.shown

    @property
    def version(self) -> str:
        """Of the server that we are connected to; empty where it does not say."""
        return str(self.connection.server.get("version", ""))

    async def ask(
        self, subject: str, request: Json | None = None, timeout_s: float = 10.0, *, insist: bool = True
    ) -> Json:
        """The answer on ``prefix.subject``; raises RefusedError, DeniedError, or MachineError where nobody answers."""
        payload = json.dumps(request).encode() if request else b""
        full = f"{self.prefix}.{subject}"
        try:
            asked = partial(self.connection.request, full, payload, timeout_s)
            answer = json.loads(await (insisted(asked) if insist else asked()))
        except errors.NoRespondersError:
            raise MachineError.at(self.shown, *self._no_responders()) from None
        except (TimeoutError, errors.TimeoutError):
            remedy = "check that the stream and the cluster have a leader, and that this user may use the JetStream API"
            raise NoAnswerError.at(self.shown, f"no answer to {full} within {timeout_s:g} s", remedy) from None
        except (errors.Error, OSError) as error:
            what = f"the connection failed during {full} ({type(error).__name__})"
            raise MachineError.at(self.shown, what, "check the server's log") from None
        except (ValueError, RecursionError):
            raise MachineError.at(self.shown, f"{full} did not return JSON", "check the address") from None
        return self.checked(full, answer)

    def _no_responders(self) -> tuple[str, str]:
        if self.prefix == API:
            return "JetStream is not enabled for this account", _ENABLE
        return f"no answer on {self.prefix}", "check the domain, and that this account has JetStream"

    def checked(self, subject: str, answer: object) -> Json:
        """The answer, unless it is an error; raises RefusedError."""
        if not isinstance(answer, dict):
            raise MachineError.at(self.shown, f"{subject} did not return an object", "check the address")
        error = answer.get("error")
        if isinstance(error, dict):
            what = f"{subject} was refused: {error.get('description')} ({error.get('err_code')})"
            with understood(self.shown, subject):
                code = count(error.get("err_code") or 0)
            if code in _NOT_ENABLED:
                what, remedy = f"JetStream is not enabled for this account ({code})", _ENABLE
            else:
                remedy = _REMEDIES.get(code, "check what the server asks for")
            raise _coded(RefusedError.at(self.shown, what, remedy), code)
        return answer

    async def pages(
        self, subject: str, key: str, missing: list[str] | None = None, timeout_s: float = 10.0
    ) -> list[Json]:
        """All items of a list that the API gives in pages; ``missing`` gets the names whose leader did not answer."""
        items: list[Json] = []
        offset = 0
        while True:
            page = await self.ask(subject, {"offset": offset}, timeout_s)
            with understood(self.shown, f"{self.prefix}.{subject}"):
                listed, lost = [an_object(each) for each in page.get(key) or ()], list(page.get("missing") or ())
                total = count(page.get("total") or 0)
            items.extend(listed)
            if missing is not None:
                missing.extend(str(name) for name in lost)
            offset += len(listed) + len(lost)
            if not (listed or lost) or offset >= total:
                return items
            if offset > MAX_ITEMS:
                what = f"more than {MAX_ITEMS} entries in {self.prefix}.{subject}"
                raise MachineError.at(self.shown, what, "connect with an account that has fewer")

    async def stream(self, name: str) -> Json | None:
        """STREAM.INFO, or None where there is no such stream."""
        try:
            return await self.ask(f"STREAM.INFO.{name}", {"deleted_details": False})
        except RefusedError as refused:
            if refused.code == STREAM_NOT_FOUND:
                return None
            raise


async def insisted(ask: Callable[[], Awaitable[T]]) -> T:
    """What nobody was there to take is sent again for a moment: it was not done, for certain."""
    end = time.monotonic() + _ASK_AGAIN_FOR_S
    while True:
        try:
            return await ask()
        except errors.NoRespondersError:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(_ASK_AGAIN_AFTER_S)


def _coded(refused: Exception, code: int) -> RefusedError:
    assert isinstance(refused, RefusedError)  # noqa: S101 # `at` is typed by its base
    refused.code = code
    return refused


def api_prefix(domain: str | None) -> str:
    return f"$JS.{domain}.API" if domain else API
