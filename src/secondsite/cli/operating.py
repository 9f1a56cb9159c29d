"""What `failover` and `failback` share: where everything is, and the verbs of an operation."""

from __future__ import annotations

import asyncio
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import evolve, frozen
from cyclopts import App, Parameter
from cyclopts.types import NonNegativeFloat, PositiveFloat

from secondsite.cli import begun
from secondsite.cli.operating_options import (
    check_allowed,
    clusters,
    commands_of,
    destroying,
    done_by,
    path_line,
    path_of,
    places,
    store_logins,
    target_of,
)
from secondsite.cli.options import SYSTEM_FILE
from secondsite.cli.restored_origins import NOTHING_CHOSEN, RestoredOrigins
from secondsite.cli.stores import Flag, open_store, option, print_json
from secondsite.model.errors import (
    EXIT_DOES_NOT_HOLD,
    EXIT_HOLDS,
    EXIT_INTERRUPTED,
    EXIT_UNPROVEN,
    InputError,
    MachineError,
)

if TYPE_CHECKING:
    from secondsite.model.deployment import Deployment
    from secondsite.model.procedure import Procedure
    from secondsite.operate.lease import SharedJournal
    from secondsite.operate.live import LiveWorld


DESTROYED = "data is destroyed"


class ProcedureDirection(StrEnum):
    OVER = "failover"
    BACK = "failback"
    REPAIR = "repair"

    @property
    def others(self) -> tuple[ProcedureDirection, ...]:
        return tuple(one for one in ProcedureDirection if one is not self)

    @property
    def begins(self) -> str:
        """How the names of its procedures begin."""
        return DESTROYED if self is ProcedureDirection.REPAIR else str(self)


@frozen
class OperationScope:
    """Which procedure of which system."""

    file: Annotated[Path, option("The system, as written by `secondsite init`.")] = SYSTEM_FILE
    strategy: Annotated[str, option("The strategy that is deployed.")] = "warm-standby/leafnode-mirror"
    fault: Annotated[
        str, option("The fault: region, gray, control-plane, … (failover); deletion, bad-write (repair).")
    ] = "region"
    allow: Annotated[
        tuple[str, ...], option("Override a guard of the plan by its id; may be repeated.", negative="")
    ] = ()


@frozen
class OperationPlaces:
    """Regions as REGION=VALUE; the user and its secret come from NATS_CREDS, NATS_USER and NATS_PASSWORD."""

    nats: Annotated[
        tuple[str, ...], option("REGION=nats://host:4222 or REGION=context:NAME, for each.", negative="")
    ] = ()
    system: Annotated[
        tuple[str, ...], option("The same for the system account, which rescue and removal need.", negative="")
    ] = ()
    reach_s: Annotated[
        PositiveFloat, option("Seconds without an answer after which a region counts as unreachable.")
    ] = 2.0
    patience: Annotated[
        PositiveFloat, option("Stretch each step's limit by this factor; a limit counts from the last progress.")
    ] = 1.0
    path_url: Annotated[str, option("The URL that clients write to; overrides `operate.path` in the system file.")] = ""
    from_: Annotated[str, option("The backup store, for strategies that restore from one.", name="--from")] = ""
    restored: Annotated[RestoredOrigins, Parameter(name="*")] = NOTHING_CHOSEN
    store: Annotated[
        tuple[str, ...], option("A database, for each region: REGION/STORE=env:NAME (or file:, service:).", negative="")
    ] = ()
    done: Annotated[
        tuple[str, ...], option("Mark a manual step as done: STEP=WHO, or STEP (then --who did it).", negative="")
    ] = ()
    command: Annotated[
        tuple[str, ...], option("Run a command for a manual step: STEP=COMMAND or VERB=COMMAND.", negative="")
    ] = ()


@frozen
class Who:
    who: Annotated[str, option("Who declares the failover.")] = ""
    why: Annotated[str, option("Why.")] = ""
    fault_at: Annotated[NonNegativeFloat, option("When the fault happened, in seconds since the epoch, if known.")] = (
        0.0
    )


WHAT, WHERE, WHO = OperationScope(), OperationPlaces(), Who()
Approve = Annotated[str, option("Approve the plan with this hash, including its irreversible steps.")]
JournalPath = Annotated[Path | None, option("Journal file; by default beside the system file.")]
Chosen = Annotated[OperationScope, Parameter(name="*")]
Placed = Annotated[OperationPlaces, Parameter(name="*")]
Declared = Annotated[Who, Parameter(name="*")]


