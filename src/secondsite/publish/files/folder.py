"""The documents' folder: what would change in it, and changing it. Files that are already right are not touched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path

from attrs import frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.publish.files import markers
from secondsite.publish.text import kept_sections as kept


@frozen
class Change:
    """``before`` is None where no such file yet."""

    path: Path
    before: bytes | None
    after: bytes

    @property
    def needed(self) -> bool:
        return self.before != self.after

    def diff(self) -> Iterator[str]:
        """Lines of a unified diff, each with its newline."""
        before = (self.before or b"").decode(errors="replace").splitlines(keepends=True)
        after = self.after.decode(errors="replace").splitlines(keepends=True)
        old = str(self.path) if self.before is not None else os.devnull
        for line in unified_diff(before, after, old, str(self.path)):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def changes(folder: Path, files: Mapping[str, str], runbook: tuple[str, str] | None = None) -> tuple[Change, ...]:
    """``runbook`` is its name and the section that belongs into it. What a team wrote itself is kept.

    Raises InputError where markers in a file have lost their partner, before anything is written.
    """
    changed = [_change(folder / name, text) for name, text in files.items()]
    if runbook is not None:
        changed.append(_runbook(folder / runbook[0], runbook[1]))
    return tuple(changed)


def _change(path: Path, text: str) -> Change:
    before = _read(path)
    if before is not None and path.suffix == ".md":
        text = kept.with_words(text, kept.words(_decoded(before, path), str(path)))
    return Change(path, before, text.encode())


def _runbook(path: Path, section: str) -> Change:
    before = _read(path)
    own = kept.words(markers.inside(before or b"", str(path)), str(path))
    return Change(path, before, markers.put(before or b"", kept.with_words(section, own), str(path)))


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 ({error.reason} at byte {error.start})"
        raise InputError.at(str(path), what, "save it as UTF-8, or move it away") from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MachineError.at(str(path), f"cannot be read: {error.strerror}", "name another folder") from error


def write(change: Change) -> None:
    """The whole file or nothing. Raises MachineError."""
    try:
        change.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=change.path.parent, prefix=f".{change.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(change.after)
            Path(name).chmod(change.path.stat().st_mode if change.before is not None else 0o644)
            Path(name).replace(change.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MachineError.at(
            str(change.path), f"cannot be written: {error.strerror}", "name another folder"
        ) from error
