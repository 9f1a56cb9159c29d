"""One value as YAML text that reads back as that very value."""

from __future__ import annotations

import re
from collections.abc import Sequence

from secondsite.discover.system_file.schema import Scalar

_PLAIN = re.compile(r"[A-Za-z0-9./_][A-Za-z0-9./_+@%=*>$()~:?-]*(?: [A-Za-z0-9./_+@%=*>$()~:?<-]+)*")
_SHORT_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def scalar(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return value if _plain_enough(value) else _quoted(value)


def flow_list(values: Sequence[Scalar]) -> str:
    return f"[{', '.join(scalar(value) for value in values)}]"


def _plain_enough(text: str) -> bool:
    """Whether the text means itself without quotes, to this reader and to those of YAML 1.1."""
    if not _PLAIN.fullmatch(text) or ": " in text or text.endswith(":") or text.startswith("..."):
        return False
    return text.lower() not in _WORDS and not _NUMBER.fullmatch(text)


_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", ".inf", ".nan"))
_NUMBER = re.compile(r"[0-9._]+(?:[eE][-+]?[0-9]+)?|0[xo][0-9a-fA-F_]+|[0-9_]+(?::[0-9_.]+)+|[0-9]{4}-[0-9].*")


def _quoted(text: str) -> str:
    if '"' in text and all(_escaped(char) == char for char in text):
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_SHORT_ESCAPES.get(char) or _escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    return char if char == " " or (char.isprintable() and char != "\ufeff") else f"\\U{ord(char):08x}"