def make_app(direction: ProcedureDirection, text: str) -> App:
    """The verbs for one direction."""
    app = App(name=str(direction), help=text)

    @app.command
    def plan(*, what: Chosen = WHAT, where: Placed = WHERE, who: Declared = WHO, json: Flag = False) -> int:
        """Show each step, what it would change now, and what forbids it. Changes nothing."""
        return _plan(direction, what, where, who, machine=json)

    @app.command
    def run(
        *,
        what: Chosen = WHAT,
        where: Placed = WHERE,
        who: Declared = WHO,
        approve: Approve = "",
        journal: JournalPath = None,
        json: Flag = False,
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
        json: Flag = False,
    ) -> int:
        """Go on where a run stopped, failed or was killed."""
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
        json: Flag = False,
    ) -> int:
        """Give the operation up, before a stream takes writes in its new place: back to who took them before."""
        path = _journal_path(direction, what, journal)
        _fetch(direction, what, where, who, path)
        begun.refuse_ended(path, direction)
        return _abort(direction, what, where, who, path, machine=json)

    @app.command
    def status(*, what: Chosen = WHAT, where: Placed = WHERE, journal: JournalPath = None, json: Flag = False) -> int:
        """When, what and who: how far an operation is, by its journal. May be asked while it runs, on any machine:
        with --nats the copy in the standby's region is read, which tells also who acts now.
        """
        return _status(direction, what, where, _journal_path(direction, what, journal), machine=json)

    return app


