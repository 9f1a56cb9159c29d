"""The console of all verbs: styles are ours, and everything between them is made printable."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.segment import Segment

from secondsite.model.printable import printable


class PrintableConsole(Console):
    """Sends no control character of a name to the terminal; its own cursor moves and colours are meant."""

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(
            part if part.control else Segment(printable(part.text), part.style) for part in buffer
        )
