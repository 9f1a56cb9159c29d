"""``secondsite qdrant``: what a Qdrant server holds, saved as snapshots and restored elsewhere, counted and timed."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from attrs import asdict
from cyclopts import App, Parameter
from cyclopts.types import NonNegativeInt

from secondsite.backup.qdrant_snapshots import SnapshotStore
from secondsite.cli.backup_options import every as seconds
from secondsite.cli.stores import Endpoint, Json, open_store, option, passed_over, print_json
from secondsite.model.errors import EXIT_HOLDS, InputError, MachineError

if TYPE_CHECKING:
    from secondsite.stores.qdrant import QdrantServer, RestoredCollection, SavedCollection

app = App(name="qdrant", help="Count, save and restore the collections of a Qdrant server.")
Url = Annotated[str, option("HTTP API of the server, such as http://qdrant:6333.")]
Key = Annotated[str, option("API key: env:NAME or file:PATH.")]
Folder = Annotated[Path, option("Folder of the snapshots.")]


@app.command
def status(url: Url, *, key: Key = "", json: Json = False) -> int:
    """Show the version of the server and the exact number of points in each collection. Changes nothing."""
    server = _server(url, key)
    version, collections = server.version(), server.collections()
    if json:
        print_json({"schema": "secondsite/qdrant/1", "version": version, "collections": collections})
        return EXIT_HOLDS
    print(f"Qdrant {version}: {len(collections)} collections, {sum(collections.values()):,} points")
    for name, points in collections.items():
        print(f"{name}: {points:,} points")
    return EXIT_HOLDS


@app.command
def save(
    url: Url,
    *,
    folder: Folder | None = None,
    to: Annotated[str, option("Object store, instead of --folder: s3://bucket/prefix, gs://…, az://….")] = "",
    endpoint: Endpoint = None,
    every: Annotated[str | None, option("Keep running and take snapshots at this interval, such as 15m.")] = None,
    keep: Annotated[NonNegativeInt, option("Number of snapshots to keep in the object store; 0 keeps all.")] = 0,
    key: Key = "",
) -> int:
    """Take a snapshot of every collection, and check its digest. Aliases are not in it."""
    server = _server(url, key)
    if bool(to) == bool(folder):
        raise InputError.at("--to", "give an object store or --folder, and not both", "write --to s3://bucket/prefix")
    if folder:
        _print_saved(server.save(folder), str(folder))
        return EXIT_HOLDS
    store = SnapshotStore(open_store(to, endpoint, "--to", make=True))

    async def once() -> None:
        _print_saved(await store.save(server, keep), to)

    return asyncio.run(_on_and_on(once, seconds(every)))


@app.command
def restore(
    url: Url,
    *,
    folder: Folder | None = None,
    from_: Annotated[
        str,
        Parameter(name="--from", help="Object store, instead of --folder; its newest complete set."),
    ] = "",
    endpoint: Endpoint = None,
    key: Key = "",
    replace: Annotated[bool, option("Overwrite existing collections.", negative="")] = False,
    json: Json = False,
) -> int:
    """Restore every saved collection, count its points, and time it."""
    server = _server(url, key)
    if bool(from_) == bool(folder):
        what = "give an object store or --folder, and not both"
        raise InputError.at("--from", what, "write --from s3://bucket/prefix")
    if folder:
        restored = server.restore(folder, replace=replace)
    else:
        store = SnapshotStore(open_store(from_, endpoint, "--from"))
        restored = asyncio.run(store.restore(server, replace=replace))
    _print_restored(restored, as_json=json)
    return EXIT_HOLDS


@app.command
def follow(
    url: Url,
    *,
    from_: Annotated[str, Parameter(name="--from", help="The object store that `qdrant save --to` writes to.")],
    endpoint: Endpoint = None,
    every: Annotated[str, option("How often to look for a newer snapshot.")] = "1m",
    key: Key = "",
    json: Json = False,
) -> int:
    """Load each new snapshot into a standby server in another region. Stop it before that server takes writes.

    It exits with code 2 as soon as a collection differs from what it loaded.
    """
    server, known = _server(url, key), re.sub(r"[^A-Za-z0-9]", "-", urlsplit(url).netloc)
    store = SnapshotStore(open_store(from_, endpoint, "--from"))

    async def once() -> None:
        name, restored = await store.load_newer(server, known)
        if name:
            _print_restored(restored, as_json=json)

    return asyncio.run(_on_and_on(once, seconds(every)))


async def _on_and_on(once: Callable[[], Awaitable[None]], every_s: float | None) -> int:
    """Once where no interval is given; else until SIGTERM, which lets end what is under way. Silence is tried again."""
    if every_s is None:
        await once()
        return EXIT_HOLDS
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    while not ended.is_set():
        try:
            await once()
        except MachineError as error:
            passed_over(f"{error}; tried again in {every_s:g} s")
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), every_s)
    return EXIT_HOLDS


def _print_saved(saved: Iterable[SavedCollection], where: str) -> None:
    for each in saved:
        print(f"{each.name}: {each.most:,} points, {each.size_bytes:,} bytes, saved to {where}", flush=True)


def _print_restored(restored: Iterable[RestoredCollection], *, as_json: bool) -> None:
    if as_json:
        print_json({"schema": "secondsite/qdrant/1", "restored": [asdict(each) for each in restored]})
        return
    for each in restored:
        print(f"{each.name}: {each.points:,} points, {each.size_bytes:,} bytes, in {each.seconds:.1f} s", flush=True)


def _server(url: str, key: str) -> QdrantServer:
    from secondsite.stores.qdrant import QdrantServer, qdrant_place

    return QdrantServer(qdrant_place(url, key, "URL"))
