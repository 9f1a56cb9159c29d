"""An archive digested in one go."""

from __future__ import annotations

from collections.abc import Iterable

from secondsite.backup.archive import ArchiveReader
from secondsite.backup.digest import Digest, Digester


def digest_archive(pieces: Iterable[bytes], width: int) -> Digest:
    """The digest of a whole archive. Raises S2Error or ArchiveError."""
    reader, digester = ArchiveReader(), Digester(width)
    for piece in pieces:
        digester.add(reader.feed(piece))
    reader.close()
    return digester.result()
