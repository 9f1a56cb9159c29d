"""Snapshots of a Qdrant in an object store, set after set, and a server elsewhere that loads each as it comes.

A set counts once its list is there, which is written last. Who loads writes down what it loaded: where a collection
has other points by then, somebody writes there, and nothing is replaced any more.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from attrs import frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.objects.failures import ObjectMissingError
from secondsite.objects.store import ObjectStorage
from secondsite.stores.qdrant import MANIFEST, QdrantServer, RestoredCollection, SavedCollection, read_saved

_SETS, _LOADED = "sets", "loaded"
_PIECE = 1 << 20


@frozen
class SnapshotStore:
    """``store`` holds the sets of one server, each under the moment at which it was begun."""

    store: ObjectStorage

    async def sets(self) -> list[str]:
        """Those that are whole, the oldest first."""
        listed = {one.key for one in await self.store.listing(f"{_SETS}/")}
        return sorted(key.split("/")[1] for key in listed if key.endswith(f"/{MANIFEST}"))

    async def save(self, server: QdrantServer, keep: int = 0) -> tuple[SavedCollection, ...]:
        """``keep`` so many sets, the newest; all where it is 0."""
        name = f"{time.time_ns():020d}"
        with tempfile.TemporaryDirectory(prefix="secondsite-qdrant-") as aside:
            folder = Path(aside, "set")
            saved = server.save(folder)
            for each in saved:
                await self.store.write(f"{_SETS}/{name}/{each.file}", _pieces(folder / each.file), each.size_bytes)
            await self.store.create(f"{_SETS}/{name}/{MANIFEST}", (folder / MANIFEST).read_bytes())
        for old in (await self.sets())[:-keep] if keep else ():
            await self.store.delete([f"{_SETS}/{old}/{MANIFEST}"])  # then it is none
            await self.store.delete_below(f"{_SETS}/{old}/")
        return saved

    async def restore(self, server: QdrantServer, *, replace: bool = False) -> tuple[RestoredCollection, ...]:
        """The newest set. Raises InputError where there is none."""
        names = await self.sets()
        if not names:
            raise InputError.at(self.store.shown, "has no whole set of snapshots", "save one with `qdrant save --to`")
        return await self._restored(server, names[-1], replace=replace)

    async def load_newer(self, server: QdrantServer, known: str) -> tuple[str, tuple[RestoredCollection, ...]]:
        """The newest set, where it is newer than the one that was loaded last by ``known``, a name for the server.

        Raises InputError where somebody else wrote to the server since.
        """
        names, last = await self.sets(), await self._loaded(known)
        if not names or names[-1] == last.name:
            return "", ()
        there = server.collections()
        changed = sorted(name for name, points in there.items() if points != last.points.get(name))
        if changed:
            what = f"{', '.join(changed)} changed since it was loaded: somebody writes there"
            remedy = "stop loading into a server that serves; to begin anew, empty the server first"
            raise InputError.at(server.place.shown, what, remedy)
        restored = await self._restored(server, names[-1], replace=True)
        points = {each.name: each.points for each in restored}
        await self._note(known, _Loaded(names[-1], points))
        return names[-1], restored

    async def _restored(self, server: QdrantServer, name: str, *, replace: bool) -> tuple[RestoredCollection, ...]:
        with tempfile.TemporaryDirectory(prefix="secondsite-qdrant-") as aside:
            folder = Path(aside)
            (folder / MANIFEST).write_bytes(await self.store.read(f"{_SETS}/{name}/{MANIFEST}"))
            for each in json.loads((folder / MANIFEST).read_bytes()).get("collections", ()):
                file = Path(str(each["file"])).name
                with (folder / file).open("wb") as kept:
                    async for piece in self.store.stream(f"{_SETS}/{name}/{file}"):
                        kept.write(piece)
            try:
                read_saved(folder)
            except InputError as error:
                problem = error.problems[0]
                raise InputError.at(self.store.url(f"{_SETS}/{name}"), problem.what, problem.remedy) from None
            return server.restore(folder, replace=replace)

    async def _loaded(self, known: str) -> _Loaded:
        try:
            content = json.loads(await self.store.read(f"{_LOADED}/{known}.json"))
            return _Loaded(str(content["set"]), {str(name): int(count) for name, count in content["points"].items()})
        except ObjectMissingError:
            return _Loaded("", {})
        except (ValueError, KeyError, TypeError, AttributeError):
            what = f"{_LOADED}/{known}.json is not what `qdrant follow` writes"
            raise MachineError.at(self.store.shown, what, "delete it, and empty the server that follows") from None

    async def _note(self, known: str, loaded: _Loaded) -> None:
        key = f"{_LOADED}/{known}.json"
        await self.store.delete([key])
        await self.store.create(key, json.dumps({"set": loaded.name, "points": loaded.points}).encode())


@frozen
class _Loaded:
    """Of one server: the set that it has, and its points by collection once it had it."""

    name: str
    points: dict[str, int]


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
