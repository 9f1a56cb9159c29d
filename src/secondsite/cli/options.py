"""What several verbs share: where the system file is, and how a person is asked."""

from __future__ import annotations

import sys
from pathlib import Path

SYSTEM_FILE = Path("secondsite.yaml")


def on_terminal() -> bool:
    """Whether somebody is there to read a question and to answer it."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def confirmed(question: str) -> bool:
    """Ask; anything but yes is no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def print_diff(lines: list[str]) -> None:
    """Coloured on a terminal, plain elsewhere."""
    from rich.text import Text  # `secondsite --help` must not load it

    from secondsite.publish.terminal.console import PrintableConsole

    console = PrintableConsole(soft_wrap=True, highlight=False)
    styles = {"+++": "bold", "---": "bold", "@@ ": "cyan", "+": "green", "-": "red"}
    for line in lines:
        style = next((style for start, style in styles.items() if line.startswith(start)), "")
        console.print(Text(line, style=style))
