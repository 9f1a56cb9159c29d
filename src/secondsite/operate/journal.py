"""The write-ahead journal: what is about to be done is on disk before it is done, and what came of it after.

JSON lines, each with the hash of the one before, each on disk (fsync) before the call returns. Whatever instant the
controller dies at, the file is a whole history with at most one torn line at its end, which the next opening cuts
off and tells; a line that the disk has no room for is taken back at once. One controller at a time holds a journal, by
a lock that dies with it. An operation that ended is archived, so that the next incident begins a journal of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attrs import evolve, frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.operate.world import Clock

Data = Mapping[str, Any]
FENCED, UNFENCED = "fenced", "unfenced"
FENCED_ON_RETURN, SERVES_AGAIN = "fenced-on-return", "serves-again"
ABORTED, UNDONE = "aborted", "undone"
_DO_AGAIN = "fix that, then resume; this step runs again"
_FIRST = "0" * 64


class EntryKind(StrEnum):
    """``outcome`` ends an attempt, well or badly; an ``intent`` without one was interrupted."""

    PLAN = "plan"
    INTENT = "intent"
    OUTCOME = "outcome"
    NOTE = "note"


class StepState(StrEnum):
    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"
    INTERRUPTED = "interrupted"


@frozen
class JournalEntry:
    """``wall`` is for people; ``monotonic`` orders what one controller did."""

    number: int
    kind: EntryKind
    step: str
    wall: float
    monotonic: float
    data: Data
    previous: str
    hash: str


@frozen
class StepRecord:
    """What is known of a step: its last attempt."""

    state: StepState
    attempts: int
    began: float
    ended: float | None
    facts: Data
    why: str = ""
    remedy: str = ""


class Journal:
    """Append and read; ``with Journal(path, clock) as journal``."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.entries: list[JournalEntry] = []
        self.torn_bytes = 0
        self._clock = clock
        self._descriptor = _open(path)
        try:
            self._read()
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def append(self, kind: EntryKind, step: str, data: Data) -> JournalEntry:
        """On disk when this returns."""
        previous = self.entries[-1].hash if self.entries else _FIRST
        body = {
            "number": len(self.entries),
            "kind": str(kind),
            "step": step,
            "wall": self._clock.wall(),
            "monotonic": self._clock.monotonic(),
            "data": data,
            "previous": previous,
        }
        line = _line(body)
        self._write(line)
        self.entries.append(_entry(json.loads(line)))
        return self.entries[-1]

    def _write(self, line: bytes) -> None:
        whole = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, whole)
            what = f"the journal cannot be written ({error.strerror})"
            raise MachineError.at(str(self.path), what, "free disk space, then resume") from None

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        self.entries = _parse(whole, self.path)
        self.torn_bytes = len(content) - len(whole)
        if self.torn_bytes:
            os.ftruncate(self._descriptor, len(whole))
            os.fsync(self._descriptor)


def from_copy(plain: Sequence[Mapping[str, Any]], path: Path) -> list[JournalEntry]:
    """Entries that were kept elsewhere; raises InputError where they do not follow from each other."""
    return _parse(_lines(plain), path)


def write_copy(path: Path, plain: Sequence[Mapping[str, Any]]) -> None:
    """A journal that was kept elsewhere, put where this machine goes on with it."""
    from_copy(plain, path)
    descriptor = _open(path)
    try:
        if os.fstat(descriptor).st_size:
            raise MachineError.at(str(path), "a journal exists here already", "continue with that one")
        _write_all(descriptor, _lines(plain))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(plain: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(entry, sort_keys=True).encode() + b"\n" for entry in plain)


def read_journal(path: Path) -> list[JournalEntry]:
    """Without the lock: to look while somebody writes. A torn last line is left out."""
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"no journal ({error.strerror})"
        raise InputError.at(str(path), what, "give it with --journal, or start with `run`") from None
    return _parse(content[: content.rfind(b"\n") + 1], path)


def records(entries: list[JournalEntry]) -> dict[str, StepRecord]:
    """By step, what the journal knows of it."""
    by_step: dict[str, StepRecord] = {}
    for entry in entries:
        known = by_step.get(entry.step)
        if entry.kind is EntryKind.INTENT:
            attempts = known.attempts + 1 if known else 1
            facts = entry.data.get("facts") or {}
            by_step[entry.step] = StepRecord(StepState.INTERRUPTED, attempts, entry.wall, None, facts)
        elif entry.kind is EntryKind.OUTCOME and known:
            data = entry.data
            by_step[entry.step] = StepRecord(
                StepState(data["state"]),
                known.attempts,
                known.began,
                entry.wall,
                data.get("facts") or {},
                str(data.get("why", "")),
                str(data.get("remedy", "")),
            )
        elif known and FENCED_ON_RETURN in entry.data:
            by_step[entry.step] = evolve(known, facts={**known.facts, "state": FENCED, "returned": True})
        elif known and UNDONE in entry.data:
            why = str(entry.data[UNDONE])
            by_step[entry.step] = evolve(known, state=StepState.FAILED, facts={}, why=why, remedy=_DO_AGAIN)
        elif known and SERVES_AGAIN in entry.data:
            by_step[entry.step] = evolve(known, facts={**known.facts, "state": SERVES_AGAIN})
    return by_step


