"""``secondsite redis``: one Redis or Valkey server, looked at, fenced, promoted, compared, made to follow."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import asdict
from cyclopts import App
from cyclopts.types import PositiveFloat

from secondsite.cli.stores import Json, option, print_json
from secondsite.extras import install
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, MachineError
from secondsite.model.wording import counted

if TYPE_CHECKING:
    from secondsite.stores.redis import RedisServer, RedisState

app = App(name="redis", help="Inspect, fence, promote and re-attach a Redis or Valkey server.")
Url = Annotated[str, option("env:NAME or file:PATH, or redis://user@host:6379 without a password.")]
Within = Annotated[PositiveFloat, option("Seconds to wait for it.")]


@app.command
def status(url: Url, *, json: Json = False) -> int:
    """Show identity, role, offset, followers and lag. Changes nothing."""
    state = asyncio.run(_server(url).look())
    if json:
        print_json({"schema": "secondsite/redis/1", **asdict(state)})
        return EXIT_HOLDS
    fence = ", fenced" if state.fenced else ""
    print(f"{state.role}{fence}: version {state.version}, replication id {state.replication_id}, run {state.run_id}")
    print(f"offset {state.offset:,}, {state.keys:,} keys, {'persistent' if state.persistent else 'in memory only'}")
    if state.before:
        print(f"took over from {state.before} after offset {state.parted_at:,}")
    if state.replica:
        print("receiving from its primary" if state.linked else "not connected to a primary")
    for follower in state.followers:
        print(f"follower {follower.address}: {follower.state}, {follower.behind_bytes:,} bytes behind")
    return EXIT_HOLDS


@app.command
def fence(url: Url, *, within: Within = 10.0) -> int:
    """Reject every login but this one and the replicas, and end all other sessions, until `unfence`."""
    ended, kept = asyncio.run(_server(url).fence(within))
    print(f"fenced; {ended} session{'' if ended == 1 else 's'} ended")
    print("it survives a restart" if kept else "it does NOT survive a restart: the server has no ACL file")
    return EXIT_HOLDS


@app.command
def unfence(url: Url) -> int:
    """Enable the users that the fence disabled."""
    asyncio.run(_server(url).unfence())
    print("fence removed")
    return EXIT_HOLDS


@app.command
def promote(url: Url) -> int:
    """Promote a replica, and check that it has a new replication ID."""
    state = asyncio.run(_server(url).promote())
    print(f"{state.role}, replication id {state.replication_id}")
    return EXIT_HOLDS


@app.command
def caught_up(url: Url, primary: Url, *, within: Within = 60.0) -> int:
    """Wait until a replica has received everything its primary has by now; exit 1 on timeout."""

    async def work() -> bool:
        offset = (await _server(primary).look()).offset
        return await _server(url).replayed_up_to(offset, within)

    done = asyncio.run(work())
    print("has all of it" if done else f"is still behind after {within:g} s")
    return EXIT_HOLDS if done else EXIT_DOES_NOT_HOLD


@app.command
def salvage(old: Url, new: Url, *, folder: Annotated[Path, option("Folder for the keys, as JSON lines.")]) -> int:
    """Find keys that exist only on the old primary and save them before it follows; exit 1 if there are any.

    A key that differs may have been written by either primary if the old one wrote after the two parted: it is saved
    too. A cache needs no salvage, as it fetches what it lost again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saved = asyncio.run(_server(old).salvage(_server(new), folder))
    if not saved.names:
        print("no key exists only there")
        return EXIT_HOLDS
    print(f"{counted(len(saved.missing), 'keys')} only there, saved to {saved.file}")
    if saved.differing:
        print(
            f"{counted(len(saved.differing), 'keys')} with another content, saved too: either side may have written it"
        )
    return EXIT_DOES_NOT_HOLD


@app.command
def follow(url: Url, primary: Url, *, within: Within = 60.0) -> int:
    """Make a server the replica of another. Data that only it has is deleted: run `salvage` first."""

    async def work() -> tuple[str, RedisState]:
        before, serving = await _server(url).look(), await _server(primary).look()
        return _lost(before, serving), await _server(url).follow(_server(primary), within)

    lost, state = asyncio.run(work())
    print(f"follows at offset {state.offset:,}; {lost}")
    return EXIT_HOLDS


def _lost(before: RedisState, serving: RedisState) -> str:
    only = before.only_here(serving)
    if only is None:
        return "its replication history differs: all its data was deleted"
    return f"{only:,} bytes of its log that no other server had were deleted" if only else "no data was deleted"


def _server(reference: str) -> RedisServer:
    from importlib.util import find_spec

    if find_spec("valkey") is None:
        raise MachineError.at("redis", "valkey is not installed", f"run: {install('redis')}")
    from secondsite.stores.redis import RedisServer
    from secondsite.stores.redis_place import redis_place

    return RedisServer(redis_place(reference, "URL"))
