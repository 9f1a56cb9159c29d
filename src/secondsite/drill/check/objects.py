"""Objects of an object store: one that was acknowledged has all of its chunks, and their digest is the one it names.

A client writes the chunks first and the object's description last, so that a copy which ends anywhere holds whole
objects only. An object whose description is there and whose chunks are not, or are others, is torn: reading it fails.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import define, field, frozen

from secondsite.drill.ledger.finals import COPY_ROW, FinalRead
from secondsite.drill.ledger.object_names import digest_of, key_of_name
from secondsite.drill.ledger.payload import altered, digest
from secondsite.drill.ledger.record import STRAY, parse_identity

_MOST_STRAYS = 100


@frozen
class _Description:
    id: str
    sequence: int
    about: Mapping[str, Any]


@define
class ObjectReader:
    """Takes the messages of one copy of an object store, one by one, as they are read."""

    run: str
    stream: str
    place: str
    chunks: dict[str, list[bytes]] = field(factory=dict)
    described: list[_Description] = field(factory=list)
    strays: list[str] = field(factory=list)

    def take(self, message_id: str, stream_sequence: int, subject: str, data: bytes, *, salvaged: bool = False) -> None:
        """Chunks are told by their subject; what describes no object is a stray, unless it is a chunk.

        One that a failback salvaged is judged as any other: the last of its name counts, wherever it stands.
        """
        del salvaged
        words = subject.split(".")
        if len(words) > 3 and words[0] == "$O" and words[2] == "C":
            self.chunks.setdefault(words[3], []).append(data)
            return
        self.described.append(_Description(message_id, stream_sequence, _read(data)))
        if parse_identity(self.run, message_id) == STRAY and len(self.strays) < _MOST_STRAYS:
            self.strays.append(message_id)

    def finished(self, complete: bool, why_incomplete: str = "") -> FinalRead:
        """A row for each object, as for a value of a bucket; its payload is not 0 where it is torn."""
        rows = np.zeros(len(self.described), COPY_ROW)
        for place, each in enumerate(self.described):
            size, torn = self._looked_at(each)
            identity = parse_identity(self.run, each.id)
            rows[place] = (identity, each.sequence, key_of_name(str(each.about.get("name", ""))), size, torn, 0)
        return FinalRead(self.stream, self.place, complete, rows, tuple(self.strays), why_incomplete)

    def _looked_at(self, described: _Description) -> tuple[int, int]:
        """The size of what is there, and 0, or a digest where it is not what the description says."""
        about = described.about
        chunks = self.chunks.get(str(about.get("nuid", "")), [])
        content = b"".join(chunks)
        whole = about.get("chunks") == len(chunks) and about.get("size") == len(content)
        if not whole or about.get("digest") != digest_of(content):
            return len(content), digest(content)
        return len(content), altered(described.id, content)


def _read(data: bytes) -> Mapping[str, Any]:
    try:
        about = json.loads(data)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}
