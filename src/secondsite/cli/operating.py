"""What `failover` and `failback` share: where everything is, and the verbs of an operation."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App

from secondsite.cli.operating_world import (
    WHAT,
    WHERE,
    WHO,
    Chosen,
    Declared,
    OperationPlaces,
    OperationScope,
    Placed,
    ProcedureDirection,
    Who,
    any_place,
    procedure_of,
    world_of,
)
from secondsite.cli.stores import Json, option, print_json
from secondsite.model.errors import (
    EXIT_DOES_NOT_HOLD,
    EXIT_HOLDS,
    EXIT_INTERRUPTED,
    EXIT_UNPROVEN,
    InputError,
    MachineError,
)
from secondsite.operate import begun

if TYPE_CHECKING:
    from secondsite.operate.lease import SharedJournal


Approve = Annotated[str, option("Approve the plan with this hash, including its irreversible steps.")]
JournalPath = Annotated[Path | None, option("Journal file; by default beside the system file.")]


def make_app(direction: ProcedureDirection, text: str) -> App:
    """The verbs for one direction."""
    app = App(name=str(direction), help=text)

    @app.command
    def plan(*, what: Chosen = WHAT, where: Placed = WHERE, who: Declared = WHO, json: Json = False) -> int:
        """Show each step, what it would change now, and what blocks it. Changes nothing."""
        return _plan(direction, what, where, who, machine=json)

    @app.command
    def run(
        *,
        what: Chosen = WHAT,
        where: Placed = WHERE,
        who: Declared = WHO,
        approve: Approve = "",
        journal: JournalPath = None,
        json: Json = False,
    ) -> int:
        """Carry the procedure out. A plan that changed since it was approved is refused; an operation that ended is
        archived, and this one begins its own.
        """
        path = _journal_path(direction, what, journal)
        if journal is None:
            for other in direction.others:
                begun.refuse_beside(_journal_path(other, what, None), other)
        begun.make_room(path, direction)
        return _run(direction, what, where, who, approve, path, machine=json)

    @app.command
    def resume(
        *,
        what: Chosen = WHAT,
        where: Placed = WHERE,
        who: Declared = WHO,
        approve: Approve = "",
        journal: JournalPath = None,
        json: Json = False,
    ) -> int:
        """Continue a run that stopped, failed or was killed."""
        path = _journal_path(direction, what, journal)
        _fetch(direction, what, where, who, path)
        begun.refuse_ended(path, direction)
        return _run(direction, what, where, who, approve, path, machine=json)

    @app.command(name="abort")
    def abort_(
        *,
        what: Chosen = WHAT,
        where: Placed = WHERE,
        who: Declared = WHO,
        journal: JournalPath = None,
        json: Json = False,
    ) -> int:
        """Stop the operation before any stream is promoted, and let the old writers write again."""
        path = _journal_path(direction, what, journal)
        _fetch(direction, what, where, who, path)
        begun.refuse_ended(path, direction)
        return _abort(direction, what, where, who, path, machine=json)

    @app.command
    def status(*, what: Chosen = WHAT, where: Placed = WHERE, journal: JournalPath = None, json: Json = False) -> int:
        """Show the state of the operation from its journal: each step, when, and by whom. Safe while it runs. With
        --nats, the copy in the standby's region is read, from any machine; it also shows who is running it.
        """
        return _status(direction, what, where, _journal_path(direction, what, journal), machine=json)

    return app


def _plan(
    direction: ProcedureDirection, what: OperationScope, where: OperationPlaces, who: Who, *, machine: bool
) -> int:
    from secondsite.operate.plan import make_plan, plan_json
    from secondsite.publish.terminal.operation import plan_text

    deployment, procedure = procedure_of(direction, what)
    world = world_of(what, where, who, deployment, procedure)
    plan = asyncio.run(make_plan(procedure, deployment, world, allowed=frozenset(what.allow)))
    print_json(plan_json(plan)) if machine else print(plan_text(plan))
    return EXIT_DOES_NOT_HOLD if plan.refusals else EXIT_HOLDS


def _run(
    direction: ProcedureDirection,
    what: OperationScope,
    where: OperationPlaces,
    who: Who,
    approve: str,
    path: Path,
    *,
    machine: bool,
) -> int:
    from secondsite.operate.executor import OperationOutcome, Options, StepProgress, execute
    from secondsite.operate.journal import Journal
    from secondsite.operate.lease import lease_of
    from secondsite.publish.terminal.operation import outcome_json, outcome_text, progress_line

    deployment, procedure = procedure_of(direction, what)
    world = world_of(what, where, who, deployment, procedure)

    def report(progress: StepProgress) -> None:
        if not machine:
            print(progress_line(progress), file=sys.stderr, flush=True)

    async def work() -> OperationOutcome:
        with Journal(path, world.clock) as journal:
            if journal.torn_bytes:
                _say(f"{path}: the last line is incomplete and is dropped; that step runs again")
            async with lease_of(deployment, world, journal, _say) as lease:
                options = Options(approve, frozenset(what.allow), where.patience, hold=lease.hold)
                return await execute(procedure, deployment, world, journal, options=options, progress=report)

    try:
        outcome = asyncio.run(work())
    except KeyboardInterrupt:
        how = f"`secondsite {direction} status` shows its progress; continue with `resume`, or stop with `abort`"
        _say(f"interrupted during {procedure.name}: {how}")
        return EXIT_INTERRUPTED
    print_json(outcome_json(procedure.name, outcome)) if machine else print(outcome_text(procedure.name, outcome, path))
    if outcome.finished:
        return EXIT_HOLDS
    return EXIT_DOES_NOT_HOLD if outcome.failed else EXIT_UNPROVEN


def _abort(
    direction: ProcedureDirection, what: OperationScope, where: OperationPlaces, who: Who, path: Path, *, machine: bool
) -> int:
    from secondsite.operate.abort import Aborted, abort
    from secondsite.operate.journal import Journal
    from secondsite.operate.lease import lease_of
    from secondsite.publish.terminal.operation import aborted_text

    deployment, procedure = procedure_of(direction, what)
    world = world_of(what, where, who, deployment, procedure)

    async def work() -> Aborted:
        with Journal(path, world.clock) as journal:
            async with lease_of(deployment, world, journal, _say) as lease:
                given_up = await abort(procedure, deployment, world, journal)
                await lease.hold(journal.entries)
                return given_up

    aborted = asyncio.run(work())
    print_json({"schema": "secondsite/abort/1", **aborted.plain()}) if machine else print(aborted_text(aborted))
    return EXIT_DOES_NOT_HOLD if aborted.without_writer else EXIT_HOLDS


def _fetch(direction: ProcedureDirection, what: OperationScope, where: OperationPlaces, who: Who, path: Path) -> None:
    """Where this machine has no journal of it: the one that was shipped to the standby's region."""
    from secondsite.operate.lease import HeldElsewhereError, fetch_journal, home_of_journal

    if (path.exists() and path.stat().st_size) or not any_place(what, where):
        return
    deployment, procedure = procedure_of(direction, what)
    world = world_of(what, where, who, deployment, procedure)
    try:
        if asyncio.run(fetch_journal(world, home_of_journal(deployment), path, direction.begins)):
            _say(f"{path}: fetched from {home_of_journal(deployment)}")
    except HeldElsewhereError:
        raise
    except MachineError:
        return


