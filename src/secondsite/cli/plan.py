"""``secondsite plan``: a step of the roadmap as task lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from secondsite.cli.evaluations import HELP, NO_CACHE
from secondsite.cli.options import SYSTEM_FILE
from secondsite.model.errors import EXIT_HOLDS, InputError


def plan(
    name: Annotated[str, Parameter(help="Name or number of a step; lists the steps by default.")] = "",
    *,
    file: Annotated[Path, Parameter(help="The system.")] = SYSTEM_FILE,
    years: Annotated[PositiveInt, Parameter(help="Years to simulate.")] = 200_000,
    seed: Annotated[NonNegativeInt, Parameter(help="Random seed; the same seed gives the same figures.")] = 1,
    json_: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
    no_cache: Annotated[bool, Parameter(help=HELP, env_var=NO_CACHE, negative="")] = False,
) -> int:
    """Print a step of the roadmap as tasks that can be pasted into an issue tracker, as Markdown or JSON."""
    from secondsite.cli.publish import gather
    from secondsite.publish.content.comparison import provider_of
    from secondsite.publish.content.roadmap import roadmap
    from secondsite.publish.content.tasks import as_json, as_markdown

    inputs = gather(file, file.parent, None, "", years, seed, anew=no_cache)
    steps = roadmap(inputs, provider_of(inputs.evaluation))
    if not name:
        for step in steps:
            print(f"{step.number}  {step.slug:28} {step.assessment.strategy.id}")
        return EXIT_HOLDS
    chosen = next((step for step in steps if name.lower() in (str(step.number), step.slug, step.name.lower())), None)
    if chosen is None:
        known = ", ".join(step.slug for step in steps) or "there are no steps: the recommendation is to stay as today"
        raise InputError.at(name, "is not a step of the roadmap", f"name one of: {known}")
    print(
        json.dumps(as_json(chosen), indent=2, ensure_ascii=False) if json_ else as_markdown(chosen),
        end="\n" if json_ else "",
    )
    return EXIT_HOLDS
