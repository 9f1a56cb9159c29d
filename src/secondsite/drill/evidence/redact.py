"""What must not be in evidence: values that let somebody in. The places where such values stand are blanked.

Texts are blanked on their way into the folder by the one function that every message goes through, with the values that
the drill knows; before the chain is written, the whole folder is searched for those values once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from secondsite.model.redact import HIDDEN, names_a_secret, redacted, searchable

_CHUNK = 1 << 20


def blanked(data: Mapping[str, Any], values: Iterable[str] = ()) -> dict[str, Any]:
    """JSON with the texts in it redacted, so that it stays JSON; what a secret's name leads to is blanked whole."""
    return {key: HIDDEN if names_a_secret(key) else _walked(value, values) for key, value in data.items()}


def _walked(value: Any, values: Iterable[str]) -> Any:
    if isinstance(value, str):
        return redacted(value, values)
    if isinstance(value, Mapping):
        return blanked(value, values)
    return [_walked(each, values) for each in value] if isinstance(value, (list, tuple)) else value


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
