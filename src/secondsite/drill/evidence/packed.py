"""A run's evidence as one file: a tar archive under xz, made from a sound folder and from it alone, the same each time.

Readers take either form. A packed run is laid out in a folder of this process's own, which goes when the process
ends, and its chain is checked there like any other. Files of records are kept as `columns` folds them.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path, PurePosixPath

from attrs import evolve

from secondsite.drill.evidence import chain
from secondsite.drill.evidence.columns import folded, unfolded
from secondsite.drill.ledger.envelope import disk_error
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

PACKED = ".evidence"
_FOLDED = ".columns"
_MOST_BYTES = 8 << 30
_REMEDY = "it no longer counts as evidence: restore the file from a copy, or run the drill again"


def is_packed(path: Path) -> bool:
    return path.suffix == PACKED and path.is_file()


def pack(folder: Path) -> Path:
    """The file beside the folder, which is gone then. Raises InputError where the folder is not as its drill left it.

    What was written is read again and checked before anything is removed.
    """
    if problems := chain.check_chain(folder):
        raise InputError(problems)
    target = folder.with_name(folder.name + PACKED)
    aside = target.with_name(target.name + ".new")
    try:
        with aside.open("wb") as file:
            file.write(_archive(folder))
            file.flush()
            os.fsync(file.fileno())
        with tempfile.TemporaryDirectory() as trial:
            _lay_out(aside, Path(trial))
            if problems := chain.check_chain(Path(trial)):
                raise InputError(problems)
        aside.rename(target)
        shutil.rmtree(folder)
    except OSError as error:
        raise disk_error(target, error) from None
    finally:
        aside.unlink(missing_ok=True)
    return target


def laid_out(path: Path) -> Path:
    """The folder that holds the files of a run, packed or not. Raises InputError for what cannot be unpacked."""
    if not is_packed(path):
        return path
    facts = path.stat()
    return _unpacked(path.resolve(), facts.st_mtime_ns, facts.st_size, path)


def check_chain(path: Path) -> tuple[Problem, ...]:
    """As `chain.check_chain`, of either form; what is within a packed run is named behind its file."""
    if not is_packed(path):
        return chain.check_chain(path)
    try:
        folder = laid_out(path)
    except InputError as error:
        return error.problems
    problem = chain.check_chain(folder)
    return tuple(evolve(each, place=Place(each.place.file.replace(str(folder), str(path), 1))) for each in problem)


def _archive(folder: Path) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            raw = path.read_bytes()
            small = folded(raw)
            name = path.relative_to(folder).as_posix() + ("" if small is None else _FOLDED)
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw if small is None else small))
    return lzma.compress(made.getvalue(), preset=9 | lzma.PRESET_EXTREME)


@cache
def _room() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="secondsite-evidence-")


@cache
def _unpacked(path: Path, _changed_ns: int, _size: int, shown: Path) -> Path:
    """Once for each: a file that changed, or has another size, is another run."""
    folder = Path(tempfile.mkdtemp(dir=_room().name)) / path.name.removesuffix(PACKED)
    folder.mkdir()
    try:
        _lay_out(path, folder)
    except (OSError, EOFError, ValueError, lzma.LZMAError, tarfile.TarError) as error:
        raise InputError.at(str(shown), f"cannot be unpacked: {error}", _REMEDY) from None
    return folder


def _lay_out(path: Path, folder: Path) -> None:
    """Raises ValueError for what `pack` did not write."""
    left = _MOST_BYTES
    with tarfile.open(path, "r:xz") as archive:
        for entry in archive:
            name = PurePosixPath(entry.name.removesuffix(_FOLDED))
            if not entry.isfile() or name.is_absolute() or ".." in name.parts:
                raise ValueError(f"{entry.name} does not belong in evidence")
            left -= entry.size
            source = archive.extractfile(entry) if left >= 0 else None
            if source is None:
                raise ValueError(f"more than {_MOST_BYTES >> 30} GiB lie in it")
            raw = source.read()
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(unfolded(raw) if entry.name.endswith(_FOLDED) else raw)
