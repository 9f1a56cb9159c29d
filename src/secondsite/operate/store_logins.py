"""The databases of a procedure, by their logins: one for each region and store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from attrs import frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_host import Followed
from secondsite.stores.postgres_place import PostgresPlace
from secondsite.stores.redis import RedisServer
from secondsite.stores.redis_place import RedisPlace
from secondsite.stores.server import StoreServer

ROWS = Path(".secondsite/rows")


@frozen
class StoreLogins:
    """By ``REGION/STORE``. ``folder`` is where rows are saved that only one server has."""

    places: Mapping[str, PostgresPlace | RedisPlace]
    folder: Path = ROWS

    @property
    def shown(self) -> dict[str, str]:
        """What an approval is bound to: where they are, and no secret."""
        return {name: place.shown for name, place in sorted(self.places.items())}

    def server(self, region: str, store: str) -> StoreServer:
        name = f"{region}/{store}"
        if name not in self.places:
            raise InputError.at("--store", f"no login for {name}", f"give --store {name}=env:NAME")
        place = self.places[name]
        return RedisServer(place) if isinstance(place, RedisPlace) else PostgresServer(place)

    def kept(self, region: str, store: str) -> Path:
        return new_folder(self.folder, f"{region}-{store}")

    def rewinds(self, region: str, store: str) -> bool:
        return isinstance(self.places.get(f"{region}/{store}"), RedisPlace)

    async def follow(self, region: str, store: str, serving: str) -> Followed | None:
        """Redis is told to, by the address of the other's login; PostgreSQL's files are not within reach of a login."""
        returned, primary = self.server(region, store), self.server(serving, store)
        if isinstance(returned, RedisServer) and isinstance(primary, RedisServer):
            return await replicate(returned, primary)
        return None


async def replicate(returned: RedisServer, primary: RedisServer) -> Followed:
    """What only the returned one had is thrown away by that. Raises MachineError where it does not get there."""
    begin = time.monotonic()
    await returned.follow(primary)
    return Followed("replicaof", time.monotonic() - begin)


def new_folder(parent: Path, name: str) -> Path:
    """Never one that was there: what it holds was saved before."""
    for number in count(1):
        folder = parent / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise MachineError.at(
                str(folder), f"cannot be made: {error.strerror}", "free disk space, then resume"
            ) from None
        return folder
    raise AssertionError(name)
