"""``secondsite drill explore``: search for a schedule of faults under which a failover or a failback breaks a law."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveFloat, PositiveInt

from secondsite.cli.options import SYSTEM_FILE
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_ENVIRONMENT, EXIT_HOLDS, InputError

if TYPE_CHECKING:
    from secondsite.drill.explore.search import Explored

_STRATEGY = "warm-standby/leafnode-mirror"


def explore(
    *,
    file: Annotated[Path, Parameter(help="The system file.")] = SYSTEM_FILE,
    minutes: Annotated[PositiveFloat, Parameter(help="Minutes during which new schedules are started.")] = 5.0,
    seed: Annotated[
        NonNegativeInt, Parameter(help="Seed of the first schedule; each further schedule takes the next number.")
    ] = 1,
    strategy: Annotated[str, Parameter(help="Strategy.")] = _STRATEGY,
    rate: Annotated[PositiveFloat, Parameter(help="Load, in writes a second.")] = 60.0,
    jobs: Annotated[PositiveInt, Parameter(help="Schedules at the same time.")] = 2,
    schedule: Annotated[Path | None, Parameter(help="Run only this schedule again.")] = None,
    control: Annotated[
        str,
        Parameter(
            help="Negative control: run with a known defect (`no-salvage`, `no-fence`), which the search must find."
        ),
    ] = "",
    folder: Annotated[
        Path | None, Parameter(help="Folder for failing schedules; .secondsite/schedules by default.")
    ] = None,
    json_: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> int:
    """Draw schedules of faults, play each on real servers under load, and check the laws after every step.

    A schedule that breaks a law is shrunk and written to a file that `--schedule` runs again. Exit code 0 when every
    law held, 1 when one did not, 4 where nothing could be played.
    """
    from secondsite.discover.system_file.reading import load_system
    from secondsite.drill.explore.schedule import read_schedule
    from secondsite.drill.explore.search import Search
    from secondsite.drill.explore.spoiled import executors
    from secondsite.drill.explore.supported import why_not_played
    from secondsite.evaluate.explain import parse_strategy

    chosen = parse_strategy(strategy)
    if why := why_not_played(chosen):
        what = f"{chosen.id} cannot be explored: {why}"
        raise InputError.at(
            "--strategy", what, "choose a strategy with a leaf-node mirror; `secondsite drill` runs the others"
        )
    load_system(file)
    executors(control)
    root = folder or file.parent / ".secondsite" / "schedules"
    search = Search(file.resolve(), chosen.id, root, _show, rate, jobs)
    if schedule is not None:
        done = [search.play(read_schedule(schedule))]
        _show(done[0])
    else:
        done = search.drawn(seed, minutes, control)
    played = [one for one in done if one.played]
    if json_:
        plain = {"schema": "secondsite/exploration/1", "schedules": [dict(one.plain()) for one in done]}
        print(json.dumps(plain, indent=2))
    else:
        print(_closing(done))
    if not played:
        return EXIT_ENVIRONMENT
    return EXIT_DOES_NOT_HOLD if any(one.laws for one in played) else EXIT_HOLDS


def _show(explored: Explored) -> None:
    """A line as soon as it is known, and what it broke."""
    plain = explored.plain()
    verdict = {True: "holds", False: "BREAKS", None: "not played"}[plain["holds"]]
    print(f"{verdict}: {plain['schedule']}", file=sys.stderr)
    for breach in plain["breaches"]:
        print(f"  {breach}", file=sys.stderr)
    if explored.died:
        print(f"  {explored.died}", file=sys.stderr)
    if explored.least:
        print(f"  least: {explored.least.text}; run it again: --schedule {explored.file}", file=sys.stderr)
    sys.stderr.flush()


def _closing(done: list[Explored]) -> str:
    played = [one for one in done if one.played]
    broken = [one for one in played if one.laws]
    seeds = [one.schedule.seed for one in done]
    text = f"{len(played)} schedules played (seeds {min(seeds)} to {max(seeds)}), {len(broken)} broke a law"
    if left := len(done) - len(played):
        text += f", {left} could not be played"
    silences = [(s, name) for one in played if one.played for name, s in one.played.silences_s.items()]
    for name in dict.fromkeys(name for _, name in silences):
        longest = max(seconds for seconds, of in silences if of == name)
        text += f"\nlongest time without a writer during a {name}, faults included: {longest:.1f} s"
    most_s = max((one.played.overlap_s for one in played if one.played), default=0.0)
    if most_s:
        taken = sum(one.played.overlap for one in played if one.played)
        text += f"\n`writers: available`: {taken} writes were taken beside the other region, for {most_s:.1f} s at most"
    return text
