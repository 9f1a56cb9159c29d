"""A text as one string of NATS's configuration grammar, which is not JSON: ``\\u00e9`` is refused by the server.

Known escapes are a quote, a backslash, ``\\n``, ``\\r``, ``\\t`` and ``\\xXX``; everything else stands as it is
(nats-server 2.15.1, measured 2026-11).
"""

from __future__ import annotations

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def nats_string(text: str) -> str:
    """With its quotes."""
    return f'"{"".join(_character(one) for one in text)}"'


def _character(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    return one if one.isprintable() else "".join(f"\\x{byte:02x}" for byte in one.encode("utf-8", "replace"))
