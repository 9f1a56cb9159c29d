"""The databases of a procedure, by their logins: one for each region and store."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

from attrs import frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_host import Followed
from secondsite.stores.postgres_place import PostgresPlace

ROWS = Path(".secondsite/rows")


@frozen
class StoreLogins:
    """By ``REGION/STORE``. ``folder`` is where rows are saved that only one server has."""

    places: Mapping[str, PostgresPlace]
    folder: Path = ROWS

    @property
    def shown(self) -> dict[str, str]:
        """What an approval is bound to: where they are, and no secret."""
        return {name: place.shown for name, place in sorted(self.places.items())}

    def server(self, region: str, store: str) -> PostgresServer:
        name = f"{region}/{store}"
        if name not in self.places:
            raise InputError.at("--store", f"no login for {name}", f"give --store {name}=env:NAME")
        return PostgresServer(self.places[name])

    def kept(self, region: str, store: str) -> Path:
        return new_folder(self.folder, f"{region}-{store}")

    async def follow(self, region: str, store: str, serving: str) -> Followed | None:
        """Its files and its process are not within reach of a login."""
        return None


def new_folder(parent: Path, name: str) -> Path:
    """Never one that was there: what it holds was saved before."""
    for number in count(1):
        folder = parent / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise MachineError.at(str(folder), f"cannot be made: {error.strerror}", "free the disk, resume") from None
        return folder
    raise AssertionError(name)
