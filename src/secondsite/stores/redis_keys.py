"""What only one of two Redis servers has: found key by key, and saved before a replication throws it away.

Every database is read. A key counts as only there where the other server has none with its name and its very content;
the time it has left is no content. Values are saved as DUMP gives them, so that RESTORE takes them as they were.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

from attrs import frozen

from secondsite.model.errors import InputError
from secondsite.stores.redis_place import RedisPlace, RedisSession

_PAGE = 1000
_LONG_S = 60.0


@frozen
class SavedKeys:
    """``missing``: keys that the other server has not. ``differing``: those that it has with another content, which
    either side may have written. ``file``: one JSON object a line with db, key, ttl_ms, dump, of both.
    """

    missing: tuple[str, ...]
    differing: tuple[str, ...]
    file: Path | None

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.missing, *self.differing)


async def salvage_keys(old: RedisPlace, new: RedisPlace, folder: Path) -> SavedKeys:
    """Into a folder that is there; raises InputError where the file is in the way."""
    path = folder / "keys.only-there.jsonl"
    if path.exists():
        raise InputError.at(str(path), "contains an earlier salvage", "keep it, and give another folder")
    async with old.open() as session:
        databases = sorted(int(str(name)[2:]) for name in await session.ask("INFO", "keyspace"))
    missing: list[str] = []
    differing: list[str] = []
    with path.open("x", encoding="utf-8") as file:
        for database in databases:
            async with old.open(database) as ours, new.open(database) as theirs:
                async for key, dump, left_ms, known in _only_there(ours, theirs):
                    (differing if known else missing).append(f"{database}/{key.decode(errors='replace')}")
                    line = {"db": database, "key": _b64(key), "ttl_ms": left_ms, "dump": _b64(dump)}
                    file.write(json.dumps(line) + "\n")
    if not (missing or differing):
        path.unlink()
        return SavedKeys((), (), None)
    return SavedKeys(tuple(missing), tuple(differing), path)


async def _only_there(ours: RedisSession, theirs: RedisSession) -> AsyncIterator[tuple[bytes, bytes, int, bool]]:
    """Name, content, the milliseconds that it has left (-1 for a key that stays), and whether the other has the key."""
    cursor = 0
    while True:
        cursor, keys = await ours.ask("SCAN", cursor, "COUNT", _PAGE, within_s=_LONG_S)
        asked = [("DUMP", key) for key in keys]
        mine, known = await ours.ask_all(asked, _LONG_S), await theirs.ask_all(asked, _LONG_S)
        for key, dump, other in zip(keys, mine, known, strict=True):
            if dump is not None and dump != other:
                yield key, dump, int(await ours.ask("PTTL", key)), other is not None
        if not cursor:
            return


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
