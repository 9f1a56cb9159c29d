"""Where JetStream is: servers, who we are to them, and the domain; from options or from a context of the nats command.

A context is a file ``~/.config/nats/context/NAME.json``; an option given beside it wins.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from secondsite.model.errors import InputError
from secondsite.nats.address import Address, parse_addresses
from secondsite.nats.connection import connect
from secondsite.nats.jetstream import JetStream
from secondsite.nats.options import ConnectOptions

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_MAX_BYTES = 2**20
_TEXTS = (
    *("url", "user", "password", "token", "creds", "nkey", "user_jwt", "nsc", "ca", "cert", "key"),
    *("inbox_prefix", "jetstream_domain", "jetstream_api_prefix"),
)
_NOT_READ = ("user_jwt", "nsc")


@frozen
class NatsPlace:
    """``prefix`` is that of the JetStream API: ``$JS.API``, or of a domain, or one that a context names."""

    addresses: tuple[Address, ...]
    options: ConnectOptions
    domain: str = ""
    prefix: str = "$JS.API"

    @property
    def shown(self) -> str:
        return ",".join(address.shown for address in self.addresses)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[JetStream]:
        """One connection; raises MachineError."""
        async with connect(self.addresses, self.options) as connection:
            yield JetStream(connection, self.prefix)


def nats_place(
    url: str | None, options: ConnectOptions, *, context: str | None = None, domain: str | None = None
) -> NatsPlace:
    """Raises InputError where neither a URL nor a context says where the servers are."""
    settings = read_context(context) if context else {}
    url = url or settings.get("url")
    if not url:
        raise InputError.at("--nats", "no NATS server is given", "give --nats nats://host:4222 or --context NAME")
    options = _from_context(options, settings, named=bool(options.credentials or options.nkey or options.user))
    domain = domain or settings.get("jetstream_domain") or ""
    if domain and not _NAME.fullmatch(domain):
        raise InputError.at(
            "--domain", f"{domain!r} is not the name of a domain", "give it as in the `jetstream` block of the server"
        )
    prefix = f"$JS.{domain}.API" if domain else settings.get("jetstream_api_prefix") or "$JS.API"
    return NatsPlace(parse_addresses(url), options, domain, prefix)


def read_context(name: str) -> Mapping[str, Any]:
    """The context of the nats command with this name; raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError.at("--context", f"{name!r} is not the name of a context", "list them with: nats context ls")
    home = os.environ.get("XDG_CONFIG_HOME")
    path = (Path(home) if home else _home("--context") / ".config") / "nats" / "context" / f"{name}.json"
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        raise InputError.at(
            str(path), "no such context, or it is not JSON", "list them with: nats context ls"
        ) from None
    if not isinstance(content, dict):
        raise InputError.at(str(path), "is not a context", "list them with: nats context ls")
    for key in _TEXTS:
        if not isinstance(content.get(key), str | None):
            what = f"{key} is no text"
            raise InputError.at(str(path), what, f"write it in quotes, or again: nats context edit {name}")
    return content


def _from_context(options: ConnectOptions, settings: Mapping[str, Any], *, named: bool) -> ConnectOptions:
    """``named``: who we are was said already, and the context's word on it does not count."""

    def path(key: str) -> Path | None:
        return _expanded(Path(str(settings[key]).removeprefix("file://"))) if settings.get(key) else None

    options = evolve(
        options,
        tls_ca=options.tls_ca or path("ca"),
        tls_cert=options.tls_cert or path("cert"),
        tls_key=options.tls_key or path("key"),
        tls_first=settings.get("tls_first") is True,
        inbox_prefix=settings.get("inbox_prefix") or options.inbox_prefix,
    )
    if named:
        return options
    for key in _NOT_READ:
        if settings.get(key):
            raise InputError.at("--context", f"{key} of a context is not supported", "give --creds FILE")
    for key in ("creds", "nkey"):
        if "://" in str(settings.get(key) or "").removeprefix("file://"):
            raise InputError.at("--context", f"{key} of this context is not a file", "give --creds FILE")
    return evolve(
        options,
        credentials=path("creds"),
        nkey=path("nkey"),
        user=settings.get("user") or None,
        password=options.password or settings.get("password") or None,
        token=options.token or settings.get("token") or None,
    )


def _expanded(path: Path) -> Path:
    """``~/x`` below the home; raises InputError where this user has none."""
    return _home(str(path)) / path.relative_to("~") if path.parts[:1] == ("~",) else path


def _home(place: str) -> Path:
    try:
        return Path.home()
    except RuntimeError:
        remedy = "set HOME, or XDG_CONFIG_HOME for contexts, and give paths without ~"
        raise InputError.at(place, "this user has no home directory and no passwd entry", remedy) from None
