"""Files of fixed records as differences between them, column by column: what a compressor makes small. Lossless.

The header stays as it is and so does the length. What can be computed is taken out: a check word that fits its
record, the wall clock as far as the monotonic clock tells it. Rows of a ledger are put in the order of their
messages, so that an outcome stands behind its intent and repeats most of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from secondsite.drill.ledger.envelope import split_header
from secondsite.drill.ledger.finals import (
    COPY_ROW,
    COPY_SCHEMA,
    OLD_COPY_ROW,
    OLD_COPY_SCHEMA,
    PROCESSING_ROW,
    PROCESSING_SCHEMA,
)
from secondsite.drill.ledger.ledger import SCHEMA as LEDGER_SCHEMA
from secondsite.drill.ledger.record import RECORD, Records, check_words

_ROWS: Mapping[str, np.dtype[np.void]] = {
    LEDGER_SCHEMA: RECORD,
    COPY_SCHEMA: COPY_ROW,
    OLD_COPY_SCHEMA: OLD_COPY_ROW,
    PROCESSING_SCHEMA: PROCESSING_ROW,
}
_ORDER = "sequence"


def folded(raw: bytes) -> bytes | None:
    """None for what is not a file of records, or would not come back byte for byte."""
    start, kind = _layout(raw)
    if kind is None:
        return None
    count = (len(raw) - start) // kind.itemsize
    end = start + count * kind.itemsize
    rows = np.frombuffer(raw, kind, count, start).copy()
    _take_out(rows)
    order = _order(rows)
    columns = (_differences(rows[name] if name == _ORDER else rows[name][order]) for name in _names(kind))
    made = raw[:start] + b"".join(columns) + raw[end:]
    return made if unfolded(made) == raw else None


def unfolded(made: bytes) -> bytes:
    """What `folded` was given. Raises ValueError for anything else than what it made."""
    start, kind = _layout(made)
    if kind is None:
        raise ValueError("not a file of records")
    count = (len(made) - start) // kind.itemsize
    rows = np.zeros(count, kind)
    at = start
    order = np.arange(count)
    for name in _names(kind):
        width = kind[name].itemsize
        column = _sums(made[at : at + width * count], kind[name])
        at += width * count
        if name == _ORDER:
            rows[name] = column
            order = _order(rows)
        else:
            rows[name][order] = column
    _put_back(rows)
    return made[:start] + rows.tobytes() + made[at:]


def _layout(raw: bytes) -> tuple[int, np.dtype[np.void] | None]:
    start, text = split_header(raw)
    try:
        header = json.loads(text) if text else None
    except ValueError:
        return 0, None
    return start, _ROWS.get(str(header.get("schema"))) if isinstance(header, dict) else None


def _names(kind: np.dtype[np.void]) -> list[str]:
    """The column that tells the order of the others goes first."""
    return sorted(kind.names or (), key=lambda name: name != _ORDER)


def _order(rows: Records) -> NDArray[np.int64]:
    if rows.dtype != RECORD:
        return np.arange(len(rows))
    return np.argsort(rows[_ORDER], kind="stable")


def _take_out(rows: Records) -> None:
    if rows.dtype != RECORD:
        return
    kept = rows["check"].copy()
    rows["check"] = 0
    rows["check"] = kept ^ check_words(rows)
    rows["wall_ns"] -= rows["monotonic_ns"]


def _put_back(rows: Records) -> None:
    if rows.dtype != RECORD:
        return
    rows["wall_ns"] += rows["monotonic_ns"]
    kept = rows["check"].copy()
    rows["check"] = 0
    rows["check"] = kept ^ check_words(rows)


def _differences(column: NDArray[np.generic]) -> bytes:
    """Each value less the one before it, modulo its width; then all first bytes, all second bytes, and so on."""
    words = np.ascontiguousarray(column).view(f"<u{column.dtype.itemsize}")
    differences = words.copy()
    differences[1:] -= words[:-1]
    return differences.view(np.uint8).reshape(-1, column.dtype.itemsize).T.tobytes()


def _sums(data: bytes, kind: np.dtype[np.generic]) -> NDArray[np.generic]:
    width = kind.itemsize
    flat = np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(width, -1).T)
    words = flat.view(f"<u{width}").reshape(-1)
    return np.add.accumulate(words, dtype=words.dtype).view(kind)
