"""Progress over drills: of several a board on a terminal; of one, and elsewhere, a line for each event.

The board holds a row for each drill: what waits, what runs and what it does now, what came out. It is gone when the
drills have ended, and the results take its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from secondsite.model.wording import short_duration
from secondsite.publish.terminal.drill import STYLES

_WAITS, _RUNS = "waits", "runs"
_AROUND = 6
"""Lines of the terminal that the board leaves to others."""
_TITLE = 58


@define
class _Row:
    title: str
    state: str = _WAITS
    line: str = ""
    style: str = "dim"


@define
class DrillBoard:
    """``titles`` in the order in which they run; ``begin`` starts the next and yields whom to tell what happens.

    ``beside``: several run at once.
    """

    titles: Sequence[str]
    console: Console
    beside: bool = False
    _rows: list[_Row] = field(init=False)
    _next: int = 0
    _live: Live | None = None
    _begun: float = field(factory=time.monotonic)

    def __attrs_post_init__(self) -> None:
        self._rows = [_Row(title) for title in self.titles]

    @contextmanager
    def shown(self) -> Iterator[DrillBoard]:
        if not self.console.is_terminal or len(self._rows) == 1:
            yield self
            return
        with Live(get_renderable=self._table, console=self.console, transient=True, refresh_per_second=4) as self._live:
            yield self

    def begin(self) -> Callable[[str], None]:
        row, number, begin = self._rows[self._next], self._next + 1, time.monotonic()
        row.state, row.style = _RUNS, "bold"
        self._next = number
        lead = f"[{number}/{len(self._rows)}] " if len(self._rows) > 1 else ""
        if self._live is None:
            self._print(f"{lead}{row.title}")
        beside = lead if self.beside else ""

        def report(what: str) -> None:
            row.line = what
            if self._live is None:
                self._print(f"{beside}{time.monotonic() - begin:7.1f} s  {what}")

        return report

    def end(self, state: str, line: str = "", number: int | None = None) -> None:
        """``state`` in a word (a verdict, or why there is none), ``told`` in a line; of the last begun, or a number."""
        place = self._next - 1 if number is None else number
        row = self._rows[place]
        row.state, row.line, row.style = state, line, STYLES.get("met" if state == "held" else state, "yellow")
        if self._live is None and len(self._rows) > 1:
            lead = f"[{place + 1}/{len(self._rows)}] " if self.beside else "           "
            self._print(f"{lead}{state}: {line}" if line else f"{lead}{state}")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        """As many rows as fit, those around what runs."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
        table.add_column(f"{self._next} of {len(self._rows)}", no_wrap=True, max_width=_TITLE)
        table.add_column("", width=8, no_wrap=True)
        ran_s = time.monotonic() - self._begun
        table.add_column(short_duration(ran_s), ratio=1, no_wrap=True)
        fits = max(3, self.console.height - _AROUND)
        first = max(0, min(self._next - fits // 2, len(self._rows) - fits))
        for row in self._rows[first : first + fits]:
            table.add_row(Text(row.title, style=row.style), Text(row.state, style=row.style), Text(row.line))
        return table
