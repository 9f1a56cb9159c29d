"""Markdown from values: whatever a name contains, it stays text, and tables line up in the source as well.

`Md` is Markdown made here; every other string is a value that others wrote and is escaped before it is shown
(CommonMark with the tables of GitHub, GitLab and Gitea). Values never span lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

LONGEST = 400
"""Characters of a value that are shown; the rest is an ellipsis."""
_PADDED = 120


class Md(str):
    """Markdown that is meant."""

    __slots__ = ()


_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
_BLANKS = re.compile("[ \t\r\n]+")  # a space that does not break is meant
_MEANT = re.compile(
    r"[\\`*\[\]<>~]|\$(?!\d)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=[#A-Za-z])|(?<=[a-z]):(?=//)|(?<=www)\.|@"
)
_BLOCK = re.compile(r"^(?:#{1,6}(?=\s|$)|[+-](?=\s|$)|-{2,}|=+$|\d{1,9}[.)](?=\s|$))")


def plain(value: object) -> str:
    """On one line, without characters that hide, and not endless."""
    line = _BLANKS.sub(" ", _UNPRINTABLE.sub("\ufffd", str(value))).strip()
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def text(value: object) -> Md:
    """A value as running text."""
    if isinstance(value, Md):
        return value
    return _inline(_escaped(plain(value)))


def prose(value: object) -> Md:
    """Running text of ours in which names stand between backticks: those as `code`, the rest as `text`."""
    if isinstance(value, Md):
        return value
    parts = plain(value).split("`")
    if len(parts) % 2 == 0:
        return text(value)
    return _inline("".join(code(part) if inside % 2 else _escaped(part) for inside, part in enumerate(parts)))


def code(value: object) -> Md:
    """A name or a command, to be read letter by letter."""
    content = plain(value)
    if not content:
        return Md("")
    ticks = "`" * (_longest_run(content) + 1)
    gap = " " if content.startswith("`") or content.endswith("`") else ""
    return Md(f"{ticks}{gap}{content}{gap}{ticks}")


def fence(lines: Iterable[str], language: str = "sh") -> Md:
    """A block of lines as they are; control characters are shown, not sent to a terminal."""
    body = [_UNPRINTABLE.sub("\ufffd", line) for line in lines]
    ticks = "`" * max(3, *(_longest_run(line) + 1 for line in body), 3)
    return Md("\n".join([f"{ticks}{language}", *body, ticks]))


def link(shown: object, target: str) -> Md:
    """``target`` is made here, or has been quoted as a URL is."""
    return Md(f"[{text(shown)}](<{target}>)" if set(target) & set(" ()") else f"[{text(shown)}]({target})")


def strong(value: object) -> Md:
    return Md(f"**{text(value)}**")


def bullets(items: Iterable[object]) -> Md:
    return Md("\n".join(f"- {text(item)}" for item in items))


def joined(parts: Iterable[object], between: str = ", ") -> Md:
    return Md(between.join(text(part) for part in parts))


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Md:
    """Columns as wide as their widest cell. A heading that ends in a tab is aligned to the right."""
    right = [str(cell).endswith("\t") for cell in head]
    cells = [[_cell(cell) for cell in row] for row in (head, *rows)]
    widths = [max(3, *(min(width(row[i]), _PADDED) for row in cells)) for i in range(len(head))]
    rule = [f"{'-' * (size - to_right)}{':' * to_right}" for size, to_right in zip(widths, right, strict=True)]
    return Md("\n".join(_row(row, widths, right) for row in (cells[0], rule, *cells[1:])))


def width(shown: str) -> int:
    """Columns in a fixed-width font: wide East Asian letters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in shown
    )


def escape(value: Any) -> str:
    """What a template prints: Markdown made here as it is, everything else as text."""
    return value if isinstance(value, Md) else text(value)


def _escaped(line: str) -> str:
    return _MEANT.sub(lambda match: "&amp;" if match[0] == "&" else f"\\{match[0]}", line)


def _inline(line: str) -> Md:
    """What would begin a heading or a list does not."""
    start = _BLOCK.match(line)
    return Md(f"{line[: start.end() - 1]}\\{line[start.end() - 1 :]}" if start else line)


def _longest_run(content: str) -> int:
    return max((len(run) for run in re.findall("`+", content)), default=0)


def _cell(value: object) -> str:
    return _BLANKS.sub(" ", text(value)).strip(" ").replace("|", "\\|")


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        f"{' ' * max(0, size - width(cell))}{cell}" if to_right else f"{cell}{' ' * max(0, size - width(cell))}"
        for cell, size, to_right in zip(cells, widths, right, strict=True)
    )
    return f"| {' | '.join(padded)} |"
