"""What a message may not hold: secrets that somebody put where they do not belong, and that an error would repeat.

One function for every message. It knows secrets by their shape, so it is a net and no permission: what is known to be
a secret is left out where the message is made.
"""

from __future__ import annotations

import re

HIDDEN = "…"
_NAMED = r"(?:pass(?:word|wd)?|secret|token|api[_-]?key|signature|sig)"
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"AGE-SECRET-KEY-[0-9A-Z]+", re.IGNORECASE), f"AGE-SECRET-KEY-{HIDDEN}"),
    (re.compile(r"-----BEGIN [A-Z ]*(?:KEY|SEED|JWT)-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\bS[UAONCX][A-Z2-7]{56}\b"), f"S{HIDDEN}"),  # seeds of nkeys
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), HIDDEN),  # JWTs
    # The user part of a URL; a password may hold anything, so it ends at the last @ before a blank or a quote.
    (re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"<>]*@"), rf"\1{HIDDEN}@"),
    (re.compile(rf"({_NAMED}\s*[=:]\s*)(?!env:|file:|{HIDDEN})[^\s&,;'\"]+", re.IGNORECASE), rf"\1{HIDDEN}"),
)


def redacted(text: str) -> str:
    """The text without what looks like a secret."""
    for secret, instead in _SECRETS:
        text = secret.sub(instead, text)
    return text
