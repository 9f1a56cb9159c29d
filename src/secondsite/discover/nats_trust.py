"""What a nats.conf in operator mode says of operators, accounts and their resolver, kept in the server's words.

JWTs of operators and accounts are public. Whatever else looks like a JWT may let somebody in and is not kept.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping

from secondsite.discover.nats_conf import Unresolved
from secondsite.model.settings import NOTHING_MORE, Settings

_KEYS = (
    *("operator", "operators", "trusted_keys", "trusted", "resolver", "resolver_preload", "default_sentinel"),
    *("resolver_pinned_accounts", "resolver_tls"),
)
_PUBLIC = ("operator", "account")
_JWT = "eyJ"


def trust_of(values: Mapping[str, object]) -> Settings:
    """Nothing where a part of it is not at hand, or is no public JWT: half of it would let nobody in."""
    kept = {key.lower(): value for key, value in values.items() if key.lower() in _KEYS}
    return Settings(kept) if all(map(_is_public, kept.values())) else NOTHING_MORE


def _is_public(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_public, value.values()))
    if isinstance(value, list):
        return all(map(_is_public, value))
    if isinstance(value, Unresolved):
        return False
    return not (isinstance(value, str) and value.startswith(_JWT)) or _kind(value) in _PUBLIC


def _kind(jwt: str) -> str:
    """``operator``, ``account`` or ``user``; empty for what is no JWT."""
    body = jwt.split(".")[1] if jwt.count(".") == 2 else ""
    try:
        claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error):
        return ""
    nats = claims.get("nats") if isinstance(claims, dict) else None
    return str(nats.get("type")) if isinstance(nats, dict) else ""
