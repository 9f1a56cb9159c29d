"""The words of NATS's configuration grammar: where a scalar, a key or a comment begins and ends.

Follows nats-server's own lexer (conf/lex.go, 2.15) including what surprises: an unquoted string runs on to
white space, ``;``, ``,``, ``]`` or ``}`` (a ``#`` inside belongs to it), and a number right before ``]`` is
no number. Messages never quote a value, as it may be a password.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import UTC, datetime

from attrs import frozen

from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

Scalar = str | int | float | bool | datetime

_SPACE = "\\t\\n\\v\\f\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
_BLANK = re.compile(f"(?:[{_SPACE}]+|#[^\\n\\r]*|//[^\\n\\r]*)*+")
_GAP = re.compile(f"[{_SPACE}]*")
_INLINE = re.compile(r"[ \t]*")
_COMMENT = re.compile(r"(?:#|//)[^\n\r]*")
_KEY = re.compile(f"[^{_SPACE}=:][^{_SPACE}=:]*")
_RAW = re.compile(r"[^\n\r;,\]} \t'\\]*")
_QUOTED = re.compile(r'[^"\\]*')
_RAW_INCLUDE = re.compile(r"[^\n\r;} \t']*")
_DIGITS = re.compile(r"[0-9]+")
_SUFFIX = re.compile(r"[kKmMgGtTpPeE][bBiI]*")
_ADDRESS = re.compile(r"[0-9.:-]*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_BLOCK_END = re.compile(r"\n\)(?=\n|\Z)")
_HEX = re.compile(r"[0-9a-fA-F]{2}")
_ESCAPES = {"t": b"\t", "n": b"\n", "r": b"\r", '"': b'"', "\\": b"\\"}
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_POWERS = {letter: power for power, letter in enumerate("kmgtpe", 1)}
_INT64_MAX = 2**63 - 1


@frozen
class Reference:
    """``$NAME``: a variable that is to be looked up."""

    name: str


class Cursor:
    """A position in the text of one file. ``indent`` is how far the text was indented where it stood."""

    def __init__(self, text: str, file: str, first_line: int = 1, indent: int = 0) -> None:
        self.text = text
        self.file = file
        self.at = 0
        self._first_line = first_line
        self._indent = indent
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, at: int | None = None) -> Place:
        offset = self.at if at is None else at
        line = bisect_right(self._starts, offset) - 1
        return Place(self.file, self._first_line + line, offset - self._starts[line] + 1 + self._indent)

    def error(self, what: str, remedy: str, at: int | None = None) -> InputError:
        return InputError([Problem(self.place(at), what, remedy)])

    @property
    def here(self) -> str:
        """The character at the cursor; empty at the end of the text."""
        return self.text[self.at : self.at + 1]

    def take(self, characters: str) -> bool:
        """Step over the next character if it is one of these."""
        taken = bool(self.here) and self.here in characters
        self.at += taken
        return taken

    def skip_blank(self) -> None:
        """White space, new lines and comments."""
        self._match(_BLANK)

    def skip_gap(self) -> None:
        """White space and new lines."""
        self._match(_GAP)

    def skip_inline(self) -> None:
        self._match(_INLINE)

    def skip_comment(self) -> bool:
        return bool(self._match(_COMMENT))

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]

    def key(self) -> tuple[str, bool]:
        """The key, and whether it may be the word ``include``: unquoted and followed by white space."""
        start = self.at
        if self.here in ("=", ":"):
            raise self.error(f"'{self.here}' without a key before it", "write key = value")
        if self.take("\"'"):
            return self._until(self.text[start], "key"), False
        key = self._match(_KEY)
        if not self.here:
            raise self.error("the text ends after a key", "write a value, or delete the key", start)
        return key, self.here not in "=:"

    def _until(self, quote: str, kind: str) -> str:
        """The text up to the closing quote, which is stepped over; no escapes."""
        end = self.text.find(quote, self.at)
        if end < 0:
            raise self.error(f"a quoted {kind} is not closed", f"write {quote} at its end", self.at - 1)
        token = self.text[self.at : end]
        self.at = end + 1
        return token

    def include_name(self) -> str:
        self.skip_inline()
        start = self.at
        if self.take("\"'"):
            return self._until(self.text[start], "file name")
        if not self.here or self.here in "\r\n[{(-\\" or self.here.isdecimal():
            raise self.error("include without a file name", "write include 'file.conf'")
        name = self._match(_RAW_INCLUDE)
        self.take("'")
        return name

    def scalar(self) -> Scalar | Reference:
        """The scalar at the cursor, which stands on its first character."""
        first = self.here
        if first == "'":
            self.at += 1
            return self._until("'", "string")
        if first == '"':
            return self._double_quoted()
        if first == "(":
            return self._block()
        if first == "-" or first.isdecimal():
            return self._number()
        if first == ".":
            raise self.error("a number begins with a dot", "write a digit before it, such as 0.5")
        return self._raw(self.at)

    def _double_quoted(self) -> str:
        start = self.at
        self.at += 1
        parts: list[bytes] = []
        while True:
            parts.append(self._match(_QUOTED).encode("utf-8", "replace"))
            if self.take('"'):
                return b"".join(parts).decode("utf-8", "replace")
            if not self.take("\\"):
                raise self.error("a quoted string is not closed", 'write " at its end', start)
            parts.append(self._escape())

    def _escape(self) -> bytes:
        """What the escape at the cursor stands for; the backslash was stepped over."""
        letter = self.here
        self.at += 1
        if letter == "x":
            digits = self._match(_HEX)
            if digits:
                return bytes.fromhex(digits)
            raise self.error("\\x without two hexadecimal digits", "write \\x41, or \\\\ for a backslash", self.at - 2)
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        raise self.error("an unknown escape", 'write one of \\xXX, \\t, \\n, \\r, \\", \\\\', self.at - 2)

    def _block(self) -> str:
        start = self.at
        end = _BLOCK_END.search(self.text, start)
        if end is None:
            raise self.error("a block is not closed", "write ) on a line by itself, nothing before or after it", start)
        self.at = end.end()
        return self.text[start + 1 : end.start() + 1]

    def _raw(self, start: int) -> Scalar | Reference:
        """An unquoted string from ``start``, of which all before the cursor is already known to belong to it."""
        parts = [self.text[start : self.at].encode("utf-8", "replace")]
        escaped = False
        while True:
            parts.append(self._match(_RAW).encode("utf-8", "replace"))
            if not self.take("\\"):
                break
            escaped = True
            parts.append(self._escape())
        text = b"".join(parts).decode("utf-8", "replace")
        if self.take("'") or escaped:
            return text
        if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        return Reference(text[1:]) if text.startswith("$") else text

    def _number(self) -> Scalar | Reference:
        start = self.at
        negative = self.take("-")
        digits = self._digits(start)
        if self.here == "-" and not negative:
            return self._date(start)
        if self.take("."):
            self._digits(start)
            if self.here == ".":
                self._match(_ADDRESS)
                return self.text[start : self.at]
            return self._float(start)
        suffix = self._match(_SUFFIX)
        if self._number_ends() or (negative and not suffix):
            return self._integer(start, -int(digits) if negative else int(digits), suffix.lower())
        if not suffix:
            self.at += 1  # the server takes this character into the string whatever it is
        return self._raw(start)

    def _digits(self, start: int) -> str:
        digits = self._match(_DIGITS)
        if not digits or self.here.isdecimal():
            raise self.error("a number lacks a digit", "write digits 0 to 9, or quote the string", start)
        if len(digits) > 400:
            raise self.error("a number has too many digits", "write a smaller number, or quote the string", start)
        return digits

    def _number_ends(self) -> bool:
        return not self.here or self.here in "\n\r};, \t" or self.here.isdecimal()

    def _float(self, start: int) -> float:
        value = float(self.text[start : self.at])
        if abs(value) == float("inf"):
            raise self.error("a number is too large", "write a smaller number", start)
        return value

    def _integer(self, start: int, number: int, suffix: str) -> int:
        """``k`` is 1000; ``kb``, ``ki`` and ``kib`` are 1024: as nats-server reads them."""
        tail = suffix[1:]
        if tail not in ("", "b", "i", "ib"):
            raise self.error("an unknown unit after a number", "write k, kb, m, mb, g, gb, t, tb, kib, mib …", start)
        if suffix:
            number *= (1024 if tail else 1000) ** _POWERS[suffix[0]]
        if not -_INT64_MAX - 1 <= number <= _INT64_MAX:
            raise self.error("a number does not fit in 64 bits", "write a smaller number, or quote the string", start)
        return number

    def _date(self, start: int) -> datetime:
        self.at = start
        try:
            return datetime.strptime(self._match(_DATE), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            remedy = "write it in full, such as 2026-01-31T12:00:00Z, or quote the string"
            raise self.error("neither a number nor a date", remedy, start) from None
