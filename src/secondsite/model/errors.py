"""What goes wrong is told the same way everywhere: where, what, and what to do about it.

The exit codes are part of the interface (see docs/adr/0001): 0 holds, 1 does not hold, 2 bad input,
3 unproven, 4 the environment cannot do it, 70 an internal error (never a verdict), 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from attrs import frozen

from secondsite.model.place import Place
from secondsite.model.redact import redacted

EXIT_HOLDS = 0
EXIT_DOES_NOT_HOLD = 1
EXIT_BAD_INPUT = 2
EXIT_UNPROVEN = 3
EXIT_ENVIRONMENT = 4
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


@frozen
class Problem:
    """One thing that is wrong: printed as ``file:line:column: what; remedy``."""

    place: Place
    what: str
    remedy: str

    def __str__(self) -> str:
        between = "" if self.what.endswith("\n") else "; "  # a quotation ends with its line
        return redacted(f"{self.place}: {self.what}{between}{self.remedy}")


class SecondsiteError(Exception):
    """Base of every error that a user is meant to read. ``exit_code`` is what the process ends with."""

    exit_code = EXIT_BAD_INPUT

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def at(cls, place: Place | str, what: str, remedy: str) -> Self:
        """One problem at one place; a string place is a file, a URL or an option name."""
        return cls([Problem(place if isinstance(place, Place) else Place(place), what, remedy)])


class InputError(SecondsiteError):
    """The input is wrong; nothing was written."""


class MachineError(SecondsiteError):
    """The input may be right, but this machine or a server it was pointed at cannot do it."""

    exit_code = EXIT_ENVIRONMENT
