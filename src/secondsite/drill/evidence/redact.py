"""What must not be in evidence: values that let somebody in. The places where such values stand are blanked.

Texts are blanked on their way into the folder, by their form (``password: …``, ``://user:…@``) and by the values
that the drill knows; before the chain is written, the whole folder is searched for those values once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BLANK = "[redacted]"
_SHORTEST = 6
_NAMED = re.compile(
    r"""(?ix) ( ["']? \b [\w-]* (?: password | passwd | pass | token | secret | nkey | seed | api[_-]?key
        | secret[_-]?(?:access[_-]?)?key | private[_-]?key ) ["']? \s* [:=] \s* )
        ( \\"[^"\\\n]*\\" | "[^"\n]*" | '[^'\n]*' | [^\s,;}\]"']+ )"""
)
_IN_URL = re.compile(r"(://[^\s/:@\"']*):[^\s/@\"']+@")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/-]{6,}=*")
_CHUNK = 1 << 20


def redacted(text: str, values: Iterable[str] = ()) -> str:
    for value in sorted(searchable(values), key=len, reverse=True):
        text = text.replace(value, BLANK)
    text = _IN_URL.sub(rf"\1:{BLANK}@", text)
    text = _BEARER.sub(rf"\1 {BLANK}", text)
    return _NAMED.sub(_blanked, text)


def blanked(data: Mapping[str, Any], values: Iterable[str] = ()) -> dict[str, Any]:
    """JSON with the texts in it redacted, so that it stays JSON; what a secret's name leads to is blanked whole."""
    return {key: BLANK if _NAMED.search(f"{key}: value") else _walked(value, values) for key, value in data.items()}


def _walked(value: Any, values: Iterable[str]) -> Any:
    if isinstance(value, str):
        return redacted(value, values)
    if isinstance(value, Mapping):
        return blanked(value, values)
    return [_walked(each, values) for each in value] if isinstance(value, (list, tuple)) else value


def _blanked(match: re.Match[str]) -> str:
    value = match[2]
    quote = next((mark for mark in ('\\"', '"', "'") if value.startswith(mark)), "")
    return f"{match[1]}{quote}{BLANK}{quote}"


def searchable(values: Iterable[str]) -> frozenset[str]:
    """Short words are no secrets, and stand everywhere."""
    return frozenset(value for value in values if len(value) >= _SHORTEST)


def leaks(folder: Path, values: Iterable[str]) -> Sequence[Path]:
    """Files that hold one of the values, byte for byte."""
    needles = [value.encode() for value in searchable(values)]
    if not needles:
        return ()
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and _holds(path, needles)]


def _holds(path: Path, needles: Sequence[bytes]) -> bool:
    overlap = max(map(len, needles)) - 1
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            window = tail + chunk
            if any(needle in window for needle in needles):
                return True
            tail = window[-overlap:]
    return False
