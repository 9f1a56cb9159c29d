"""What only one of two servers has committed: found row by row, and saved to named files before anything destroys it.

A row counts as only there where the other server has none with its primary key and its very content. So an update
that never got across is found as well as an insert. A table without a primary key cannot be compared, and is named.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from secondsite.model.errors import InputError
from secondsite.stores.postgres_place import PostgresPlace, PostgresSession

_TABLES = """
SELECT n.nspname, c.relname,
  (SELECT array_agg(a.attname ORDER BY k.place) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(number, place)
     JOIN pg_attribute a ON a.attnum = k.number WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""


@frozen
class ComparedTable:
    """``keys``: the primary keys, as text, of rows that only the first server has; ``file`` holds them as CSV.

    ``keyless``: there is no primary key, and nothing was compared.
    """

    name: str
    keys: tuple[str, ...] = ()
    file: Path | None = None
    keyless: bool = False


async def salvage_rows(old: PostgresPlace, new: PostgresPlace, folder: Path) -> tuple[ComparedTable, ...]:
    """Of every table of the database, into a folder that is there; raises InputError where a file is in the way."""
    async with old.open() as ours, new.open() as theirs:
        tables = await ours.rows(_TABLES)
        there = {(schema, table) for schema, table, _ in await theirs.rows(_TABLES)}
        return tuple(
            [
                await _compared(ours, theirs if (schema, table) in there else None, schema, table, keys, folder)
                for schema, table, keys in tables
            ]
        )


async def _compared(
    ours: PostgresSession,
    theirs: PostgresSession | None,
    schema: str,
    table: str,
    keys: list[str] | None,
    folder: Path,
) -> ComparedTable:
    name = f"{schema}.{table}"
    if keys is None:
        return ComparedTable(name, keyless=True)
    mine = await _contents(ours, schema, table, keys)
    known = await _contents(theirs, schema, table, keys) if theirs else {}
    only = tuple(sorted(key for key, content in mine.items() if known.get(key) != content))
    if not only:
        return ComparedTable(name)
    path = folder / f"{name}.only-there.csv"
    if path.exists():
        raise InputError.at(str(path), "holds what was salvaged before", "keep it, and name another folder")
    path.write_bytes(await _dump(ours, schema, table, keys, only))
    return ComparedTable(name, only, path)


async def _contents(session: PostgresSession, schema: str, table: str, keys: list[str]) -> dict[str, str]:
    from psycopg import sql

    statement = sql.SQL("SELECT ({key})::text, md5(t::text) FROM {table} AS t").format(
        key=_key(keys), table=sql.Identifier(schema, table)
    )
    return {str(row[0]): str(row[1]) for row in await session.rows(statement, within_s=_LONG_S)}


async def _dump(session: PostgresSession, schema: str, table: str, keys: list[str], only: tuple[str, ...]) -> bytes:
    from psycopg import sql

    statement = sql.SQL(
        "COPY (SELECT * FROM {table} AS t WHERE ({key})::text = ANY({only})) TO STDOUT (FORMAT csv, HEADER)"
    ).format(key=_key(keys), table=sql.Identifier(schema, table), only=sql.Literal(list(only)))
    return await session.copied(statement)


def _key(keys: list[str]) -> object:
    from psycopg import sql

    columns = sql.SQL(", ").join(sql.SQL("t.") + sql.Identifier(each) for each in keys)
    return sql.SQL("ROW({columns})").format(columns=columns) if len(keys) > 1 else columns


_LONG_S = 600.0