class OperationEnd(StrEnum):
    """How far an operation is as a whole."""

    OPEN = "open"
    DONE = "done"
    ABORTED = "aborted"


def end_of(entries: list[JournalEntry]) -> OperationEnd:
    """Done once every step of its plan is."""
    if any(ABORTED in entry.data for entry in entries if not entry.step):
        return OperationEnd.ABORTED
    known = records(entries)
    steps = [step["id"] for step in entries[0].data.get("steps") or ()] if entries else []
    done = steps and all(step in known and known[step].state is StepState.DONE for step in steps)
    return OperationEnd.DONE if done else OperationEnd.OPEN


def archive(journal: Journal) -> Path:
    """Put an operation that ended where it is in nobody's way; its new place. The journal must be held."""
    stamp = datetime.fromtimestamp(journal.entries[0].wall, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = (journal.entries[0].data.get("operation") or {}).get("id", journal.path.stem)
    target = journal.path.parent / "operations" / f"{name}-{stamp}.jsonl"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        journal.path.rename(target)
        _sync_folder(target.parent)
        _sync_folder(journal.path.parent)
    except OSError as error:
        what = f"the journal of the last operation cannot be archived ({error.strerror})"
        raise MachineError.at(str(target), what, "free space there, or move it away") from None
    return target


def unfenced(known: Mapping[str, StepRecord]) -> tuple[str, ...]:
    """Regions that nobody could reach to fence: each may take writes once it returns."""
    return tuple(str(record.facts["region"]) for record in known.values() if record.facts.get("state") == UNFENCED)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        what = f"the journal cannot be opened ({error.strerror})"
        raise MachineError.at(str(path), what, "give a writable path with --journal") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        what = "another controller is using this journal"
        raise MachineError.at(str(path), what, "let it finish or stop it; `status` shows its progress") from None
    if not _is_at(path, descriptor):
        os.close(descriptor)
        raise MachineError.at(str(path), "another controller has just archived this journal", "look at `status`")
    _sync_folder(path.parent)
    return descriptor


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether what was opened and locked still has this name."""
    opened = os.fstat(descriptor)
    try:
        named = path.stat()
    except OSError:
        return False
    return (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_all(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]


def _line(body: Mapping[str, Any]) -> bytes:
    return json.dumps({**body, "hash": _hash(body)}, sort_keys=True).encode() + b"\n"


def _hash(body: Mapping[str, Any]) -> str:
    """Over the entry as it will be read back."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _parse(content: bytes, path: Path) -> list[JournalEntry]:
    entries: list[JournalEntry] = []
    previous = _FIRST
    for number, line in enumerate(content.splitlines(), 1):
        try:
            raw = json.loads(line)
            entry = _entry(raw)
            body = {key: value for key, value in raw.items() if key != "hash"}
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise _broken(path, number) from None
        if entry.hash != _hash(body) or entry.previous != previous:
            raise _broken(path, number)
        entries.append(entry)
        previous = entry.hash
    return entries


def _entry(raw: Mapping[str, Any]) -> JournalEntry:
    """Hashes say that nobody changed a line; they do not say that this is the shape of one."""
    kind = EntryKind(raw["kind"])
    _check_data(kind, raw["data"])
    if not all(math.isfinite(float(raw[name])) for name in ("wall", "monotonic")):
        raise ValueError("no time")
    return JournalEntry(
        number=int(raw["number"]),
        kind=kind,
        step=str(raw["step"]),
        wall=float(raw["wall"]),
        monotonic=float(raw["monotonic"]),
        data=raw["data"],
        previous=str(raw["previous"]),
        hash=str(raw["hash"]),
    )


def _check_data(kind: EntryKind, data: object) -> None:
    """Raises ValueError, KeyError or TypeError for what no controller wrote."""
    if not isinstance(data, Mapping) or not isinstance(data.get("facts") or {}, Mapping):
        raise TypeError("no mapping")
    if kind is EntryKind.OUTCOME:
        StepState(data["state"])
    if not isinstance(data.get("operation") or {}, Mapping):
        raise TypeError("no operation")
    if not all(isinstance(step["id"], str) for step in data.get("steps") or ()):
        raise TypeError("no steps")


def _broken(path: Path, number: int) -> InputError:
    what = "this entry does not match the one before it: the journal was modified"
    return InputError.at(f"{path}:{number}", what, "start again from `plan` with a new journal")
