"""``secondsite qdrant``: what a Qdrant server holds, saved as snapshots and restored elsewhere, counted and timed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import asdict
from cyclopts import App

from secondsite.cli.stores import Flag, option, print_json
from secondsite.model.errors import EXIT_HOLDS

if TYPE_CHECKING:
    from secondsite.stores.qdrant import QdrantServer

app = App(name="qdrant", help="Count, save and restore the collections of a Qdrant server.")
Url = Annotated[str, option("Its HTTP API, such as http://qdrant:6333.")]
Key = Annotated[str, option("API key: env:NAME or file:PATH.")]
Folder = Annotated[Path, option("The folder of the snapshots.")]


@app.command
def status(url: Url, *, key: Key = "", json: Flag = False) -> int:
    """Show its version, and the points of each collection, counted exactly. Changes nothing."""
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
def save(url: Url, *, folder: Folder, key: Key = "") -> int:
    """Take a snapshot of every collection into a new folder, and check its digest. Aliases are not in it."""
    for each in _server(url, key).save(folder):
        print(f"{each.name}: {each.most:,} points, {each.size_bytes:,} bytes, saved to {folder / each.file}")
    return EXIT_HOLDS


@app.command
def restore(
    url: Url,
    *,
    folder: Folder,
    key: Key = "",
    replace: Annotated[bool, option("Overwrite collections that are there.", negative="")] = False,
    json: Flag = False,
) -> int:
    """Restore every saved collection, count its points, and time it."""
    restored = _server(url, key).restore(folder, replace=replace)
    if json:
        print_json({"schema": "secondsite/qdrant/1", "restored": [asdict(each) for each in restored]})
        return EXIT_HOLDS
    for each in restored:
        print(f"{each.name}: {each.points:,} points, {each.size_bytes:,} bytes, in {each.seconds:.1f} s")
    return EXIT_HOLDS


def _server(url: str, key: str) -> QdrantServer:
    from secondsite.stores.qdrant import QdrantServer, qdrant_place

    return QdrantServer(qdrant_place(url, key, "URL"))
