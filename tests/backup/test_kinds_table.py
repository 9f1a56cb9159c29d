"""The table of kinds and versions in docs/backup.md is what `test_kinds_and_versions.py` holds true on real servers."""

from __future__ import annotations

from pathlib import Path

from stream_kinds import CANNOT, CASES, KINDS

DOCS = Path(__file__).parents[2] / "docs/backup.md"
ROWS = {
    "limits, work queue, interest": ("LIMITS", "QUEUE", "INTEREST"),
    "compressed, `first_seq`, sealed": ("PACKED", "FIRST", "SEALED", "DENIED", "FULL", "EACH"),
    "key-value bucket": ("KV_b", "TRANSFORMED", "REPUBLISHED"),
    "sources": ("SOURCED",),
    "mirror": ("MIRROR",),
    "messages with a TTL": ("TTL",),
    "counters": ("COUNTER",),
    "in memory": ("MEMORY",),
}


def _table() -> tuple[list[str], dict[str, list[str]]]:
    lines = DOCS.read_text("utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| kind of stream |"))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[begin:] if line.startswith("|")]
    rows = {row[0]: row[1:] for row in cells[2:]}
    return cells[0][1:], {name: next(row for text, row in rows.items() if text.startswith(name)) for name in ROWS}


def test_each_kind_stands_once_and_each_version_is_tried() -> None:
    versions, rows = _table()
    kinds = [kind for name in ROWS for kind in ROWS[name]]
    assert sorted(kinds) == sorted(KINDS)
    assert len(rows) == len(ROWS)
    assert {version.rpartition(".")[0] for version, count in CASES if count == 1} == set(versions)


def test_what_it_says_is_what_is_tried() -> None:
    versions, rows = _table()
    tried = {version.rpartition(".")[0]: version for version, _ in CASES}
    for name, kinds in ROWS.items():
        for version, told in zip(versions, rows[name], strict=True):
            cannot = [kind for kind in kinds if tried[version] in CANNOT.get(kind, ())]
            assert bool(cannot) != told.startswith("yes"), (name, version, told)
