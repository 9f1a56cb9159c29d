"""``secondsite publish``: the documents that a team reviews, signs and follows."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import evolve
from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from secondsite.cli.evaluations import HELP, NO_CACHE
from secondsite.cli.options import SYSTEM_FILE
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError

if TYPE_CHECKING:
    from secondsite.catalogue.bundle import Catalogue
    from secondsite.model.measurement import Measurement
    from secondsite.model.system import System
    from secondsite.publish.content.inputs import Inputs, StoreVerdict

DOCUMENTS = Path("docs/saas")


def publish(
    folder: Annotated[Path, Parameter(help="Folder for the documents.")] = DOCUMENTS,
    *,
    file: Annotated[Path, Parameter(help="The system.")] = SYSTEM_FILE,
    check: Annotated[
        bool, Parameter(negative="", help="Write nothing; print a diff and exit with 1 if a document is out of date.")
    ] = False,
    evidence: Annotated[
        Path | None, Parameter(help="Evidence folder; by default .secondsite/evidence beside the system file.")
    ] = None,
    date_: Annotated[
        str, Parameter(name="--date", help="Compute ages as of this date, not of the newest evidence.")
    ] = "",
    url: Annotated[
        str, Parameter(help="Where the folder is published, such as https://git.example.com/docs; for links in alerts.")
    ] = "",
    years: Annotated[PositiveInt, Parameter(help="Years to simulate.")] = 200_000,
    seed: Annotated[NonNegativeInt, Parameter(help="Random seed; the same seed gives the same figures.")] = 1,
    no_cache: Annotated[bool, Parameter(help=HELP, env_var=NO_CACHE, negative="")] = False,
) -> int:
    """Write the documents: architecture, evaluation, contracts, runbook, roadmap, costs, drills, alerts, report.

    Same inputs, same bytes. Words between the "team" markers, and all of a runbook outside its section, are kept.
    Exit code 0, or with --check 1 when a document is stale.
    """
    from secondsite.publish.content.drill_timeline import DrillTimeline, read_drill_timeline
    from secondsite.publish.documents.document_set import REPORT, RUNBOOK, files
    from secondsite.publish.files.folder import changes, write

    inputs = gather(file, folder, evidence, date_, years, seed, anew=no_cache)
    inputs = evolve(inputs, published=f"{url.rstrip('/')}/" if url else "")
    root = _evidence(file, evidence)

    def read(drill: Path) -> DrillTimeline:
        return read_drill_timeline(root / drill if root else drill)

    written = dict(files(inputs, read))
    section = written.pop(RUNBOOK)
    needed = [change for change in changes(folder, written, (RUNBOOK, section)) if change.needed]
    if check:
        for change in needed:
            sys.stdout.writelines(change.diff())
        if needed:
            print(f"stale: {len(needed)}; update them with `secondsite publish {folder}`", file=sys.stderr)
        return EXIT_DOES_NOT_HOLD if needed else EXIT_HOLDS
    for change in needed:
        write(change)
        print(f"{'new' if change.before is None else 'changed'}: {change.path}")
    print(f"up to date: {folder}" if not needed else f"{len(needed)} written in {folder}")
    print(f"open: {folder / REPORT}")
    return EXIT_HOLDS


def gather(
    file: Path, folder: Path, evidence: Path | None, day: str, years: int, seed: int, *, anew: bool = False
) -> Inputs:
    """Everything that the documents are made from. Raises InputError."""
    import os

    from secondsite.audit.registry import audit
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.cli.evaluations import evaluated, system_at
    from secondsite.publish.content.inputs import Inputs, newest_date

    system = system_at(file)
    catalogue = load_catalogue(file.parent / USER_FOLDER)
    evaluation = evaluated(system, catalogue, years=years, seed=seed, anew=anew)
    measurements = _measurements(_evidence(file, evidence))
    as_of = _day(day) if day else newest_date(evaluation, measurements)
    outdated, stores = _verified(system, catalogue, _evidence(file, evidence), as_of)
    return Inputs(
        evaluation,
        audit(system),
        measurements,
        as_of,
        base=Path(os.path.relpath(file.parent.resolve(), folder.resolve())).as_posix(),
        outdated=outdated,
        stores=stores,
    )


def _evidence(file: Path, named: Path | None) -> Path | None:
    """The folder named, or the one that drills of this system write to where it is there."""
    from secondsite.drill.evidence.folder import EVIDENCE_FOLDER

    if named is None:
        usual = file.parent / EVIDENCE_FOLDER
        return usual if usual.is_dir() else None
    if not named.exists():
        raise InputError.at(str(named), "no evidence found there", "give a folder that `secondsite drill` wrote")
    return named


def _measurements(evidence: Path | None) -> tuple[Measurement, ...]:
    from attrs import evolve

    from secondsite.drill.verdict.measurements import load_measurements

    if evidence is None:
        return ()
    return tuple(evolve(one, evidence=_name(one, evidence)) for one in load_measurements(evidence))


def _name(one: Measurement, evidence: Path) -> str:
    """Its folder below the folder of evidence: the same on every machine."""
    folder = Path(one.evidence)
    return folder.relative_to(evidence).as_posix() if folder.is_relative_to(evidence) else folder.name


def _verified(
    system: System, catalogue: Catalogue, evidence: Path | None, as_of: date
) -> tuple[Mapping[str, str], tuple[StoreVerdict, ...]]:
    """Evidence of another system than today's or too old on that day, with the reason; and stores that drills ran of a
    state that they did not run whole. Raises InputError.
    """
    from attrs import evolve

    from secondsite.drill.verdict.verification import verify
    from secondsite.model.contract import Verdict
    from secondsite.publish.content.inputs import StoreVerdict

    if evidence is None:
        return {}, ()
    verification = verify(system, catalogue, (evidence,), datetime.combine(as_of, time.max, tzinfo=UTC))
    if verification.problems:
        raise InputError(verification.problems)
    named = [
        (row, row.measurement and evolve(row.measurement, evidence=_name(row.measurement, evidence)))
        for row in verification.rows
    ]
    outdated = {
        one.evidence: row.why.removeprefix("stale: ")
        for row, one in named
        if one is not None and row.verdict is Verdict.UNPROVEN and row.verdict is not one.verdict
    }
    written = set(system.contracts)
    stores = tuple(
        StoreVerdict(row.contract, row.strategy, row.verdict, row.why, one)
        for row, one in named
        if row.contract.part and row.contract not in written
    )
    return outdated, stores


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError as error:
        raise InputError.at("--date", f"{given!r} is not a day", "write a date such as 2026-11-23") from error