def _plan(
    direction: ProcedureDirection, what: OperationScope, where: OperationPlaces, who: Who, *, machine: bool
) -> int:
    from secondsite.operate.plan import make_plan, plan_json
    from secondsite.publish.terminal.operation import plan_text

    deployment, procedure = _procedure(direction, what)
    world = _world(what, where, who, deployment, procedure)
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

    deployment, procedure = _procedure(direction, what)
    world = _world(what, where, who, deployment, procedure)

    def report(progress: StepProgress) -> None:
        if not machine:
            print(progress_line(progress), file=sys.stderr, flush=True)

    def say(what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    async def work() -> OperationOutcome:
        with Journal(path, world.clock) as journal:
            if journal.torn_bytes:
                print(f"{path}: its torn last line is dropped; that step is begun again", file=sys.stderr)
            async with lease_of(deployment, world, journal, say) as lease:
                options = Options(approve, frozenset(what.allow), where.patience, hold=lease.hold)
                return await execute(procedure, deployment, world, journal, options=options, progress=report)

    try:
        outcome = asyncio.run(work())
    except KeyboardInterrupt:
        how = f"`secondsite {direction} status` says how far it is; go on with `resume`, or give it up with `abort`"
        print(f"interrupted in the middle of {procedure.name}: {how}", file=sys.stderr)
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

    deployment, procedure = _procedure(direction, what)
    world = _world(what, where, who, deployment, procedure)

    async def work() -> Aborted:
        with Journal(path, world.clock) as journal:
            async with lease_of(deployment, world, journal, lambda what: print(what, file=sys.stderr)) as lease:
                given_up = await abort(procedure, deployment, world, journal)
                await lease.hold(journal.entries)
                return given_up

    aborted = asyncio.run(work())
    print_json({"schema": "secondsite/abort/1", **aborted.plain()}) if machine else print(aborted_text(aborted))
    return EXIT_DOES_NOT_HOLD if aborted.without_writer else EXIT_HOLDS


def _fetch(direction: ProcedureDirection, what: OperationScope, where: OperationPlaces, who: Who, path: Path) -> None:
    """Where this machine has no journal of it: the one that was shipped to the standby's region."""
    from secondsite.operate.lease import HeldElsewhereError, fetch_journal, home_of_journal

    if (path.exists() and path.stat().st_size) or not where.nats:
        return
    deployment, procedure = _procedure(direction, what)
    world = _world(what, where, who, deployment, procedure)
    try:
        if asyncio.run(fetch_journal(world, home_of_journal(deployment), path, direction.begins)):
            print(f"{path}: fetched from {home_of_journal(deployment)}", file=sys.stderr)
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

    shared = _shared(direction, what, where, path) if where.nats else SharedJournal()
    entries = list(shared.entries)
    if not entries:
        entries = read_journal(path)
    if not entries:
        raise InputError.at(str(path), "nothing was begun in this journal", "begin with `run`")
    if machine:
        print_json({**status_json(entries), "acts": shared.acting})
    else:
        print("\n".join(filter(None, (status_text(entries), f"  {shared.acting}" if shared.acting else ""))))
    return EXIT_HOLDS


def _shared(direction: ProcedureDirection, what: OperationScope, where: OperationPlaces, path: Path) -> SharedJournal:
    """Of the standby's region; nothing where that is silent, which is said."""
    from secondsite.operate.lease import SharedJournal, home_of_journal, read_shared

    deployment, procedure = _procedure(direction, what)
    region = home_of_journal(deployment)
    try:
        world = _world(what, where, WHO, deployment, procedure)
        return asyncio.run(read_shared(world, region, path, direction.begins))
    except MachineError as error:
        print(f"{region}: no shared journal ({error.problems[0].what}); this machine's is read", file=sys.stderr)
        return SharedJournal()


def _journal_path(direction: ProcedureDirection, what: OperationScope, given: Path | None) -> Path:
    return given or what.file.parent / ".secondsite" / f"{direction}.jsonl"


def _procedure(direction: ProcedureDirection, what: OperationScope) -> tuple[Deployment, Procedure]:
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.discover.system_file.reading import load_system
    from secondsite.evaluate.explain import parse_strategy
    from secondsite.model.fault import LEAVES_REGION, Fault
    from secondsite.strategies.compose import failback, failover, lay_out, procedures
    from secondsite.strategies.design import Kit

    catalogue = load_catalogue(what.file.parent / USER_FOLDER)
    kit = Kit.of(load_system(what.file), catalogue)
    deployment = lay_out(parse_strategy(what.strategy), kit)
    ready = evolve(kit, system=deployment.system)
    if direction is ProcedureDirection.BACK:
        return deployment, failback(deployment, ready)
    if direction is ProcedureDirection.REPAIR:
        return deployment, procedures(deployment, ready)[destroying(what.fault)]
    names = sorted(LEAVES_REGION)
    if what.fault not in names:
        raise InputError.at("--fault", f"nothing is failed over for {what.fault!r}", f"name one of {', '.join(names)}")
    return deployment, failover(deployment, ready, Fault(what.fault))


def _world(
    what: OperationScope, where: OperationPlaces, who: Who, deployment: Deployment, procedure: Procedure
) -> LiveWorld:
    from secondsite.operate.commands import Commands
    from secondsite.operate.identity import identities
    from secondsite.operate.live import LiveWorld, ReportedManualSteps
    from secondsite.operate.record_look import record_look
    from secondsite.operate.restorer import BackupRestorer
    from secondsite.operate.world import Decision

    check_allowed(what.allow)
    where.restored.check(procedure)
    regions, system = places(where.nats, "--nats"), places(where.system, "--system")
    commands = commands_of(where.command, procedure)
    reported = ReportedManualSteps(done_by(where.done, procedure, who.who))
    manual_steps = Commands(commands, reported, target_of(procedure))
    path, logins = path_of(deployment.system, where.path_url), store_logins(where.store, deployment)
    known = identities(deployment)
    bound = {
        "domains": {region: ", ".join(sorted(one.domains)) for region, one in sorted(known.items()) if one.domains},
        **clusters(deployment.system),
        **({"stores": logins.shown} if logins else {}),
        "servers": {region: place.shown for region, place in sorted(regions.items())},
        "system servers": {region: place.shown for region, place in sorted(system.items())},
        "commands": dict(sorted(commands.items())),
        "path": path_line(path),
        "backups": where.from_,
        **where.restored.bound,
    }
    return LiveWorld(
        regions=regions,
        system=system,
        decision=Decision(who.who, time.time(), who.why, who.fault_at),
        reach_s=where.reach_s,
        manual_steps=manual_steps,
        path=path,
        record_look=record_look(deployment.system.traffic.host, deployment.system.operate),
        restorer=BackupRestorer(open_store(where.from_, None, "--from"), regions) if where.from_ else None,
        origins=where.restored.restorer(where.from_, regions) if where.from_ else None,
        stores=logins,
        bound=bound,
        identities=known,
    )
