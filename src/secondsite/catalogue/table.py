"""Tables of facts as CSV files, the shipped ones and those a user keeps beside ``secondsite.yaml``.

Every row says where its figure comes from, when it was so, and how far it can be trusted; a row that does not
is refused with its file and line. A user's row takes the place of a shipped row with the same key.
"""

from __future__ import annotations

import csv
import io
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from attrs import frozen

from secondsite.model.errors import InputError, Problem
from secondsite.model.estimate import Provenance
from secondsite.model.place import Place

USER_FOLDER = "secondsite-catalogue"
ORIGIN_COLUMNS = ("source", "as_of", "provenance")
T = TypeVar("T")


@frozen
class TableRow:
    place: Place
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def number(self, column: str) -> float:
        """A finite number, not negative: every quantity of the catalogue is one."""
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < 0:
            raise self.wrong(f"{column} {self.cells[column]!r} is not a number of zero or more", "write it as 0.096")
        return value

    @property
    def provenance(self) -> Provenance:
        return Provenance(self.cells["provenance"])

    @property
    def source(self) -> str:
        """Where the figure comes from and when it was so, as one text, with the address where it is to be found."""
        return with_url(f"{self.cells['source']} ({self.cells['as_of']})")

    def wrong(self, what: str, remedy: str) -> InputError:
        return InputError([Problem(self.place, what, remedy)])


def with_url(source: str) -> str:
    """The source with the address of the place that it names, where one is known."""
    url = next((url for key, url in _urls() if key in source), "")
    return f"{source}, {url}" if url and "://" not in source else source


@lru_cache(maxsize=1)
def _urls() -> tuple[tuple[str, str], ...]:
    text = files("secondsite.catalogue").joinpath("data", "source_urls.toml").read_text("utf-8")
    return tuple(tomllib.loads(text)["urls"].items())


def shipped(name: str, columns: Sequence[str]) -> tuple[TableRow, ...]:
    """The rows of a table that comes with the package."""
    return read_rows(files("secondsite.catalogue").joinpath("data", name).read_text("utf-8"), name, columns)


def users(folder: Path | None, name: str, columns: Sequence[str]) -> tuple[TableRow, ...]:
    """The rows of a user's table of that name; none when no such file."""
    if folder is None or not (folder / name).is_file():
        return ()
    path = folder / name
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.at(str(path), f"cannot be read ({error})", "make it a readable UTF-8 file") from error
    return read_rows(text, str(path), columns)


def read_rows(text: str, file: str, columns: Sequence[str]) -> tuple[TableRow, ...]:
    """All rows, or all that is wrong with them. ``columns`` come before source, as_of and provenance."""
    reader = csv.reader(io.StringIO(text))
    expected = (*columns, *ORIGIN_COLUMNS)
    if tuple(next(reader, ())) != expected:
        raise InputError.at(Place(file, 1), "the first line is not the header", f"write {','.join(expected)}")
    rows, problems = [], []
    for cells in _filled(reader, file):
        place = Place(file, reader.line_num)
        row = TableRow(place, dict(zip(expected, cells, strict=False)))
        problem = _problem(row, len(cells), expected)
        if problem:
            problems.append(problem)
        else:
            rows.append(row)
    if problems:
        raise InputError(problems)
    return tuple(rows)


def parse_all(rows: Sequence[TableRow], parse: Callable[[TableRow], T]) -> list[T]:
    """Each row parsed, or the problems of all rows together."""
    parsed: list[T] = []
    problems: list[Problem] = []
    for row in rows:
        try:
            parsed.append(parse(row))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return parsed


def _filled(reader: Iterator[list[str]], file: str) -> Iterator[list[str]]:
    try:
        yield from ([cell.strip() for cell in cells] for cells in reader if cells)
    except csv.Error as error:
        raise InputError.at(
            file, f"is not CSV ({error})", "write one row a line, cells with commas in quotes"
        ) from None


def _problem(row: TableRow, cells: int, expected: Sequence[str]) -> Problem | None:
    if cells != len(expected):
        return Problem(row.place, f"has {cells} cells, not {len(expected)}", f"write {','.join(expected)}")
    if not row["source"] or not row["as_of"]:
        return Problem(row.place, "says no source or no date", "name where the figure comes from, and when it was so")
    if row["provenance"] not in ("measured", "published", "assumed"):
        return Problem(
            row.place, f"provenance {row['provenance']!r} is unknown", "write measured, published or assumed"
        )
    return None
