"""The folder that a drill leaves: what was configured, what happened, what was promised, what was there in the end.

``manifest.json``, ``timeline.jsonl``, ``journal.jsonl``, ``ledger/``, ``finals/``, ``config/``, ``logs/``,
``verdicts.json`` and, last of all and only when everything else is on the disk, ``chain.json``. A drill that dies
leaves a folder without a chain, which is no evidence. A folder may be packed to one file. No value that lets somebody
in is in any of the files.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attrs import evolve, frozen

from secondsite.drill.evidence.chain import CHAIN, write_chain
from secondsite.drill.evidence.events import TimelineEvent, journal_events, read_events
from secondsite.drill.evidence.manifest import DrillManifest, from_text, to_json
from secondsite.drill.evidence.packed import check_chain, is_packed, laid_out
from secondsite.drill.evidence.redact import blanked, leaks
from secondsite.drill.ledger.envelope import disk_error
from secondsite.drill.ledger.ledger import ledgers_in
from secondsite.model.errors import InputError, MachineError, Problem
from secondsite.model.place import Place
from secondsite.model.redact import redacted
from secondsite.operate.journal import read_journal

__all__ = ["Below", "Evidence", "EvidenceWriter", "check_chain", "evidence_below", "read_evidence"]

EVIDENCE_FOLDER = Path(".secondsite") / "evidence"
COMMITTED_FOLDER = Path("evidence")
MANIFEST = "manifest.json"
TIMELINE = "timeline.jsonl"
VERDICTS = "verdicts.json"
JOURNAL = "journal.jsonl"
SALVAGE, REJOINED = "salvage", "rejoined"
_PARTS = ("ledger", "finals", "config", "logs")


class EvidenceWriter:
    """Use as a context; without `close` the folder is no evidence. ``secrets`` are values that must not get in."""

    def __init__(self, folder: Path, manifest: DrillManifest, secrets: Iterable[str]) -> None:
        self.folder = folder
        self.manifest = manifest
        self._secrets = frozenset(secrets)
        self._timeline = -1

    @classmethod
    def create(cls, root: Path, manifest: DrillManifest, secrets: Iterable[str] = ()) -> Self:
        """A new folder below ``root``, with the manifest in it. Raises MachineError where it cannot be made."""
        writer = cls(_new_folder(root, manifest), manifest, secrets)
        writer.write_json(MANIFEST, to_json(manifest))
        path = writer.folder / TIMELINE
        try:
            writer._timeline = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise disk_error(path, error) from None
        return writer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_timeline()

    @property
    def ledgers(self) -> Path:
        """Where the load writes its ledgers."""
        return self.folder / "ledger"

    @property
    def finals(self) -> Path:
        """Where final reads are saved."""
        return self.folder / "finals"

    @property
    def journal(self) -> Path:
        """Where the executor may keep its journal."""
        return self.folder / JOURNAL

    def event(self, name: str, at_ns: int | None = None, wall_ns: int | None = None, /, **data: Any) -> TimelineEvent:
        """Now, or at a moment that was noted before; on the disk when this returns."""
        now_ns, now_wall_ns = time.monotonic_ns(), time.time_ns()
        at_ns = now_ns if at_ns is None else at_ns
        wall_ns = now_wall_ns - (now_ns - at_ns) if wall_ns is None else wall_ns
        event = TimelineEvent(str(name), at_ns, wall_ns, blanked(data, self._secrets))
        self._append(event.line())
        return event

    def take_journal(self, path: Path | None = None) -> None:
        """A controller's journal from elsewhere, or the one that lies here; its steps go to the timeline."""
        if path and path != self.journal:
            self._write(JOURNAL, path.read_text(encoding="utf-8"))
        for event in journal_events(read_journal(self.journal)):
            self._append(evolve(event, data=blanked(event.data, self._secrets)).line())

    def add_config(self, name: str, text: str) -> None:
        self._write(f"config/{name}", redacted(text, self._secrets))

    def add_log(self, path: Path, name: str = "") -> None:
        """Line by line: a log may be larger than memory."""
        target = self.folder / "logs" / (name or path.name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open(encoding="utf-8", errors="replace") as source, target.open("w", encoding="utf-8") as out:
                for line in source:
                    out.write(redacted(line, self._secrets))
        except OSError as error:
            raise disk_error(target, error) from None

    def write_json(self, name: str, value: Any) -> None:
        self._write(name, json.dumps(value, indent=1, allow_nan=False) + "\n")

    def close(self) -> str:
        """Writes the chain; the hash that closes it. Raises MachineError, and writes none, where a secret got in."""
        self._end_timeline()
        self._blank_client_settings()
        leaked = leaks(self.folder, self._secrets)
        if leaked:
            remedy = "do not keep this folder: delete it, and report how the value got into it"
            raise MachineError(
                [Problem(Place(str(path)), "holds a secret value of the lab", remedy) for path in leaked]
            )
        return write_chain(self.folder)

    def _blank_client_settings(self) -> None:
        """Clients are told their key by a file beside their ledger."""
        for path in self.ledgers.glob("*.json"):
            before = path.read_text(encoding="utf-8")
            after = redacted(before, self._secrets)
            if after != before:
                self._write(path.relative_to(self.folder).as_posix(), after)

    def _append(self, line: str) -> None:
        try:
            os.write(self._timeline, line.encode())
            os.fsync(self._timeline)
        except OSError as error:
            raise disk_error(self.folder / TIMELINE, error) from None

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise disk_error(path, error) from None

    def _end_timeline(self) -> None:
        if self._timeline >= 0:
            os.close(self._timeline)
            self._timeline = -1


@frozen
class Evidence:
    """What one drill left, as far as judging needs it; the large files are read by those who need them.

    ``path`` is where it was found, a folder or one packed file; ``folder`` is where its files lie.
    """

    path: Path
    folder: Path
    manifest: DrillManifest
    events: tuple[TimelineEvent, ...]

    @property
    def ledgers(self) -> Sequence[Path]:
        return ledgers_in(self.folder / "ledger")

    @property
    def summaries(self) -> Sequence[Path]:
        """What the load's processes counted."""
        return sorted((self.folder / "ledger").glob("*.summary.json"))

    @property
    def finals(self) -> Path:
        return self.folder / "finals"


@frozen
class Below:
    """What lies below a folder: runs that ended, in their order, those that did not, and links that lead nowhere."""

    ended: tuple[Path, ...]
    unfinished: tuple[Path, ...]
    dangling: tuple[Path, ...] = ()


def read_evidence(path: Path) -> Evidence:
    """Raises InputError for what no drill wrote. Does not check the chain."""
    folder = laid_out(path)
    manifest = folder / MANIFEST
    try:
        text = manifest.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        remedy = f"name a folder that `secondsite drill` wrote, such as one below {EVIDENCE_FOLDER}"
        raise InputError.at(str(path), "is not an evidence folder: it has no manifest.json", remedy) from None
    return Evidence(path, folder, from_text(text, str(path / MANIFEST)), read_events(folder / TIMELINE))


def evidence_below(root: Path) -> Below:
    """``root`` may be a run itself."""
    if is_single(root):
        candidates, dangling = [root], []
    else:
        entries = sorted(root.glob("*"))
        candidates = [path for path in entries if is_single(path)]
        dangling = [path for path in entries if path.is_symlink() and not path.exists()]
    ended = tuple(path for path in candidates if is_packed(path) or (path / CHAIN).is_file())
    return Below(ended, tuple(path for path in candidates if path not in ended), tuple(dangling))


def is_single(path: Path) -> bool:
    """Whether it is one drill's, rather than a folder of many."""
    return is_packed(path) or any((path / name).is_file() for name in (MANIFEST, CHAIN))


def _new_folder(root: Path, manifest: DrillManifest) -> Path:
    when = manifest.started_at.translate(str.maketrans("", "", ":-")).partition(".")[0].removesuffix("+0000")
    name = f"{when}-{manifest.drill}-{manifest.strategy.replace('/', '-')}-{manifest.run}"
    for attempt in range(1, 1000):
        folder = root / (name if attempt == 1 else f"{name}.{attempt}")
        try:
            folder.mkdir(parents=True)
            for part in _PARTS:
                (folder / part).mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise disk_error(folder, error) from None
        return folder
    raise MachineError.at(
        str(root / name), "there are already a thousand folders of this name", "give another --evidence folder"
    )


def usual_folders(home: Path) -> tuple[Path, ...]:
    """Where evidence on the system file of this folder lies: drilled here, and committed as campaigns."""
    committed = home / COMMITTED_FOLDER
    kept = committed.is_dir() and any(committed.glob("*.campaign"))
    return (home / EVIDENCE_FOLDER, committed) if kept else (home / EVIDENCE_FOLDER,)
