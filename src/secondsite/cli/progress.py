"""Progress on long work: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def years_progress(years: int) -> Iterator[Callable[[int], None] | None]:
    """Yields what is told how many more years are simulated; on standard error, so that output can be piped."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from secondsite.publish.terminal.console import PrintableConsole

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=PrintableConsole(stderr=True), transient=True) as bar:
        task = bar.add_task("simulated years", total=years)

        def advance(done: int) -> None:
            bar.advance(task, done)
            if bar.tasks[0].finished:
                bar.update(task, description="weighing assumptions")

        yield advance
