"""A small HTTP server in a thread of its own: what it answers is decided by a function from request to answer.

It listens on loopback unless it was given another address, and speaks TLS where it has a certificate.
"""

from __future__ import annotations

import http
import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from attrs import frozen
from prometheus_client.exposition import ThreadingWSGIServer

from secondsite.model.errors import InputError, MachineError

MAX_BODY = 2**16
_NAME = "secondsite"


@frozen
class HttpRequest:
    """``headers`` have lower-case names."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@frozen
class HttpAnswer:
    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


@frozen
class ListenAt:
    host: str
    port: int
    cert: Path | None = None
    key: Path | None = None


Answering = Callable[[HttpRequest], HttpAnswer]


class HttpServer:
    """``with`` it: it answers until the end of the block. ``port`` is the one that was chosen for 0."""

    def __init__(self, at: ListenAt, answering: Answering) -> None:
        self._server = _made(at, answering)
        self.port = int(self._server.server_port)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def __enter__(self) -> HttpServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _made(at: ListenAt, answering: Answering) -> _Server:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = _answered(environ, answering)
        status = f"{answer.status} {http.HTTPStatus(answer.status).phrase}"
        length = ("Content-Length", str(len(answer.body)))
        start_response(status, [("Content-Type", answer.kind), length, *answer.headers])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]

    try:
        server = make_server(at.host, at.port, application, _Server, handler_class=_Handler)
    except OSError as error:
        what = f"cannot listen ({error.strerror})"
        raise MachineError.at(f"{at.host}:{at.port}", what, "give an address of this machine and a free port") from None
    if at.cert is not None:
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(at.cert, at.key)
        except (OSError, ssl.SSLError):
            server.server_close()
            raise InputError.at(str(at.cert), "no certificate with its key", "give both, as PEM files") from None
        server.context = context
    return server


def _answered(environ: WSGIEnvironment, answering: Answering) -> HttpAnswer:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = -1
    if not 0 <= length <= MAX_BODY:
        return HttpAnswer(413, b"too long\n")
    names = {key[5:].replace("_", "-").lower(): str(v) for key, v in environ.items() if key.startswith("HTTP_")}
    names["content-type"] = str(environ.get("CONTENT_TYPE") or "")
    body = environ["wsgi.input"].read(length) if length else b""
    path, query = str(environ.get("PATH_INFO") or "/"), str(environ.get("QUERY_STRING") or "")
    return answering(HttpRequest(str(environ["REQUEST_METHOD"]), path, query, names, body))


class _Server(ThreadingWSGIServer):
    """The handshake is made in the connection's own thread: a client that says nothing holds up nobody."""

    context: ssl.SSLContext | None = None

    def finish_request(self, request: object, client_address: object) -> None:
        if self.context is not None:
            request.settimeout(_Handler.timeout)  # type: ignore[attr-defined] # a socket, which typeshed leaves open
            try:
                request = self.context.wrap_socket(request, server_side=True)  # type: ignore[arg-type] # the same
            except OSError:
                return
        super().finish_request(request, client_address)  # type: ignore[arg-type] # the same


class _Handler(WSGIRequestHandler):
    """Tells strangers no version of anything, logs no request, and waits for none for long."""

    timeout = 5

    def version_string(self) -> str:
        return _NAME

    def log_message(self, *_: object) -> None:
        """Nothing."""
