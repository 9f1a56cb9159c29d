"""``secondsite evaluate``: the strategies side by side, and one recommendation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from secondsite.cli.evaluations import HELP, NO_CACHE
from secondsite.cli.options import SYSTEM_FILE
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN, InputError

if TYPE_CHECKING:
    from secondsite.catalogue.bundle import Catalogue
    from secondsite.drill.verdict.calibration import Calibration
    from secondsite.evaluate.evaluation import Evaluation
    from secondsite.model.system import System


def evaluate(
    *,
    file: Annotated[tuple[Path, ...], Parameter(help="The system file; repeat to compare several systems.")] = (
        SYSTEM_FILE,
    ),
    strategy: Annotated[
        tuple[str, ...], Parameter(help="Evaluate only this strategy (pattern/link); repeat for more.")
    ] = (),
    years: Annotated[PositiveInt, Parameter(help="Years to simulate.")] = 200_000,
    seed: Annotated[NonNegativeInt, Parameter(help="Random seed; the same seed gives the same figures.")] = 1,
    explain: Annotated[
        str, Parameter(help="Show how a figure was derived, down to its sources: STRATEGY:FIGURE.")
    ] = "",
    html: Annotated[Path | None, Parameter(help="Write the report as one HTML page that works offline.")] = None,
    json_: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
    workers: Annotated[
        str, Parameter(help="Distribute the work over a Dask cluster: dask://localhost:PORT or tls://HOST:PORT.")
    ] = "",
    catalogue: Annotated[Path | None, Parameter(help="Folder with your own prices and round-trip times.")] = None,
    evidence: Annotated[
        tuple[Path, ...], Parameter(help="Evidence folder; its measurements replace assumptions.")
    ] = (),
    no_cache: Annotated[bool, Parameter(help=HELP, env_var=NO_CACHE, negative="")] = False,
) -> int:
    """Compare the multi-region strategies of the system: RTO, RPO, availability, cost, effort, hazards.

    Exit code 0 when a strategy is expected to hold every contract, 1 when none is, 2 for bad input.
    """
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.cli.evaluations import all_evaluated, evaluated, system_at
    from secondsite.evaluate.explain import find, lines, parse_strategy

    systems = [system_at(path) for path in file]
    chosen = tuple(parse_strategy(text) for text in strategy)
    tables = load_catalogue(catalogue or file[0].parent / USER_FOLDER)
    if len(systems) > 1:
        if html or explain or evidence:
            remedy = "give a single --file with --html, --explain or --evidence"
            raise InputError.at("--file", f"{len(systems)} systems, and options that show one", remedy)
        evaluations = all_evaluated(
            systems, tables, years=years, seed=seed, strategies=chosen, workers=workers, anew=no_cache
        )
        return _print_many(evaluations, json_)
    (system,) = systems
    measured = _measured(system, tables, evidence) if evidence else None
    figures = measured.catalogue if measured else tables
    evaluation = evaluated(system, figures, years=years, seed=seed, strategies=chosen, workers=workers, anew=no_cache)
    if html:
        _write_page(html, evaluation)
    if explain:
        print("\n".join(lines(find(evaluation, explain))))
    else:
        _print_one(evaluation, measured, json_)
    return _exit_code((evaluation,))


def _write_page(path: Path, evaluation: Evaluation) -> None:
    from secondsite.publish.page.evaluation import render_html

    path.write_text(render_html(evaluation), encoding="utf-8")
    print(f"written: {path}", file=sys.stderr)


def _print_one(evaluation: Evaluation, measured: Calibration | None, as_json: bool) -> None:
    """The whole of it, with how far off the prediction had been where drills are known."""
    if as_json:
        from secondsite.publish.machine.evaluation import evaluation_json
        from secondsite.publish.terminal.prediction import contract_json, prediction_json

        shape = evaluation_json(evaluation)
        if measured:
            shape["predictions"] = prediction_json(measured.predictions)
            shape["contract_predictions"] = contract_json(measured.contracts)
        print(json.dumps(shape, indent=2, allow_nan=False))
        return
    from secondsite.publish.terminal.console import terminal_console
    from secondsite.publish.terminal.evaluation import render_text
    from secondsite.publish.terminal.prediction import contract_table, prediction_table, surprises

    console = terminal_console()
    for line in surprises(measured.contracts) if measured else ():
        console.print(f"Outside the expected range: {line}", style="bold", markup=False)
    render_text(evaluation, console)
    if measured:
        console.print(prediction_table(measured.predictions))
        if measured.contracts:
            console.print(contract_table(measured.contracts))


def _print_many(evaluations: tuple[Evaluation, ...], as_json: bool) -> int:
    """A line, or a JSON document in a list, for each; 1 when one of them has no strategy that holds."""
    if as_json:
        from secondsite.publish.machine.evaluation import evaluation_json

        print(json.dumps([evaluation_json(evaluation) for evaluation in evaluations], indent=2, allow_nan=False))
    else:
        from secondsite.publish.terminal.console import terminal_console
        from secondsite.publish.terminal.evaluation import render_many

        terminal_console().print(render_many(evaluations))
    return _exit_code(evaluations)


def _exit_code(evaluations: tuple[Evaluation, ...]) -> int:
    """A breach counts most; where nothing can be recommended, nothing is proven."""
    if any(e.recommended.excluded or e.recommended.breached for e in evaluations if not e.recommendation.withheld):
        return EXIT_DOES_NOT_HOLD
    return EXIT_UNPROVEN if any(e.recommendation.withheld for e in evaluations) else EXIT_HOLDS


def _measured(system: System, tables: Catalogue, evidence: tuple[Path, ...]) -> Calibration:
    """Evidence that was changed is not used, and said so."""
    from secondsite.drill.verdict.calibration import calibration

    for path in evidence:
        if not path.exists():
            raise InputError.at(str(path), "no evidence found there", "give a folder that `secondsite drill` wrote")
    calibrated = calibration(system, tables, evidence)
    for problem in calibrated.problems:
        print(f"not used: {problem}", file=sys.stderr)
    return calibrated
