"""Evaluations between verbs: what one verb has found, the next one reads, as long as nothing it was made of changed.

An entry is named by a digest of all that its figures come from: the system as read, every figure, price and round
trip, the options, this code and numpy. It is text with a digest of its own, and only what an evaluation is made of is
built from it; what does not fit its digest is as good as not there. Entries are written whole or not at all, for their
owner alone, and the oldest go when there are too many.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import secondsite
from secondsite.model.errors import InputError, MachineError

if TYPE_CHECKING:
    from secondsite.catalogue.bundle import Catalogue
    from secondsite.evaluate.evaluation import Assessment, Evaluation
    from secondsite.evaluate.parallel import ParallelMap
    from secondsite.model.strategy import Strategy
    from secondsite.model.system import System

_LOG = logging.getLogger(__name__)
NO_CACHE = "SECONDSITE_NO_CACHE"
HELP = "Compute again; read and write no cache."
MOST_ENTRIES, MOST_BYTES = 32, 128 * 2**20
_ROOMS = ("model", "catalogue", "strategies", "audit", "evaluate")
"""The code that an evaluation comes from."""


def system_at(file: Path) -> System:
    """The system of a file, its values placed by the file's own name: they are the same wherever a verb is called."""
    from secondsite.discover.system_file.reading import load_system, load_text, read_system

    try:
        return read_system(load_text(file), file.name)
    except InputError:
        return load_system(file)  # says where by the whole path


def evaluated(
    system: System,
    catalogue: Catalogue,
    *,
    years: int,
    seed: int,
    strategies: Sequence[Strategy] = (),
    workers: str = "",
    anew: bool = False,
) -> Evaluation:
    """Computed, or read where a verb has found the same; ``anew``: neither read nor kept."""
    from secondsite.audit.registry import audit
    from secondsite.cli.progress import years_progress
    from secondsite.evaluate.compare import compare

    entry = None if anew else entry_of(system, catalogue, years, seed, strategies)
    known = read(entry) if entry else None
    if known is not None:
        _LOG.debug("evaluation read from the cache")
        return known
    with parallel(workers) as parallel_map, years_progress(years) as progress:
        evaluation = compare(
            system,
            catalogue,
            audit,
            seed=seed,
            years=years,
            strategies=strategies,
            parallel_map=parallel_map,
            progress=progress,
        )
    if entry:
        keep(entry, evaluation)
    return evaluation


def recommended(file: Path) -> Assessment:
    """What ``evaluate`` recommends without options, or comes nearest where nothing holds. Raises InputError."""
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.evaluate.compare import YEARS

    return evaluated(system_at(file), load_catalogue(file.parent / USER_FOLDER), years=YEARS, seed=1).recommended


def all_evaluated(
    systems: Sequence[System],
    catalogue: Catalogue,
    *,
    years: int,
    seed: int,
    strategies: Sequence[Strategy] = (),
    workers: str = "",
    anew: bool = False,
) -> tuple[Evaluation, ...]:
    """The same for several systems: what is not known yet is computed side by side."""
    from secondsite.audit.registry import audit
    from secondsite.evaluate.compare import evaluate_many

    entries = [None if anew else entry_of(system, catalogue, years, seed, strategies) for system in systems]
    known = [read(entry) if entry else None for entry in entries]
    missing = [index for index, evaluation in enumerate(known) if evaluation is None]
    if missing:
        with parallel(workers) as parallel_map:
            computed = evaluate_many(
                [systems[index] for index in missing],
                catalogue,
                audit,
                seed=seed,
                years=years,
                strategies=strategies,
                parallel_map=parallel_map,
            )
        for index, evaluation in zip(missing, computed, strict=True):
            known[index] = evaluation
            if entry := entries[index]:
                keep(entry, evaluation)
    return tuple(evaluation for evaluation in known if evaluation is not None)


@contextmanager
def parallel(workers: str) -> Iterator[ParallelMap]:
    """In this process, or over the Dask cluster that is named."""
    from secondsite.evaluate.parallel import here

    if not workers:
        yield here
        return
    from secondsite.cli.workers import distributed_over

    with distributed_over(workers) as parallel_map:
        yield parallel_map


def entry_of(
    system: System, catalogue: Catalogue, years: int, seed: int, strategies: Sequence[Strategy]
) -> Path | None:
    """Where an evaluation of just this is kept; None where this machine has no place for one."""
    from secondsite.evaluate.recorded import record
    from secondsite.lab.folders import cache as users_cache

    try:
        folder, code = users_cache() / "evaluations", _code()
    except (MachineError, OSError):
        return None
    options = (years, seed, tuple(strategy.id for strategy in strategies))
    parts = (code, record(options), record(catalogue), record(system))
    return folder / hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _code() -> str:
    """A digest of this version's code, byte by byte: a checkout changes without a new version."""
    root = Path(secondsite.__file__).parent
    digest = hashlib.sha256(f"{secondsite.__version__} numpy {version('numpy')}".encode())
    for path in sorted(path for room in _ROOMS for path in (root / room).rglob("*") if path.suffix in _SOURCES):
        digest.update(f"\n{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


_SOURCES = (".py", ".csv", ".toml")


def read(entry: Path) -> Evaluation | None:
    """None where there is none, or one that cannot be what was written."""
    from secondsite.evaluate.recorded import UnreadableError, evaluation_of

    try:
        packed = entry.read_bytes()
        digest, body = packed[:32], packed[32:]
        if hashlib.sha256(body).digest() != digest:
            return None
        evaluation = evaluation_of(zlib.decompress(body).decode())
        os.utime(entry)  # the oldest go first
    except (OSError, zlib.error, UnicodeDecodeError, UnreadableError):
        return None
    return evaluation


def keep(entry: Path, evaluation: Evaluation) -> None:
    """Where nothing can be written, the next verb computes again: no reason to fail."""
    from secondsite.evaluate.recorded import record

    body = zlib.compress(record(evaluation).encode(), 1)
    with suppress(OSError):
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=entry.parent, prefix=".writing-")
        with _removed_unless_moved(Path(name)):
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            Path(name).replace(entry)
        _prune(entry.parent)


@contextmanager
def _removed_unless_moved(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _prune(folder: Path) -> None:
    """The newest stay, as many as fit."""
    entries = [(path.stat(), path) for path in folder.iterdir() if path.is_file()]
    size = 0
    for count, (stat, path) in enumerate(sorted(entries, key=lambda entry: -entry[0].st_mtime), 1):
        size += stat.st_size
        if count > MOST_ENTRIES or size > MOST_BYTES:
            path.unlink(missing_ok=True)
