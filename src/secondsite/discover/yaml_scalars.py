"""What a plain scalar stands for, in files of our own and in those that kubectl and Helm read.

Our own follow the YAML 1.2 core schema. kubectl and Helm read YAML 1.1 as Go's library does: ``yes`` and ``on`` are
true, ``010`` is 8, ``1_000`` is 1000.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

Resolved: TypeAlias = "str | int | float | bool | None"
Resolver: TypeAlias = "Callable[[str], Resolved]"

_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Resolved] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", "+.inf"), float("inf")),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
}
_MAX_DIGITS = 400

_KUBECTL_WORDS: dict[str, Resolved] = {
    **_WORDS,
    **{spelt: True for word in ("y", "yes", "on") for spelt in (word, word.title(), word.upper())},
    **{spelt: False for word in ("n", "no", "off") for spelt in (word, word.title(), word.upper())},
}
_KUBECTL_INT = re.compile(r"[-+]?(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)")
_OCTAL = re.compile(r"([-+]?)0([0-7]+)")


def core(text: str) -> Resolved:
    """By the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS or text[0] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _OTHER_INT.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def kubectl(text: str) -> Resolved:
    """As kubectl and Helm resolve it."""
    if text in _KUBECTL_WORDS:
        return _KUBECTL_WORDS[text]
    if len(text) > _MAX_DIGITS or text[0] not in "+-.0123456789":
        return text
    plain = text.replace("_", "")
    if _KUBECTL_INT.fullmatch(plain):
        return int(_OCTAL.sub(r"\g<1>0o\2", plain) if _OCTAL.fullmatch(plain) else plain, 0)
    return float(plain) if _FLOAT.fullmatch(plain) else text
