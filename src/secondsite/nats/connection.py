"""One connection to NATS, with every failure told as what to do about it."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from nats import errors
from secondsite.model.errors import MachineError, Problem
from secondsite.model.place import Place
from secondsite.nats.address import Address
from secondsite.nats.credentials import Signer, from_credentials, from_nkey
from secondsite.nats.options import ConnectOptions
from secondsite.nats.tasks import asked_to_end, end_tasks
from secondsite.nats.tls_client import NoTlsError, TlsClient

_LOG = logging.getLogger(__name__)
_LOGS_IN = 3
_LOGS_IN_AFTER_S = 0.05


class DeniedError(MachineError):
    """This login may not ask that; it will not be allowed by asking again."""


class RejectedError(MachineError):
    """Nothing that may be taken for silence: somebody answered and would not have us, or nobody was asked at all.

    A refused connection and one that is never answered are silence: a region without servers looks like both.
    """


class UnknownLoginError(RejectedError):
    """It does not know these credentials, or not just now: one that reads its configuration anew refuses everybody for
    an instant (2.15.1, measured: 44 of 7,000 logins during 100 readings)."""


class HungUpError(RejectedError):
    """It greeted us and then hung up, or did not go on: starting, busy, or in want of a certificate. Ask again."""


class EndedError(HungUpError):
    """It greeted us and ended the connection: one that reads its configuration anew does that too, where its refusal is
    lost on the way (2.15.1: "authentication error" in its log, and no word of it here)."""


class Connection:
    """``shown`` is the address as people may see it."""

    def __init__(self, addresses: tuple[Address, ...], options: ConnectOptions) -> None:
        self.shown = ",".join(address.shown for address in addresses)
        asked = any(address.tls for address in addresses)
        self.client = TlsClient(tls_required=asked or options.asks_for_tls)
        self.timeout_s = options.timeout_s
        self._errors: list[Exception] = []
        self._noted = asyncio.Event()
        self._gone = asyncio.Event()

    @property
    def server(self) -> Mapping[str, Any]:
        """The server's INFO."""
        info: Mapping[str, Any] = self.client._server_info
        return info

    async def note(self, error: Exception) -> None:
        """What the client reports beside its calls."""
        self._errors.append(error)
        self._noted.set()

    async def closed(self) -> None:
        """What the client reports when its connection is no more."""
        self._gone.set()

    def check(self) -> None:
        """The client takes the end of a connection for an answer to its greeting."""
        if not self.client.is_connected:
            raise errors.UnexpectedEOF

    async def request(self, subject: str, payload: bytes, timeout_s: float) -> bytes:
        """The answer; what the client raises, or DeniedError at once where this login may not ask.

        A server never answers what it denies: it says so beside, and an answer would be waited for in vain, as it would
        be once the connection is closed.
        """
        _LOG.debug("request %s to %s", subject, self.shown)
        asked = asyncio.ensure_future(self.client.request(subject, payload, timeout=timeout_s))
        denied = asyncio.ensure_future(self._denial(subject))
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({asked, denied, gone}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                answer: bytes = (await asked).data
                return answer
            if denied.done():
                raise self._no_permission(subject)
            raise errors.ConnectionClosedError
        finally:
            await end_tasks(asked, denied, gone)

    async def _denial(self, subject: str) -> None:
        """Until this subject was denied, or the inbox where answers arrive."""
        inbox = bytes(self.client._inbox_prefix).decode().lower()
        words = (f'publish to "{subject.lower()}"', f'subscription to "{inbox}.')
        while not any(word in str(error).lower() for error in self._errors for word in words):
            self._noted.clear()
            await self._noted.wait()

    def _no_permission(self, subject: str) -> DeniedError:
        remedy = "allow this user to publish to $JS.API.> and to subscribe to _INBOX.>, or connect as another"
        return DeniedError([Problem(Place(self.shown), f"no permission for {subject}", remedy)])

    def _error(self, what: str, remedy: str) -> MachineError:
        return MachineError([Problem(Place(self.shown), what, remedy)])

    def refusal(self, error: Exception) -> MachineError:
        """Why connecting failed: the client's last words are often less telling than those before."""
        causes = [*reversed(self._errors), error]
        problem = self._why(causes, error)
        if problem.problems[0].what == _UNKNOWN:
            return UnknownLoginError(problem.problems)
        if any(isinstance(cause, _ANSWERED) or _refused_by_word(cause) for cause in causes):
            return RejectedError(problem.problems)
        if not self.server:
            return problem
        return EndedError(problem.problems) if problem.problems[0].what == _ENDED else HungUpError(problem.problems)

    def _why(self, causes: list[Exception], error: Exception) -> MachineError:
        for cause in causes:
            if self.server and isinstance(cause, TimeoutError):
                return self._error(*_GREETED)
            if refused := _refusal(cause):
                return self._error(*refused)
        if any(isinstance(cause, ConnectionError | errors.UnexpectedEOF) for cause in causes):
            # One that misses a certificate says so and hangs up, and what it said may be lost on the way.
            return self._error(_ENDED, f"check its log; if it requires TLS, {_TLS}")
        return self._error(f"no connection ({_kind(error)})", "check the address, and that the server is running")


@asynccontextmanager
async def connect(addresses: tuple[Address, ...], options: ConnectOptions) -> AsyncIterator[Connection]:
    """Connect once, and again only where a login is refused or a server hangs up, which count once it was three times
    in a row.

    Raises MachineError, or InputError for files that cannot be used.
    """
    login = next((address for address in addresses if address.user is not None), addresses[0])
    options = options.with_login(login.user, login.password)
    connection = await _connected(addresses, options)
    try:
        yield connection
    finally:
        await _close(connection)


async def _connected(addresses: tuple[Address, ...], options: ConnectOptions) -> Connection:
    for _ in range(_LOGS_IN - 1):
        try:
            return await _attempt(addresses, options)
        except (UnknownLoginError, EndedError):
            await asyncio.sleep(_LOGS_IN_AFTER_S)
    return await _attempt(addresses, options)


async def _attempt(addresses: tuple[Address, ...], options: ConnectOptions) -> Connection:
    tls, signer = options.tls(), _signer(options)
    connection = Connection(addresses, options)
    if signer:
        connection.client._public_nkey = signer.public_key  # it has no option for a signature without a JWT
    try:
        async with asyncio.timeout(options.timeout_s * 2):
            await connection.client.connect(
                [address.url for address in addresses],
                name="secondsite",
                error_cb=connection.note,
                closed_cb=connection.closed,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=options.timeout_s,  # type: ignore[arg-type] # it takes seconds of any kind
                user=options.user,
                password=options.password,
                token=options.token,
                tls=tls,
                tls_handshake_first=options.tls_first,
                inbox_prefix=options.inbox_prefix,
                signature_cb=signer.sign if signer else None,
                user_jwt_cb=(lambda: bytearray(signer.jwt.encode())) if signer and signer.jwt else None,
            )
        connection.check()
    except BaseException as error:  # a cancelled one too: what is half open is not left to the collector
        await _close(connection)
        if asked_to_end():
            raise asyncio.CancelledError from None
        if isinstance(error, errors.Error | OSError | TimeoutError | ValueError):
            raise connection.refusal(error) from None
        raise
    _LOG.debug("connected to %s, nats-server %s", connection.shown, connection.server.get("version", "unknown"))
    return connection


async def _close(connection: Connection) -> None:
    try:
        with suppress(errors.Error, OSError, TimeoutError):
            async with asyncio.timeout(5):
                await connection.client.close()
    finally:
        if transport := connection.client._transport:  # where the closing itself was cancelled
            transport.close()  # type: ignore[no-untyped-call]


def _signer(options: ConnectOptions) -> Signer | None:
    if options.credentials:
        return from_credentials(options.credentials)
    return from_nkey(options.nkey) if options.nkey else None


_UNKNOWN = "the server does not know these credentials"
_CHECK = "check --creds, --nkey, --context, or user and password"
_TLS = "give the authority with --tlsca, and --tlscert with --tlskey where the server asks for them"
_NO_TLS = "repair TLS on the server; only where the network is trusted, write nats:// and leave --tlsca out"
_ENDED = "the server ended the connection"
_GREETED = (
    "the server sent its INFO, and then no answer in time",
    "try again: it is starting or overloaded, or this machine is",
)
_BY_TYPE: tuple[tuple[type[Exception], str, str], ...] = (
    (NoTlsError, "the server offers no TLS, and nothing was sent to it", _NO_TLS),
    (ConnectionRefusedError, "the connection was refused", "check the port, and that the server is running"),
    (socket.gaierror, "unknown host", "check the address; into a cluster, use kubectl port-forward"),
    (ssl.SSLError, "TLS failed", _TLS),
    (errors.AuthorizationError, _UNKNOWN, _CHECK),
    (TimeoutError, "no answer in time", "check that this is the client port (4222), and check firewalls in between"),
)
_BY_WORD = (
    (
        ("authorization", "authentication"),
        _UNKNOWN,
        _CHECK,
    ),
    (("secure connection", "tls"), "only one side uses TLS", f"write tls:// in the URL, and {_TLS}"),
)


_ANSWERED = (errors.AuthorizationError, ssl.SSLError, socket.gaierror)


def _refusal(error: Exception) -> tuple[str, str] | None:
    """What and remedy of an error that says something."""
    by_type = ((what, remedy) for kind, what, remedy in _BY_TYPE if isinstance(error, kind))
    return next(by_type, None) or _refused_by_word(error)


def _refused_by_word(error: Exception) -> tuple[str, str] | None:
    text = str(error).lower()
    if "timeout" in text:  # «Authentication Timeout» is of a server that had no time for us
        return None
    return next(((what, remedy) for words, what, remedy in _BY_WORD if any(word in text for word in words)), None)


def _kind(error: Exception) -> str:
    return type(error).__name__
