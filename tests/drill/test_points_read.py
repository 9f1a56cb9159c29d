"""Points that came back are compared with what was sent: payload, vector, key, and whose they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from secondsite.drill.ledger.finals import CopyReader
from secondsite.drill.ledger.payload import payload
from secondsite.drill.ledger.record import STRAY
from secondsite.drill.load.qdrant_sender import point_id, vector_of
from secondsite.drill.play.points import take
from secondsite.lab.qdrant_fleet import DIMENSIONS


def _point(number: int, **other: Any) -> dict[str, Any]:
    name = f"r.890.{number}"
    written = {"id": name, "key": number % 3, "data": payload(name, 64), "written_ns": 1000 + number}
    vector = [float(np.float32(each)) for each in vector_of(name, DIMENSIONS)]  # as it comes back
    return {"id": point_id(name), "vector": vector, "payload": written, **other}


def test_what_is_whole_is_taken_in_the_order_of_its_writing() -> None:
    reader = CopyReader("r", "state/qdrant", "here", "qdrant")
    take(reader, "qdrant", [_point(2), _point(0), _point(1)])
    rows = reader.finished(True).rows
    assert [int(identity) & 0xFFFFFFFF for identity in rows["identity"]] == [0, 1, 2]
    assert rows["stream_sequence"].tolist() == [1, 2, 3]
    assert rows["key"].tolist() == [0, 1, 2]
    assert not rows["payload"].any()
    assert not rows["subject"].any()


def test_another_vector_payload_or_point_is_seen() -> None:
    turned = _point(0)
    turned["vector"] = [*turned["vector"][1:], turned["vector"][0]]
    short = _point(1)
    short["vector"] = short["vector"][:-1]
    changed = _point(2)
    changed["payload"] = {**changed["payload"], "data": changed["payload"]["data"].replace("x", "y")}
    foreign = _point(3)
    foreign["payload"] = {**foreign["payload"], "id": "another collection's"}
    reader = CopyReader("r", "state/qdrant", "here", "qdrant")
    take(reader, "qdrant", [turned, short, changed, foreign])
    found = reader.finished(True)
    assert found.rows["payload"].all()
    assert found.rows["identity"].tolist()[3] == STRAY
    assert found.strays == ("another collection's",)
