"""A file of JSON lines that is only ever appended to, each line bound to the one before by its hash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from secondsite.drill.ledger.envelope import disk_error
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

FIRST = "0" * 64
"""What stands before the first line."""


def append_line(path: Path, previous: str, body: Mapping[str, Any]) -> str:
    """The hash of the new line, which is on the disk when this returns. Raises MachineError where the disk fails."""
    digest = _hash(previous, body)
    line = json.dumps({**body, "previous": previous, "hash": digest}) + "\n"
    whole = _whole_bytes(path)
    try:
        with path.open("ab") as file:
            file.truncate(whole)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            os.truncate(path, whole)
        raise disk_error(path, error) from None
    return digest


def _whole_bytes(path: Path) -> int:
    """Without a last line that was cut short: what it was to announce never began."""
    return path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0


def read_lines(path: Path, remedy: str) -> Iterator[Mapping[str, Any]]:
    """Each line with its ``hash``. Raises InputError at the first that was changed, removed or moved."""
    previous = FIRST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InputError.at(str(path), f"cannot be read: {error}", remedy) from None
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        try:
            body = json.loads(line)
            before, digest = body.pop("previous"), body.pop("hash")
            sound = before == previous and digest == _hash(previous, body)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            sound = False
        if not sound:
            what = "the hash chain breaks here: a line was changed, removed or moved"
            raise InputError([Problem(Place(str(path), number), what, remedy)])
        yield {**body, "hash": digest}
        previous = digest


def _hash(previous: str, body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([previous, body], sort_keys=True).encode()).hexdigest()
