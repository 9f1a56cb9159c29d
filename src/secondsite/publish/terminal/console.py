"""The console of all verbs: styles are ours, and everything between them is made printable."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from textwrap import wrap

from rich.console import Console
from rich.segment import Segment

from secondsite.model.printable import printable

_TYPED = re.compile(r"`[^`\n]{1,60}`")
_GLUE = "\ue000"  # of no language
NARROWEST, WIDEST = 72, 100
"""Columns: lines shorter than the first break figures apart, longer than the second are hard to read."""


class PrintableConsole(Console):
    """Sends no control character of a name to the terminal; its own cursor moves and colours are meant."""

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(
            part if part.control else Segment(printable(part.text), part.style) for part in buffer
        )


def terminal_console() -> PrintableConsole:
    """As wide as the terminal or COLUMNS, within what can be read; plain where it is no terminal or NO_COLOR is set."""
    return PrintableConsole(highlight=False, width=columns())


def folded(line: str, indent: str = "  ", *, stderr: bool = False) -> str:
    """A line of words as wide as the terminal, what follows indented. In a pipe a line stays a line, for whoever greps;
    what stands between backticks is typed and stays whole.
    """
    console = PrintableConsole(stderr=stderr)
    if not console.is_terminal:
        return line
    whole = _TYPED.sub(lambda match: match[0].replace(" ", _GLUE), line)
    width = max(NARROWEST, min(WIDEST, console.width))
    parts = wrap(whole, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(parts).replace(_GLUE, " ")


def columns() -> int:
    plain = PrintableConsole()
    width = plain.width if plain.is_terminal or "COLUMNS" in os.environ else WIDEST
    return max(NARROWEST, min(WIDEST, width))
