"""Where NATS servers are, told without the user information that their URLs may carry."""

from __future__ import annotations

import re
from urllib.parse import unquote

from attrs import field, frozen

from secondsite.model.errors import InputError

_URL = re.compile(
    r"(?:(?P<scheme>[a-zA-Z]+)://)?(?:(?P<user>.*)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:/?#@\s]+)(?::(?P<port>\d{1,5}))?/?"
)


@frozen
class Address:
    """``url`` is without the login that it was written with; ``shown`` is the same with scheme and port."""

    url: str = field(repr=False)
    shown: str
    host: str
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def tls(self) -> bool:
        return self.shown.startswith("tls://")


def parse_addresses(text: str) -> tuple[Address, ...]:
    """One URL, or several with commas between; raises InputError."""
    return tuple(_parse(part.strip()) for part in text.split(","))


def _parse(text: str) -> Address:
    match = _URL.fullmatch(text)
    scheme = (match["scheme"] or "nats").lower() if match else ""
    if not match or scheme not in ("nats", "tls") or not 0 < int(match["port"] or 4222) < 65536:
        raise InputError.at("--nats", "not the URL of a NATS server", "write nats://host:4222 or tls://host:4222")
    shown = f"{scheme}://{match['host']}:{match['port'] or 4222}"
    user, colon, password = (match["user"] or "").partition(":")
    return Address(shown, shown, match["host"], unquote(user) or None, unquote(password) if colon else None)
