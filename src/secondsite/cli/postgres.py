"""``secondsite postgres``: one PostgreSQL server, looked at, fenced, promoted, compared, made to follow."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import asdict, evolve
from cyclopts import App, Parameter
from cyclopts.types import PositiveFloat

from secondsite.cli.options import SYSTEM_FILE
from secondsite.cli.stores import NO_SERVER, Json, Server, option, print_json
from secondsite.discover.system_file.updating import check_recordable, record_restore
from secondsite.extras import install
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError, MachineError
from secondsite.model.wording import counted

if TYPE_CHECKING:
    from secondsite.stores.agreement import Agreement
    from secondsite.stores.postgres import PostgresServer
    from secondsite.stores.postgres_host import Followed
    from secondsite.stores.postgres_scratch import Proven

app = App(name="postgres", help="Inspect, fence, promote and re-attach a PostgreSQL server.")
Dsn = Annotated[str, option("env:NAME, file:PATH or service:NAME, or a connection string without a password.")]
_SHOWN = 10
Within = Annotated[PositiveFloat, option("Seconds to wait for it.")]


@app.command
def status(dsn: Dsn, *, json: Json = False) -> int:
    """Show identity, timeline, role, position, lag, followers and slots. Changes nothing."""
    state = asyncio.run(_server(dsn).look())
    if json:
        print_json({"schema": "secondsite/postgres/1", **asdict(state)})
        return EXIT_HOLDS
    fence = ", fenced" if state.fenced else ""
    print(
        f"{state.role}{fence}: PostgreSQL {state.version}, system {state.system_identifier}, timeline {state.timeline}"
    )
    print(f"position {state.position:,}" + (f", replayed {state.replayed:,}" if state.standby else ""))
    if state.standby:
        print("receiving from its primary" if state.receiving else "not connected to a primary")
    for follower in state.followers:
        print(f"follower {follower.name}: {follower.state}, {follower.behind_bytes:,} bytes behind")
    for slot in state.slots:
        kept = f"{slot.kept_bytes:,} bytes of WAL kept"
        print(f"slot {slot.name}: {'active' if slot.active else 'inactive'}, {slot.wal_status or 'unused'}, {kept}")
    return EXIT_HOLDS


@app.command
def fence(dsn: Dsn, *, within: Within = 10.0) -> int:
    """Reject every login but this one, and end all other sessions. Survives a restart, until `unfence`."""
    ended = asyncio.run(_server(dsn).fence(within))
    print(f"fenced; {ended} session{'' if ended == 1 else 's'} ended")
    return EXIT_HOLDS


@app.command
def unfence(dsn: Dsn) -> int:
    """Restore the access rules from before the fence."""
    asyncio.run(_server(dsn).unfence())
    print("fence removed")
    return EXIT_HOLDS


@app.command
def promote(dsn: Dsn, *, within: Within = 60.0) -> int:
    """Promote a standby, and check that it is on a new timeline."""
    state = asyncio.run(_server(dsn).promote(within))
    print(f"{state.role} on timeline {state.timeline}")
    return EXIT_HOLDS


@app.command
def caught_up(dsn: Dsn, primary: Dsn, *, within: Within = 60.0) -> int:
    """Wait until a standby has replayed everything its primary has written by now; exit 1 on timeout."""

    async def work() -> bool:
        position = (await _server(primary).look()).position
        return await _server(dsn).replayed_up_to(position, within)

    done = asyncio.run(work())
    print("has replayed everything" if done else f"is still behind after {within:g} s")
    return EXIT_HOLDS if done else EXIT_DOES_NOT_HOLD


@app.command
def salvage(old: Dsn, new: Dsn, *, folder: Annotated[Path, option("Folder for the rows, as CSV.")]) -> int:
    """Find rows that exist only on the old primary and save them before it is rewound; exit 1 if there are any."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = asyncio.run(_server(old).salvage(_server(new), folder))
    for table in tables:
        if table.sequence:
            print(f"{table.name}: {table.keys[0]}, saved to {table.file}")
        elif table.keys:
            alike = " (no primary key: whole rows were compared)" if table.keyless else ""
            print(f"{table.name}: {counted(table.rows, 'rows')} only there{alike}, saved to {table.file}")
    if not any(table.keys for table in tables):
        print("no row exists only there")
    return EXIT_DOES_NOT_HOLD if any(table.keys for table in tables) else EXIT_HOLDS


@app.command
def follow(
    primary: Dsn,
    *,
    data: Annotated[Path, option("The data folder of the stopped server.")],
    tools: Annotated[Path, option("The folder with pg_rewind and pg_basebackup.")],
    slot: Annotated[str, option("Replication slot on the primary; created if missing.")] = "",
) -> int:
    """Make a stopped server follow a new primary, by pg_rewind or else by pg_basebackup. Run `salvage` first."""
    from secondsite.stores.postgres_host import PostgresHost, as_owner

    async def work() -> Followed:
        if slot:
            await _server(primary).keep_for(slot)
        return await PostgresHost(data, tools, as_owner(data)).follow(_server(primary).place, slot)

    followed = asyncio.run(work())
    why = f" (a rewind was not possible: {followed.why}; the old files are in {followed.kept})" if followed.why else ""
    print(f"follows by {followed.how}, in {followed.seconds:.1f} s{why}; start it")
    if followed.parted:
        print(f"{followed.how}: {followed.parted}")
    return EXIT_HOLDS


