"""``secondsite drill``: run the plan on real servers, take the region away, and count what was lost."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveFloat, PositiveInt

from secondsite.cli.options import SYSTEM_FILE
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN

if TYPE_CHECKING:
    from secondsite.drill.run import RunResult
    from secondsite.drill.setup import Setup
    from secondsite.model.measurement import Measurement
    from secondsite.model.strategy import Strategy
    from secondsite.model.system import System

DEFAULT_STRATEGY = "warm-standby/leafnode-mirror"


def drill(
    fault: Annotated[str, Parameter(help="Which drill; `--list` shows all.")] = "region-loss",
    *,
    file: Annotated[Path, Parameter(help="The system to drill.")] = SYSTEM_FILE,
    strategy: Annotated[
        tuple[str, ...],
        Parameter(help="pattern/link, or pattern/link@VERSION (@today: as the system is, nothing prepared)."),
    ] = (DEFAULT_STRATEGY,),
    runs: Annotated[PositiveInt, Parameter(help="Repetitions, for a bound at the contract's confidence.")] = 1,
    profile: Annotated[str, Parameter(help="quick: checks of 1 s, TTL 2 s; production: the strategy's own.")] = "quick",
    seed: Annotated[NonNegativeInt, Parameter(help="Same seed, same schedule of faults.")] = 1,
    rate: Annotated[PositiveFloat, Parameter(help="Writes a second.")] = 100.0,
    nats_version: Annotated[str, Parameter(help="Of every server; `today` for what the system runs.")] = "",
    evidence: Annotated[Path | None, Parameter(help="Folder for evidence; .secondsite/evidence by default.")] = None,
    list_: Annotated[bool, Parameter(name="--list", negative="", help="Show what there is and end.")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="", help="For machines.")] = False,
) -> int:
    """Lay a strategy out on real processes, load it, break it, fail over by its own procedure, count what is lost.

    Exit code 0 when every contract it ran held, 1 when one did not, 3 where nothing was proven, 4 where this machine
    cannot run it.
    """
    from secondsite.discover.system_file.reading import load_system
    from secondsite.drill.registry import DRILLS, find_drill

    if list_:
        print("\n".join(f"{found.id:24}{found.title}" for found in DRILLS.values()))
        return EXIT_HOLDS
    chosen = find_drill(fault)
    system = load_system(file)
    setups = [_setup(system, file, text, profile, seed, nats_version, rate) for text in strategy]
    root = evidence or file.parent / ".secondsite" / "evidence"
    results = [result for setup in setups for result in _series(chosen.id, setup, root, runs)]
    _print(results, json_)
    return _exit_code(results)


def _setup(system: System, file: Path, text: str, profile: str, seed: int, nats_version: str, rate: float) -> Setup:
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.drill.setup import make_setup

    name, _, version = text.partition("@")
    return make_setup(
        system,
        load_catalogue(file.parent / USER_FOLDER),
        _strategy(name),
        profile_name=profile,
        seed=seed,
        nats_version=version or nats_version,
        rate_per_s=rate,
    )


def _strategy(text: str) -> Strategy:
    from secondsite.evaluate.explain import parse_strategy

    return parse_strategy(text)


def _series(name: str, setup: Setup, root: Path, runs: int) -> list[RunResult]:
    import asyncio

    from secondsite.drill.registry import find_drill
    from secondsite.drill.run import run_drill

    chosen = find_drill(name)
    tell = teller(f"{name}, {setup.strategy.id}, seed {setup.seed}")
    return [asyncio.run(run_drill(chosen, setup, root, tell, run=number)) for number in range(1, runs + 1)]


def teller(title: str) -> Callable[[str], None]:
    """Progress goes to standard error, a line for each event, with the seconds since the beginning."""
    import time

    begin = time.monotonic()
    print(title, file=sys.stderr)

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begin:7.1f} s  {what}", file=sys.stderr, flush=True)

    return tell


def _print(results: list[RunResult], as_json: bool) -> None:
    groups = _groups(results)
    if as_json:
        from secondsite.publish.drill_json import drill_json

        found = [drill_json(group, _measured(group)) for group in groups]
        print(json.dumps(found[0] if len(found) == 1 else found, indent=2, allow_nan=False))
        return
    from rich.console import Console

    from secondsite.publish.drill_text import WIDTH, render_drills

    measurements = [each for group in groups if len(group) > 1 for each in _measured(group)]
    render_drills(results, Console(width=WIDTH, highlight=False), measurements)


def _groups(results: list[RunResult]) -> list[list[RunResult]]:
    """Runs of one drill of one strategy belong together."""
    found: dict[tuple[str, str, str], list[RunResult]] = {}
    for result in results:
        found.setdefault((result.drill.id, result.setup.strategy.id, result.version), []).append(result)
    return list(found.values())


def _measured(group: list[RunResult]) -> list[Measurement]:
    from secondsite.drill.evidence import read_evidence
    from secondsite.drill.measurements import Run, measured

    runs = [Run(read_evidence(result.evidence), result.judgement) for result in group]
    ran = group[0].drill.subjects
    return [found for contract, found in measured(runs) if contract.subject in ran]


def _exit_code(results: list[RunResult]) -> int:
    from secondsite.model.contract import Verdict

    verdicts = {result.verdict for result in results}
    if Verdict.BREACHED in verdicts:
        return EXIT_DOES_NOT_HOLD
    return EXIT_UNPROVEN if Verdict.UNPROVEN in verdicts else EXIT_HOLDS
