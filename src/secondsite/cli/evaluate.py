"""``secondsite evaluate``: the strategies side by side, and one recommendation."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from secondsite.cli.options import SYSTEM_FILE
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS


def evaluate(
    *,
    file: Annotated[Path, Parameter(help="The system to evaluate.")] = SYSTEM_FILE,
    strategy: Annotated[tuple[str, ...], Parameter(help="Only these (pattern/link); all when left out.")] = (),
    years: Annotated[PositiveInt, Parameter(help="Years to simulate.")] = 200_000,
    seed: Annotated[NonNegativeInt, Parameter(help="Same seed, same figures.")] = 1,
    explain: Annotated[str, Parameter(help="Walk from one figure to its sources: STRATEGY:FIGURE.")] = "",
    html: Annotated[Path | None, Parameter(help="Write a report in one offline page.")] = None,
    json_: Annotated[bool, Parameter(name="--json", negative="", help="For machines.")] = False,
    workers: Annotated[str, Parameter(help="Spread the study over a cluster: dask://HOST:PORT.")] = "",
    catalogue: Annotated[Path | None, Parameter(help="Folder with your own prices and round trips.")] = None,
) -> int:
    """Compare the multi-region strategies of the system: RTO, RPO, availability, cost, effort, hazards.

    Exit code 0 when a strategy is expected to hold every contract, 1 when none is, 2 for bad input.
    """
    from rich.console import Console

    from secondsite.audit.registry import audit
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.cli.progress import years_progress
    from secondsite.cli.workers import spread_over
    from secondsite.discover.system_file.reading import load_system
    from secondsite.evaluate.compare import compare
    from secondsite.evaluate.explain import find, lines, parse_strategy
    from secondsite.evaluate.study import here
    from secondsite.strategies.registry import STRATEGIES

    system = load_system(file)
    chosen = tuple(parse_strategy(text) for text in strategy) or STRATEGIES
    with spread_over(workers) if workers else nullcontext(here) as spread, years_progress(years) as progress:
        evaluation = compare(
            system,
            load_catalogue(catalogue or file.parent / USER_FOLDER),
            audit,
            seed=seed,
            years=years,
            strategies=chosen,
            spread=spread,
            progress=progress,
        )
    if html:
        from secondsite.publish.evaluation_html import render_html

        html.write_text(render_html(evaluation), encoding="utf-8")
        print(f"written: {html}", file=sys.stderr)
    if explain:
        print("\n".join(lines(find(evaluation, explain))))
    elif json_:
        from secondsite.publish.evaluation_json import evaluation_json

        print(json.dumps(evaluation_json(evaluation), indent=2, allow_nan=False))
    else:
        from secondsite.publish.evaluation_text import WIDTH, render_text

        render_text(evaluation, Console(width=WIDTH, highlight=False))
    found = evaluation.recommended
    return EXIT_DOES_NOT_HOLD if found.excluded or found.breached else EXIT_HOLDS
