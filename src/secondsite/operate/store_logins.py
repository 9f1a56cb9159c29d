"""The databases of a procedure, by their logins: one for each region and store."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from secondsite.model.errors import InputError
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_place import PostgresPlace


@frozen
class StoreLogins:
    """By ``REGION/STORE``."""

    places: Mapping[str, PostgresPlace]

    @property
    def shown(self) -> dict[str, str]:
        """What an approval is bound to: where they are, and no secret."""
        return {name: place.shown for name, place in sorted(self.places.items())}

    def server(self, region: str, store: str) -> PostgresServer:
        name = f"{region}/{store}"
        if name not in self.places:
            raise InputError.at("--store", f"no login for {name}", f"give --store {name}=env:NAME")
        return PostgresServer(self.places[name])
