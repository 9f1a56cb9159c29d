"""The Redis servers of a drill: what its clients write into them, and what every surviving copy holds."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from secondsite.drill.ledger.finals import CopyReader, FinalRead
from secondsite.drill.ledger.ledger import store_stream
from secondsite.drill.load.client_config import ClientConfig, RedisTarget
from secondsite.drill.play.store_clients import named_store, one_each
from secondsite.lab.redis_fleet import WRITER
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError
from secondsite.stores.redis_place import RedisSession

PREFIX, COUNTER = "secondsite:write:", "secondsite:writes"
KEYS = 870
"""The number of the first client that writes keys."""
_PAGE = 1000


def key_clients(whole: ClientConfig, lab: Lab) -> tuple[ClientConfig, ...]:
    """One for each store; their streams are the last of all."""
    fleet, stream = lab.stores.redis, len(whole.streams) - len(lab.stores.redis.stores)

    def target(store: str) -> RedisTarget:
        return RedisTarget(**named_store(lab, fleet, store), user=WRITER, prefix=PREFIX, counter=COUNTER)

    return one_each(whole, fleet, client=KEYS, stream=stream, target=target)


async def read_keys(lab: Lab, run: str, region: str) -> tuple[FinalRead, ...]:
    """Of each store that the region has; one that cannot be read is a copy that was not read."""
    held = [each for each in lab.stores.redis.databases if each.region == region]
    return tuple([await _read(lab, run, each.replica.store.name, region) for each in held])


async def _read(lab: Lab, run: str, store: str, region: str) -> FinalRead:
    reader = CopyReader(run, store_stream(store), f"store {store} in {region}", store)
    try:
        async with lab.stores.redis.server(store, region).place.open() as session:
            written = [(*value.split(" ", 2), name) for name, value in (await _every(session)).items()]
    except MachineError as error:
        return reader.finished(False, error.problems[0].what)
    for position, key, data, name in sorted(written, key=lambda each: int(each[0])):
        reader.take(name, int(position), f"{store}.{key}", data.encode())
    return reader.finished(True)


async def ids_in(lab: Lab, store: str, region: str) -> set[str]:
    async with lab.stores.redis.server(store, region).place.open() as session:
        return set(await _every(session))


async def _every(session: RedisSession) -> dict[str, str]:
    """Number, key and data of each write, by its id."""
    held: dict[str, str] = {}
    cursor = 0
    while True:
        cursor, keys = await session.ask("SCAN", cursor, "MATCH", f"{PREFIX}*", "COUNT", _PAGE, within_s=30.0)
        values = await session.ask("MGET", *keys, within_s=30.0) if keys else []
        held |= {
            key.decode().removeprefix(PREFIX): value.decode() for key, value in zip(keys, values, strict=True) if value
        }
        if not int(cursor):
            return held


def saved_key_ids(folder: Path) -> set[str]:
    """In all files that keys of the load were saved to."""
    names = [
        base64.b64decode(json.loads(line)["key"]).decode(errors="replace")
        for path in folder.rglob("keys.only-there.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return {name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)}
