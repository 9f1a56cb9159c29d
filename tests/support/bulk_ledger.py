"""Ledgers of millions of records, written in one go."""

from __future__ import annotations

from pathlib import Path

from attrs import asdict

from secondsite.drill.ledger.envelope import packed
from secondsite.drill.ledger.ledger import SCHEMA, LedgerHeader
from secondsite.drill.ledger.record import Records, check_words


def write_bulk(path: Path, header: LedgerHeader, records: Records) -> None:
    """Check words are filled in."""
    records["check"] = 0
    records["check"] = check_words(records)
    with path.open("wb") as file:
        file.write(packed({"schema": SCHEMA, **asdict(header)}))
        records.tofile(file)
