"""The chain over an evidence folder: every file's digest, each entry bound to the one before, closed by a last hash.

It is written when the drill is over, whole or not at all; a folder without it is no evidence. It shows that
something changed, and what; it is no signature: whoever can write the folder can also write a new chain.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from secondsite.drill.ledger.envelope import disk_error
from secondsite.model.errors import Problem
from secondsite.model.place import Place

CHAIN = "chain.json"
SCHEMA = "secondsite/chain/1"
_FIRST = "0" * 64
_REMEDY = "it no longer counts as evidence: restore the folder from a copy, or run the drill again"


@frozen
class ChainEntry:
    """``path`` is relative to the folder. ``hash`` covers the previous hash and all the rest."""

    path: str
    bytes: int
    sha256: str
    hash: str


def write_chain(folder: Path) -> str:
    """The last hash. All files are on the disk before the chain is; raises MachineError where the disk fails."""
    names = _files(folder)
    path = folder / CHAIN
    aside = folder / f"{CHAIN}.new"
    try:
        links = tuple(_links((_facts(folder, name, sync=True) for name in names), _FIRST))
        with aside.open("w", encoding="utf-8") as file:
            file.write(_text(links))
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        _sync_folder(folder)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise disk_error(path, error) from None
    return _closing(links)


def check_chain(folder: Path) -> tuple[Problem, ...]:
    """What is not as the drill left it: a problem names the file and what happened to it; none where all is."""
    path = folder / CHAIN
    try:
        raw = path.read_bytes()
    except OSError:
        return (_problem(path, "no hash chain: the drill did not finish, or this is not an evidence folder"),)
    links = _parse(raw)
    if links is None:
        return (_problem(path, "was modified after the drill"),)
    return tuple(_differences(folder, links))


def last_hash(folder: Path) -> str:
    """What identifies this evidence as a whole; empty without a sound chain."""
    path = folder / CHAIN
    links = _parse(path.read_bytes()) if path.is_file() else None
    return "" if links is None else _closing(links)


def ledger_digests(folder: Path) -> tuple[str, ...]:
    """What no other run has."""
    path = folder / CHAIN
    links = _parse(path.read_bytes()) if path.is_file() else None
    return tuple(link.sha256 for link in links or () if link.path.endswith(".ledger"))


def _differences(folder: Path, links: Sequence[ChainEntry]) -> Iterator[Problem]:
    previous = _FIRST
    for link in links:
        if link.hash != _link(link.path, link.bytes, link.sha256, previous).hash:
            yield _problem(
                folder / CHAIN, f"the hash chain breaks at {link.path}: entries were changed, removed or moved"
            )
            break
        previous = link.hash
    present = set(_files(folder))
    for link in links:
        if link.path not in present:
            yield _problem(folder / link.path, "is missing")
            continue
        size, digest = _facts(folder, link.path)[1:]
        if size != link.bytes:
            yield _problem(folder / link.path, f"was changed: it had {link.bytes:,} bytes and has {size:,}")
        elif digest != link.sha256:
            yield _problem(folder / link.path, "was changed: its digest differs")
    for name in sorted(present - {link.path for link in links}):
        yield _problem(folder / name, "was added after the drill")


def _problem(path: Path, what: str) -> Problem:
    return Problem(Place(str(path)), what, _REMEDY)


def _files(folder: Path) -> list[str]:
    """All but the chain itself, in the order of the chain."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if (path.is_file() or path.is_symlink()) and path.relative_to(folder).as_posix() not in (CHAIN, f"{CHAIN}.new")
    )


def _facts(folder: Path, name: str, *, sync: bool = False) -> tuple[str, int, str]:
    with (folder / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if sync:
            os.fsync(file.fileno())
        return name, file.tell(), digest


def _links(facts: Iterator[tuple[str, int, str]], previous: str) -> Iterator[ChainEntry]:
    for name, size, digest in facts:
        link = _link(name, size, digest, previous)
        previous = link.hash
        yield link


def _link(path: str, size: int, digest: str, previous: str) -> ChainEntry:
    body = json.dumps([previous, path, size, digest])
    return ChainEntry(path, size, digest, hashlib.sha256(body.encode()).hexdigest())


def _closing(links: Sequence[ChainEntry]) -> str:
    """Binds how many there are, so that a chain cut short is noticed."""
    last = links[-1].hash if links else _FIRST
    return hashlib.sha256(json.dumps([last, len(links)]).encode()).hexdigest()


def _text(links: Sequence[ChainEntry]) -> str:
    files = [asdict(link) for link in links]
    return json.dumps({"schema": SCHEMA, "files": files, "final": _closing(links)}, indent=1) + "\n"


def _parse(raw: bytes) -> tuple[ChainEntry, ...] | None:
    """None for anything but the very text that was written."""
    try:
        plain: Any = json.loads(raw)
        links = tuple(
            ChainEntry(str(e["path"]), int(e["bytes"]), str(e["sha256"]), str(e["hash"])) for e in plain["files"]
        )
    except (ValueError, KeyError, TypeError):
        return None
    return links if _text(links).encode() == raw else None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
