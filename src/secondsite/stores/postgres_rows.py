"""What only one of two servers has committed: found row by row, and saved to named files before anything destroys it.

Every database of the server is compared, as a rewind takes them all. A row counts as only there where the other server
has none with its primary key and its very content. So an update that never got across is found as well as an insert.
Rows of a table without a primary key are compared whole, and counted: of two that are alike one may be missing. Large
objects are compared as the rows that they are kept in. Of a sequence it is told how far its numbers were given.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from secondsite.model.errors import InputError
from secondsite.stores.postgres_place import PostgresPlace, PostgresSession

_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
_TABLES = """
SELECT n.nspname, c.relname,
  (SELECT array_agg(a.attname ORDER BY k.place) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(number, place)
     JOIN pg_attribute a ON a.attnum = k.number WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""
_LARGE_OBJECTS = ("pg_catalog", "pg_largeobject", ["loid", "pageno"])
_SEQUENCES = """
SELECT n.nspname || '.' || c.relname, pg_sequence_last_value(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1
"""


@frozen
class ComparedTable:
    """``keys``: the primary keys, as text, of rows that only the first server has; of a table without one
    (``keyless``) digests of whole rows; ``rows``: how many. ``file`` holds the rows as CSV. A ``sequence`` has one key
    where it gave numbers that the other server has not given yet: what that means, in words.
    """

    name: str
    keys: tuple[str, ...] = ()
    file: Path | None = None
    keyless: bool = False
    sequence: bool = False
    rows: int = 0


async def salvage_rows(old: PostgresPlace, new: PostgresPlace, folder: Path) -> tuple[ComparedTable, ...]:
    """Of every table of every database, named ``database.schema.table``, into a folder that is there.

    Raises InputError where a file is in the way.
    """
    async with old.open() as ours, new.open() as theirs:
        names = [str(row[0]) for row in await ours.rows(_DATABASES)]
        there = {str(row[0]) for row in await theirs.rows(_DATABASES)}
    tables: list[ComparedTable] = []
    for name in names:
        async with old.database(name).open() as ours:
            if name in there:
                async with new.database(name).open() as theirs:
                    tables += await _salvaged(ours, theirs, name, folder)
            else:
                tables += await _salvaged(ours, None, name, folder)
    return tuple(tables)


async def counted_rows(place: PostgresPlace) -> dict[str, int]:
    """How many rows every table of every database has, by ``database.schema.table``."""
    from psycopg import sql

    async with place.open() as session:
        names = [str(row[0]) for row in await session.rows(_DATABASES)]
    counts: dict[str, int] = {}
    for name in names:
        async with place.database(name).open() as session:
            for schema, table, _ in await session.rows(_TABLES):
                count = sql.SQL("SELECT count(*) FROM {table}").format(table=sql.Identifier(schema, table))
                counts[f"{name}.{schema}.{table}"] = int(await session.value(count, within_s=_LONG_S))
    return counts


async def ids_of(place: PostgresPlace, table: str, key: str, where: str = "") -> tuple[str, ...]:
    """Of every row, as text; ``where`` names a column that has to be true. Raises MachineError."""
    from psycopg import sql

    statement = sql.SQL(
        "SELECT {key}::text FROM {table} WHERE {where}" if where else "SELECT {key}::text FROM {table}"
    ).format(key=sql.Identifier(key), table=sql.Identifier(*table.split(".")), where=sql.Identifier(where or key))
    async with place.open() as session:
        return tuple([str(row[0]) for row in await session.rows(statement, within_s=_LONG_S)])


async def _salvaged(
    ours: PostgresSession, theirs: PostgresSession | None, database: str, folder: Path
) -> list[ComparedTable]:
    tables = [_Table(database, *row) for row in (*await ours.rows(_TABLES), _LARGE_OBJECTS)]
    known = {(schema, table) for schema, table, _ in (*await theirs.rows(_TABLES), _LARGE_OBJECTS)} if theirs else set()
    rows = [await _compared(ours, theirs if (one.schema, one.name) in known else None, one, folder) for one in tables]
    return [*rows, *(await _sequences(ours, theirs, database, folder) if theirs else ())]


async def _sequences(
    ours: PostgresSession, theirs: PostgresSession, database: str, folder: Path
) -> list[ComparedTable]:
    """A server logs a few numbers ahead, so that a loss of few rows shows in none of them."""
    given, there = dict(await ours.rows(_SEQUENCES)), dict(await theirs.rows(_SEQUENCES))
    return [
        _ahead(f"{database}.{name}", mine, there[name] or 0, folder)
        for name, mine in given.items()
        if mine is not None and name in there and mine > (there[name] or 0)
    ]


def _ahead(name: str, mine: int, theirs: int, folder: Path) -> ComparedTable:
    path = _free(folder, name)
    path.write_text(f"sequence,last_value,last_value_of_the_other\n{name},{mine},{theirs}\n", encoding="utf-8")
    what = f"gave numbers up to {mine:,}, the other server up to {theirs:,}: those between may be given twice"
    return ComparedTable(name, (what,), path, sequence=True)


@frozen
class _Table:
    """``keys``: the columns of its primary key; None where it has none."""

    database: str
    schema: str
    name: str
    keys: list[str] | None

    @property
    def whole(self) -> str:
        return f"{self.database}.{self.schema}.{self.name}"

    @property
    def key(self) -> object:
        from psycopg import sql

        if self.keys is None:
            return sql.SQL("md5(t::text)")
        columns = sql.SQL(", ").join(sql.SQL("t.") + sql.Identifier(each) for each in self.keys)
        return sql.SQL("ROW({columns})").format(columns=columns) if len(self.keys) > 1 else columns

    def contents(self) -> object:
        """By key, what it holds: the digest of the row, or how many rows are like it."""
        from psycopg import sql

        plain = "SELECT ({key})::text, md5(t::text) FROM {table} AS t"
        counted = "SELECT {key}, count(*) FROM {table} AS t GROUP BY 1"
        return sql.SQL(plain if self.keys else counted).format(
            key=self.key, table=sql.Identifier(self.schema, self.name)
        )

    def dump(self, only: tuple[str, ...]) -> object:
        from psycopg import sql

        copied = "COPY (SELECT * FROM {table} AS t WHERE ({key})::text = ANY({only})) TO STDOUT (FORMAT csv, HEADER)"
        return sql.SQL(copied).format(
            key=self.key, table=sql.Identifier(self.schema, self.name), only=sql.Literal(list(only))
        )


async def _compared(
    ours: PostgresSession, theirs: PostgresSession | None, table: _Table, folder: Path
) -> ComparedTable:
    mine = await _contents(ours, table)
    known = await _contents(theirs, table) if theirs else {}
    keyless = table.keys is None
    only = tuple(sorted(key for key, content in mine.items() if _missing(content, known.get(key))))
    if not only:
        return ComparedTable(table.whole, keyless=keyless)
    path = _free(folder, table.whole)
    path.write_bytes(await ours.copied(table.dump(only)))
    lacking = sum(_number(mine[key]) - _number(known.get(key)) for key in only) if keyless else len(only)
    return ComparedTable(table.whole, only, path, keyless, rows=lacking)


def _free(folder: Path, name: str) -> Path:
    path = folder / f"{quote(name, safe='')}.only-there.csv"
    if path.exists():
        raise InputError.at(str(path), "contains an earlier salvage", "keep it, and give another folder")
    return path


async def _contents(session: PostgresSession, table: _Table) -> dict[str, str | int]:
    return {str(row[0]): row[1] for row in await session.rows(table.contents(), within_s=_LONG_S)}


def _missing(mine: str | int, theirs: str | int | None) -> bool:
    """Another content, or fewer rows than here."""
    return mine > _number(theirs) if isinstance(mine, int) else mine != theirs


def _number(rows: str | int | None) -> int:
    return rows if isinstance(rows, int) else 0


_LONG_S = 600.0
