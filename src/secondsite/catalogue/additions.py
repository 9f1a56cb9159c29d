"""Rows that a user adds to the catalogue, in a folder beside ``secondsite.yaml``.

A row that could not be read back is never written, and the file is replaced as a whole, so that a run which is
interrupted leaves the old table or the new one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from secondsite.catalogue.prices import PRICE_COLUMNS, PRICES, parse_price
from secondsite.catalogue.regions import COUNTERPART_COLUMNS, COUNTERPARTS
from secondsite.catalogue.round_trips import ROUND_TRIP_COLUMNS, ROUND_TRIPS, parse_round_trip
from secondsite.catalogue.table import ORIGIN_COLUMNS, TableRow, parse_all, read_rows, users
from secondsite.model.errors import MachineError


@frozen
class Table:
    columns: tuple[str, ...]
    key_columns: int
    parse: Callable[[TableRow], object]


TABLES = {
    PRICES: Table(PRICE_COLUMNS, 3, parse_price),
    ROUND_TRIPS: Table(ROUND_TRIP_COLUMNS, 3, parse_round_trip),
    COUNTERPARTS: Table(COUNTERPART_COLUMNS, 2, lambda row: row["region"]),
}


def add_row(folder: Path, name: str, cells: Sequence[str], origin: tuple[str, str, str]) -> Path:
    """Write the row into the user's table ``name``, in place of one with the same key; the file's path.

    ``origin`` is source, as-of date and provenance. Raises InputError when the row or the table is not valid.
    """
    table = TABLES[name]
    path = folder / name
    header = (*table.columns, *ORIGIN_COLUMNS)
    added = tuple(cell.strip() for cell in (*cells, *origin))
    parse_all(read_rows(_lines(header, added), f"the new row of {name}", table.columns), table.parse)
    old = [tuple(row.cells[column] for column in header) for row in users(folder, name, table.columns)]
    kept = [row for row in old if row[: table.key_columns] != added[: table.key_columns]]
    _replace(path, _lines(header, *kept, added))
    return path


def _lines(*rows: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _replace(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        fresh.replace(path)
    except OSError as error:
        raise MachineError.at(str(path), f"cannot be written ({error.strerror})", "make the folder writable") from error
