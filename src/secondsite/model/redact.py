"""What neither a message nor evidence may hold: secrets that somebody put where they do not belong.

One function for every text that is shown or kept. It knows secrets by their shape and by the name before them, and by
the values that a caller knows, so it is a net and no permission: what is known to be a secret is left out where a text
is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "…"
_SHORTEST = 6
_NAME = (
    r"(?:pass(?:word|wd|phrase)?|secret(?:[_-]?access)?(?:[_-]?key)?|token|nkey|api[_-]?key|private[_-]?key"
    r"""|signature|sig|seed(?!["']?\s*[:=]\s*\d+\b))"""
)
_REFERENCE = rf"(?:env:|file:|context:|{HIDDEN})"
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"AGE-SECRET-KEY-[0-9A-Z]+", re.IGNORECASE), f"AGE-SECRET-KEY-{HIDDEN}"),
    (re.compile(r"-----BEGIN [A-Z ]*(?:KEY|SEED|JWT)-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\bS[UAONCX][A-Z2-7]{56}\b"), f"S{HIDDEN}"),  # seeds of nkeys
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), HIDDEN),  # JWTs
    # The user part of a URL; a password may hold anything, so it ends at the last @ before a blank or a quote.
    (re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"<>]*@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)\b(bearer|authorization:\s*basic)\s+[\w.~+/-]{6,}=*"), rf"\1 {HIDDEN}"),
)
_NAMED = re.compile(
    rf"""(?ix) ( ["']? (?<![\w-]) [\w-]* {_NAME} ["']? \s* [:=] \s* ) (?!{_REFERENCE})
        ( \\"[^"\\\n]*\\" | "[^"\n]*" | '[^'\n]*' | [^\s,;&}}\]"']+ )"""
)


def redacted(text: str, values: Iterable[str] = ()) -> str:
    """The text without ``values`` and without what looks like a secret; JSON stays JSON."""
    for value in sorted(searchable(values), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for secret, instead in _SECRETS:
        text = secret.sub(instead, text)
    return _NAMED.sub(_hidden, text)


def looks_secret(value: str) -> bool:
    """Whether a value that ought to be a reference is what it should lead to; a user in a URL proves nothing alone."""
    without_user = re.sub(r"(://)[^\s:@/]*@", r"\1", value)
    return redacted(without_user) != without_user


def names_a_secret(key: str) -> bool:
    return bool(_NAMED.search(f"{key}: value"))


def searchable(values: Iterable[str]) -> frozenset[str]:
    """Short words are no secrets, and stand everywhere."""
    return frozenset(value for value in values if len(value) >= _SHORTEST)


def _hidden(match: re.Match[str]) -> str:
    value = match[2]
    quote = next((mark for mark in ('\\"', '"', "'") if value.startswith(mark)), "")
    return f"{match[1]}{quote}{HIDDEN}{quote}"
