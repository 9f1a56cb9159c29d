"""``secondsite demo``: the main job on the example, from its manifests to the report."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from shlex import join
from typing import Annotated

from cyclopts import Parameter

from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN, InputError

FOLDER = Path("secondsite-demo")
_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "example", _PACKAGE.parents[1] / "examples" / "kgents")
"""Where the example lies: in what was installed, or in the repository."""
_TAKEN = ("manifests", "secondsite.yaml")
_STRATEGIES = [
    *("--strategy", "warm-standby/leafnode-mirror/failover-record"),
    *("--strategy", "warm-standby/supercluster-mirror@today"),
]
"""The recommendation, and the plan on paper on the servers that run today."""
_STEPS: tuple[tuple[list[str], tuple[int, ...]], ...] = (
    (["init", "manifests", "--yes"], (EXIT_HOLDS,)),
    (["audit", "--brief", "--fail-on", "never"], (EXIT_HOLDS,)),
    (["evaluate"], (EXIT_HOLDS,)),
    (
        ["drill", "region-loss", *_STRATEGIES],
        (EXIT_HOLDS, EXIT_DOES_NOT_HOLD, EXIT_UNPROVEN),
    ),
    (["publish", "saas"], (EXIT_HOLDS,)),
)
"""Each with the exit codes that are meant: the second strategy of the drill is one that fails."""


def demo(folder: Path = FOLDER, *, dry_run: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Discover, audit, evaluate, drill and publish the example: two minutes, on real servers, in a folder of its own.

    Parameters
    ----------
    folder
        New folder for the copy of the example.
    dry_run
        Print the commands without running them.
    """
    from secondsite.cli.__main__ import run

    if not dry_run:
        _copy(folder)
    with contextlib.nullcontext() if dry_run else contextlib.chdir(folder):
        for number, (arguments, meant) in enumerate(_STEPS, 1):
            print(f"\n# {number}/{len(_STEPS)}  secondsite {join(arguments)}", flush=True)
            code = EXIT_HOLDS if dry_run else run(arguments)
            if code not in meant:
                return code
    print(f"\nThe report to open: {folder / 'saas' / 'report.html'}")
    return EXIT_HOLDS


def _copy(folder: Path) -> None:
    """Raises InputError where something lies in the way, or the example was not installed."""
    example = next((place for place in _PLACES if (place / _TAKEN[0]).is_dir()), None)
    if example is None:
        raise InputError.at(str(_PLACES[0]), "the example is not installed", "install secondsite from its wheel")
    if folder.exists() and any(folder.iterdir()):
        raise InputError.at(str(folder), "is not empty", f"name a new folder: secondsite demo {folder}-2")
    shutil.copytree(example / _TAKEN[0], folder / _TAKEN[0], dirs_exist_ok=True)
    shutil.copy(example / _TAKEN[1], folder / _TAKEN[1])