@app.command
def prove(
    backup: Annotated[Path, option("What pg_dump wrote, or with --wal the folder that pg_basebackup wrote.")],
    *,
    tools: Annotated[Path, option("The folder with postgres, initdb, pg_restore and psql, of the backup's version.")],
    wal: Annotated[str, option("Folder of archived WAL, or a command with %f and %p that fetches one file.")] = "",
    until: Annotated[str, option("Restore up to this moment, such as 2026-11-28T14:00:00Z.")] = "",
    live: Annotated[str, option("Login of the live server: every table with rows there must have some.")] = "",
    record: Annotated[str, option("Record it for this backup of secondsite.yaml: restore_tested and its rate.")] = "",
    file: Annotated[Path, option("The system.")] = SYSTEM_FILE,
    json: Json = False,
) -> int:
    """Restore a backup into a scratch server, count its rows and time it; exit 1 if tables are missing."""
    from secondsite.lab.postgres_files import own, prefix
    from secondsite.stores.postgres_rows import counted_rows
    from secondsite.stores.postgres_scratch import ScratchPostgres, lacking

    if until and not wal:
        raise InputError.at(
            "--until", "a dump holds a single point in time", "give --wal with a base backup, or leave it out"
        )

    async def work() -> tuple[Proven, tuple[str, ...]]:
        expected = await counted_rows(_server(live).place) if live else {}
        scratch = ScratchPostgres(tools, prefix(), own)
        proven = await (scratch.moment(backup, wal, until) if wal else scratch.dump(backup))
        return proven, lacking(proven.rows, expected)

    _server(live or "host=localhost")  # says what is not installed
    if record:
        check_recordable(file, record)
    proven, missing = asyncio.run(work())
    holds = bool(sum(proven.rows.values())) and not missing
    if record and holds:
        record_restore(file, record, proven.bytes_per_s)
    if json:
        print_json({"schema": "secondsite/proof/1", **asdict(proven), "missing": missing, "holds": holds})
    else:
        _print_proven(proven, missing)
    return EXIT_HOLDS if holds else EXIT_DOES_NOT_HOLD


@app.command
def events(
    dsn: Dsn,
    *,
    table: Annotated[str, option("The table, or SCHEMA.TABLE.")],
    key: Annotated[str, option("The column with the id that the event carries.")],
    stream: Annotated[str, option("The stream with the events.")],
    header: Annotated[str, option("The event's header that holds the id.")] = "Nats-Msg-Id",
    where: Annotated[str, option("Column that must be true of a row whose event is expected.")] = "",
    server: Annotated[Server, Parameter(name="*")] = NO_SERVER,
    json: Json = False,
) -> int:
    """Compare rows with the events that were made of them, by id; exit 1 where one side lacks some. Changes nothing."""
    from secondsite.nats.event_ids import event_ids
    from secondsite.stores.agreement import compare
    from secondsite.stores.postgres_rows import ids_of

    async def work() -> Agreement:
        """Rows before and after: what is on its way while this reads is on neither side's account."""
        place = _server(dsn).place
        before = await ids_of(place, table, key, where)
        announced = await event_ids(server.place(), stream, header)
        agreement = compare(await ids_of(place, table, key, where), announced)
        return evolve(agreement, rows_without_event=compare(before, announced).rows_without_event)

    agreement = asyncio.run(work())
    if json:
        print_json({"schema": "secondsite/events/1", **asdict(agreement), "holds": agreement.holds})
    else:
        _print_agreement(agreement)
    return EXIT_HOLDS if agreement.holds else EXIT_DOES_NOT_HOLD


def _print_agreement(agreement: Agreement) -> None:
    print(f"{agreement.rows:,} rows, {agreement.events:,} events")
    for ids, what in (
        (agreement.events_without_row, "events without a row"),
        (agreement.rows_without_event, "rows without an event"),
        (agreement.repeated, "events more than once"),
    ):
        if ids:
            more = f" and {len(ids) - _SHOWN:,} more (--json lists all)" if len(ids) > _SHOWN else ""
            print(f"{len(ids):,} {what}: {', '.join(ids[:_SHOWN])}{more}")


def _print_proven(proven: Proven, missing: tuple[str, ...]) -> None:
    tables = sum(1 for rows in proven.rows.values() if rows)
    megabytes = proven.bytes_per_s / 1e6
    print(
        f"restored by {proven.how} in {proven.seconds:.1f} s: {sum(proven.rows.values()):,} rows in {tables} tables, "
        f"{proven.size_bytes / 1e6:.1f} MB, {megabytes:.1f} MB/s"
    )
    if proven.reached:
        print(f"newest commit: {proven.reached}")
    for line in missing:
        print(f"missing: {line}")
    if not any(proven.rows.values()):
        print("no row came back: this backup restores nothing")


def _server(reference: str) -> PostgresServer:
    from importlib.util import find_spec

    if find_spec("psycopg") is None:
        raise MachineError.at("postgres", "psycopg is not installed", f"run: {install('postgres')}")
    from secondsite.stores.postgres import PostgresServer
    from secondsite.stores.postgres_place import postgres_place

    return PostgresServer(postgres_place(reference, "DSN"))
