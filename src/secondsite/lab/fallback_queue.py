"""Where messages wait that a client was promised (202) while NATS is away.

In memory it dies with the process: that is the example's weakness, and it is kept. With a file each message is on
disk before the promise, and what was not published is there again after a restart.
"""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path
from typing import IO

from attrs import frozen


@frozen
class QueuedEvent:
    """What a client asked to publish. ``key`` is what order is kept within."""

    id: str
    subject: str
    key: str
    data: str


class FallbackQueue:
    """First in, first out, bounded. ``put`` says no when it is full."""

    def __init__(self, limit: int, path: Path | None = None) -> None:
        self._limit, self._path = limit, path
        self._waiting: deque[QueuedEvent] = deque()
        self._file: IO[str] | None = None
        if path:
            self._waiting.extend(_unpublished(path))
            self._file = path.open("a", encoding="utf-8")

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: QueuedEvent) -> bool:
        if len(self._waiting) >= self._limit:
            return False
        self._write(["put", event.id, event.subject, event.key, event.data])
        self._waiting.append(event)
        return True

    @property
    def head(self) -> QueuedEvent | None:
        return self._waiting[0] if self._waiting else None

    def published(self, event: QueuedEvent) -> None:
        """The head is stored by NATS: forget it."""
        if self._waiting and self._waiting[0] is event:
            self._waiting.popleft()
            self._write(["published", event.id])
            if not self._waiting and self._file:
                self._file.truncate(0)

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _write(self, entry: list[str]) -> None:
        if self._file:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())


def _unpublished(path: Path) -> list[QueuedEvent]:
    """A last line that was cut short was never promised."""
    waiting: dict[str, QueuedEvent] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            what, identity, *rest = json.loads(line)
        except ValueError:
            break
        if what == "put":
            waiting[identity] = QueuedEvent(identity, *rest)
        else:
            waiting.pop(identity, None)
    return list(waiting.values())
