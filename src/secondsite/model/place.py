"""Where something stands, so that every value and every error can be looked up."""

from __future__ import annotations

from attrs import frozen


@frozen(order=True)
class Place:
    """A file (or URL, or option), with line and column from 1; 0 is unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)