def _status(
    direction: ProcedureDirection, what: OperationScope, where: OperationPlaces, path: Path, *, machine: bool
) -> int:
    from secondsite.operate.journal import read_journal
    from secondsite.operate.lease import SharedJournal
    from secondsite.publish.terminal.operation import status_json, status_text

    shared = _shared(direction, what, where, path) if any_place(what, where) else SharedJournal()
    entries = list(shared.entries)
    if not entries:
        entries = read_journal(path)
    if not entries:
        raise InputError.at(str(path), "no operation was started in this journal", "begin with `run`")
    if machine:
        print_json({**status_json(entries), "acts": shared.acting})
    else:
        print("\n".join(filter(None, (status_text(entries), f"  {shared.acting}" if shared.acting else ""))))
    return EXIT_HOLDS


def _shared(direction: ProcedureDirection, what: OperationScope, where: OperationPlaces, path: Path) -> SharedJournal:
    """Of the standby's region; nothing where that is silent, which is said."""
    from secondsite.operate.lease import SharedJournal, home_of_journal, read_shared

    deployment, procedure = procedure_of(direction, what)
    region = home_of_journal(deployment)
    try:
        world = world_of(what, where, WHO, deployment, procedure)
        return asyncio.run(read_shared(world, region, path, direction.begins))
    except MachineError as error:
        _say(f"{region}: no shared journal ({error.problems[0].what}); this machine's is read")
        return SharedJournal()


def _say(what: str) -> None:
    from secondsite.publish.terminal.console import folded

    print(folded(what, stderr=True), file=sys.stderr, flush=True)


def _journal_path(direction: ProcedureDirection, what: OperationScope, given: Path | None) -> Path:
    return given or what.file.parent / ".secondsite" / f"{direction}.jsonl"
