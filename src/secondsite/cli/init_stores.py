"""What `init` is told of running databases and caches: their logins, and which store each is."""

from __future__ import annotations

import re
from typing import Annotated

from attrs import evolve, frozen

from secondsite.cli.stores import option
from secondsite.discover.live_store import LiveStore, merge_store
from secondsite.discover.manifests import Discovery
from secondsite.extras import install
from secondsite.model.errors import MachineError

_NAMED = re.compile(r"(?P<store>[A-Za-z0-9][A-Za-z0-9._-]*)=(?P<login>(?:env|file|service):.*|[a-z]+://.*)")


@frozen
class RunningStores:
    """Databases and caches that are read beside the paths, or alone; nothing is written there."""

    postgres: Annotated[
        tuple[str, ...],
        option(
            "Also read the PostgreSQL primary of this login: env:NAME, file:PATH, service:NAME or a URL without a "
            "password; STORE=LOGIN if there are several.",
            negative="",
        ),
    ] = ()
    redis: Annotated[
        tuple[str, ...],
        option(
            "Also read the Redis or Valkey primary of this login: env:NAME, file:PATH or a URL without a password; "
            "STORE=LOGIN if there are several.",
            negative="",
        ),
    ] = ()

    @property
    def given(self) -> bool:
        return bool(self.postgres or self.redis)


NO_STORES = RunningStores()


def with_stores(discovery: Discovery, stores: RunningStores) -> Discovery:
    """Raises InputError for a login that is none, MachineError for a server that does not answer."""
    system, notes = discovery.system, list(discovery.notes)
    for name, live in _read(stores):
        system = merge_store(system, live, name)
        notes += live.notes
    return evolve(discovery, system=system, notes=tuple(notes)) if stores.given else discovery


def _read(stores: RunningStores) -> list[tuple[str, LiveStore]]:
    import asyncio  # only a live server needs these

    async def work() -> list[tuple[str, LiveStore]]:
        from secondsite.stores.inspect import inspect_postgres, inspect_redis
        from secondsite.stores.postgres_place import postgres_place
        from secondsite.stores.redis_place import redis_place

        databases = [_named(text) for text in stores.postgres]
        caches = [_named(text) for text in stores.redis]
        read = [(name, inspect_postgres(postgres_place(login, "--postgres"))) for name, login in databases]
        asked = [*read, *((name, inspect_redis(redis_place(login, "--redis"))) for name, login in caches)]
        return [(name, await each) for name, each in asked]

    _refuse_missing(stores)
    return asyncio.run(work()) if stores.given else []


def _named(text: str) -> tuple[str, str]:
    match = _NAMED.fullmatch(text)
    return (match["store"], match["login"]) if match else ("", text)


def _refuse_missing(stores: RunningStores) -> None:
    from importlib.util import find_spec

    for given, package, extra in ((stores.postgres, "psycopg", "postgres"), (stores.redis, "valkey", "redis")):
        if given and find_spec(package) is None:
            what = f"{package} is not installed"
            raise MachineError.at(f"--{extra}", what, f"run: {install(extra)}")
