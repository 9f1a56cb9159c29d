"""Would the tests notice a lie? Mutants of what would lose data or lie, a group of modules at a time.

Works on a copy of HEAD, as mutants are written into the files. A mutant is run against its group's fast tests, those
first that touch the line; without real servers, so that one which only a server would show lives. Of each group a
sample is run, drawn by the seed, the same for the same code; 0 runs all, which takes many hours. Fails when more than
one in twenty of a group live. The sessions stay in build/mutants; ``--again`` runs those once more that lived, after
tests were added, and what a session that was interrupted had left.

    python benchmarks/mutants.py --group check --sample 40 --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

HERE = Path(__file__).parent.parent
GROUPS = HERE / "benchmarks" / "mutants.toml"
SESSIONS = HERE / "build" / "mutants"
MOST_ALIVE = 0.05
_NOT_DRAWN = "not drawn"
_PROCESSOR_S = 40
"""Of processor time, which no other load on the machine uses up: a mutant that never ends is told from a slow one."""
_TEST_S, _COMMAND_S = 120, 900
_PYTEST = (
    f"python -m pytest -x -q -p no:cacheprovider -p mutants_fail_fast --hypothesis-seed=1 --timeout={_TEST_S}"
    " -m 'not slow and not drills'"
)
_TOUCHED = "--cov=src/secondsite --cov-context=test --cov-report="
_FAIL_FAST = """
from hypothesis import Phase, settings

settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate])
settings.load_profile("mutants")
"""
"""A test that fails is enough: no smaller example is looked for, which may take minutes."""


@frozen
class Tally:
    """Of ``possible`` mutants ``run`` were run, and ``alive`` were not noticed; ``same`` neither, and do the same."""

    group: str
    possible: int
    run: int
    alive: tuple[tuple[WorkItem, WorkResult], ...]
    same: int

    @property
    def holds(self) -> bool:
        return len(self.alive) <= MOST_ALIVE * self.run

    def __str__(self) -> str:
        share = f" ({len(self.alive) / self.run:.1%})" if self.run else ""
        same = f", and {self.same} do what the code does" if self.same else ""
        return f"{self.group}: {self.run} of {self.possible:,} mutants run, {len(self.alive)} live{share}{same}"


def main(argv: Sequence[str] | None = None) -> int:
    groups = tomllib.loads(GROUPS.read_text())
    excluded, same = groups.pop("exclude-operators"), groups.pop("same")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--group", choices=["", *groups], default="", help="all, where none is named")
    parser.add_argument("--sample", type=int, default=40, help="mutants of each group; 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="only what lived in the last session, or was not run")
    asked = parser.parse_args(argv)
    SESSIONS.mkdir(parents=True, exist_ok=True)
    tallies = []
    for name in [asked.group] if asked.group else groups:
        with tempfile.TemporaryDirectory() as folder:
            copy = _copy_of_head(Path(folder))
            (copy / "cosmic-ray.toml").write_text(_config(copy, groups[name], excluded))
            _run(name, copy, asked)
        with use_db(str(SESSIONS / f"{name}.sqlite"), WorkDB.Mode.open) as database:
            tallies.append(_tally(name, database, same))
        _show(tallies[-1])
    print("", *tallies, f"seed {asked.seed}", sep="\n")
    return 0 if all(tally.holds for tally in tallies) else 1


def _copy_of_head(folder: Path) -> Path:
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=HERE, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


def _config(copy: Path, group: Mapping[str, Any], excluded: Sequence[str]) -> str:
    """As cosmic-ray reads it."""
    modules = [path for pattern in group["modules"] for path in sorted(copy.glob(pattern)) if path.stem != "__init__"]
    assert modules
    (copy / "mutants_fail_fast.py").write_text(_FAIL_FAST)
    tests = shlex.join(group["tests"])
    (copy / "mutants.sh").write_text(
        f"ulimit -t {_PROCESSOR_S}\nPYTHONPATH=src:. exec python benchmarks/mutants_near.py {_PYTEST} -- {tests}\n"
    )
    (copy / "touched.sh").write_text(f"PYTHONPATH=src:. COVERAGE_FILE=near.db exec {_PYTEST} {_TOUCHED} {tests}\n")
    shutil.copytree(copy / "src", copy / "before" / "src")
    lines = [
        "[cosmic-ray]",
        f"module-path = {[str(path.relative_to(copy)) for path in modules]!r}",
        f"timeout = {_COMMAND_S}.0",
        "excluded-modules = []",
        'test-command = "sh mutants.sh"',
        "[cosmic-ray.distributor]",
        'name = "local"',
        "[cosmic-ray.filters.operators-filter]",
        f"exclude-operators = {list(excluded)!r}",
    ]
    return "\n".join(lines)


def _run(group: str, copy: Path, asked: argparse.Namespace) -> None:
    session = SESSIONS / f"{group}.sqlite"
    if asked.again:
        _forget_alive(session)
    else:
        session.unlink(missing_ok=True)
        _cosmic(copy, "cosmic-ray", "init", "cosmic-ray.toml", session)
        _cosmic(copy, "cr-filter-operators", session, "cosmic-ray.toml")
        if asked.sample:
            with use_db(str(session), WorkDB.Mode.open) as database:
                _draw(database, asked.sample, asked.seed)
    _cosmic(copy, "sh", "touched.sh", compiling=True)
    _cosmic(copy, "cosmic-ray", "exec", "cosmic-ray.toml", session)


def _cosmic(copy: Path, *command: str | Path, compiling: bool = False) -> None:
    """What the first run of the tests compiled (``compiling``) is taken by all later ones. No mutant leaves any: one of
    the same size, within the same second, would be taken for another."""
    search = f"{HERE / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    kept = {} if compiling else {"PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, cwd=copy, check=True, env={**os.environ, "PATH": search, **kept})


def _draw(database: WorkDB, size: int, seed: int) -> None:
    """All but the sample are skipped. A session names its mutants anew each time: their order is that of the code."""
    pending = sorted(database.pending_work_items, key=_place)
    kept = {item.job_id for item in random.Random(seed).sample(pending, min(size, len(pending)))}
    skipped = WorkResult(WorkerOutcome.SKIPPED, output=_NOT_DRAWN)
    database.set_multiple_results([item.job_id for item in pending if item.job_id not in kept], skipped)


def _place(item: WorkItem) -> tuple[str, tuple[int, int], str, int]:
    mutation = item.mutations[0]
    return str(mutation.module_path), mutation.start_pos, mutation.operator_name, mutation.occurrence


def _forget_alive(session: Path) -> None:
    with contextlib.closing(sqlite3.connect(session)) as database, database:
        database.execute("DELETE FROM work_results WHERE test_outcome = 'SURVIVED'")


def _tally(group: str, database: WorkDB, same: Mapping[str, str]) -> Tally:
    done = database.completed_work_items
    run = [(item, result) for item, result in done if result.worker_outcome is WorkerOutcome.NORMAL]
    drawn = [item for item, result in done if result.output == _NOT_DRAWN]
    survived = [(item, result) for item, result in run if result.test_outcome is TestOutcome.SURVIVED]
    alive = [(item, result) for item, result in survived if _changed(result) not in same]
    alive.sort(key=lambda pair: _place(pair[0]))
    return Tally(group, len(run) + len(drawn), len(run), tuple(alive), len(survived) - len(alive))


def _changed(result: WorkResult) -> str:
    """The line, or lines, that the mutant has in place of the code's; where it has none, what it lacks before which."""
    lines = [line for line in result.diff.splitlines() if line[:3] not in {"---", "+++"}]
    if written := [line[1:].strip() for line in lines if line[:1] == "+"]:
        return " ".join(written)
    lacking = [at for at, line in enumerate(lines) if line[:1] == "-"]
    return " ".join(lines[at][1:].strip() for at in (*lacking, lacking[-1] + 1)).strip() if lacking else ""


def _show(tally: Tally) -> None:
    for item, result in tally.alive:
        print(f"\n{item.mutations[0].operator_name}\n{result.diff}")
    print(tally, flush=True)


if __name__ == "__main__":
    sys.exit(main())
