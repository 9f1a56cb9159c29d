"""What a long run tells while it works; the command line decides what becomes of it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """All sizes in bytes before compression. ``note`` is something a person should know that is no error."""

    def begin(self, stream: str, total_bytes: int) -> None: ...

    def at(self, stream: str, done_bytes: int) -> None: ...

    def comparing(self, stream: str) -> None:
        """It is there; what follows is its proof."""

    def end(self, stream: str) -> None: ...

    def note(self, text: str) -> None: ...


class Silent:
    """Tells nothing."""

    def begin(self, stream: str, total_bytes: int) -> None:
        """Nothing."""

    def at(self, stream: str, done_bytes: int) -> None:
        """Nothing."""

    def comparing(self, stream: str) -> None:
        """Nothing."""

    def end(self, stream: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
