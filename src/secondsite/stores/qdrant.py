"""One Qdrant server by its HTTP API: what it holds, snapshots of every collection, and what comes back of them.

Qdrant replicates inside a cluster and not between two of them, so a copy elsewhere is a snapshot at intervals. A
snapshot counts once its digest is the one that the server tells, and a restore once the collection has the points that
were there while the snapshot was made. No collection is overwritten unasked.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from attrs import asdict, field, frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_place import StoreRefusedError, referred

MANIFEST = "qdrant.json"
_SCHEMA = "secondsite/qdrant/1"
_REFUSED = (401, 403)


@frozen
class QdrantPlace:
    """``url`` of the HTTP API (6333), ``key`` its API key; ``within_s`` bounds each answer."""

    url: str
    key: str = field(default="", repr=False)
    within_s: float = 5.0
    long_s: float = 3600.0

    @property
    def shown(self) -> str:
        return f"Qdrant at {urlsplit(self.url).netloc}"


@frozen
class SavedCollection:
    """``fewest`` and ``most``: its points before and after the snapshot was made, while writes went on."""

    name: str
    fewest: int
    most: int
    file: str
    sha256: str
    size_bytes: int


@frozen
class RestoredCollection:
    name: str
    points: int
    seconds: float
    size_bytes: int


@frozen
class QdrantServer:
    place: QdrantPlace

    def version(self) -> str:
        return str(self._asked("GET", "/").get("version", ""))

    def collections(self) -> dict[str, int]:
        """Its points, counted exactly, by collection."""
        listed = _list(self._result("GET", "/collections"), "collections")
        names = sorted(str(each["name"]) for each in listed)
        return {name: self.count(name) for name in names}

    def count(self, collection: str) -> int:
        at = f"{_path(collection)}/points/count"
        count = self._result("POST", at, {"exact": True}, self.place.long_s).get("count")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise self._no_qdrant(at)
        return count

    def save(self, folder: Path) -> tuple[SavedCollection, ...]:
        """A snapshot of every collection, into a folder that has none; the server keeps none of them."""
        folder.mkdir(parents=True, exist_ok=True)
        manifest = folder / MANIFEST
        if manifest.exists():
            raise InputError.at(str(manifest), "contains earlier snapshots", "keep it, and give another folder")
        saved = tuple(self._saved(name, fewest, folder) for name, fewest in self.collections().items())
        content = {"schema": _SCHEMA, "version": self.version(), "collections": [asdict(each) for each in saved]}
        manifest.write_text(json.dumps(content, indent=2), encoding="utf-8")
        return saved

    def _saved(self, collection: str, before: int, folder: Path) -> SavedCollection:
        made = self._result("POST", f"{_path(collection)}/snapshots?wait=true", {}, self.place.long_s)
        if not isinstance(name := made.get("name"), str):
            raise self._no_qdrant(f"{_path(collection)}/snapshots")
        at = f"{_path(collection)}/snapshots/{quote(name, safe='')}"
        file, digest, size = folder / f"{quote(collection, safe='')}.snapshot", hashlib.sha256(), 0
        try:
            with self._client(self.place.long_s) as client, client.stream("GET", at) as answer, file.open("wb") as kept:
                self._refuse(answer.status_code, at)
                for block in answer.iter_bytes():
                    kept.write(block)
                    digest.update(block)
                    size += len(block)
        finally:
            self._asked("DELETE", f"{at}?wait=true", within_s=self.place.long_s)
        if made.get("checksum") not in (None, digest.hexdigest()):
            file.unlink()
            what = f"the snapshot of {collection} arrived damaged: its digest is not the server's"
            raise MachineError.at(self.place.shown, what, "save it again")
        after = self.count(collection)
        few, many = min(before, after), max(before, after)
        return SavedCollection(collection, few, many, file.name, digest.hexdigest(), size)

    def restore(self, folder: Path, *, replace: bool = False) -> tuple[RestoredCollection, ...]:
        """All that was saved. ``replace``: collections that are there are overwritten.

        Raises InputError where something is in the way or the folder was changed, MachineError where what came back
        has not the points that it had.
        """
        saved = read_saved(folder)
        there = self.collections()
        if not replace and (taken := sorted(each.name for each in saved if each.name in there)):
            what = f"already has {', '.join(taken)}"
            raise InputError.at(self.place.shown, what, "restore into an empty server, or give --replace")
        return tuple(self._restored(each, folder / Path(each.file).name) for each in saved)

    def _restored(self, saved: SavedCollection, file: Path) -> RestoredCollection:
        begin = time.monotonic()
        at = f"{_path(saved.name)}/snapshots/upload?wait=true&priority=snapshot&checksum={saved.sha256}"
        with self._client(self.place.long_s) as client, file.open("rb") as content:
            answer = client.post(at, files={"snapshot": (file.name, content, "application/octet-stream")})
        self._refuse(answer.status_code, f"the snapshot of {saved.name}", answer.text)
        points = self.count(saved.name)
        seconds = time.monotonic() - begin
        if not saved.fewest <= points <= saved.most:
            what = f"{saved.name} came back with {points:,} points, and had {saved.fewest:,} to {saved.most:,}"
            raise MachineError.at(self.place.shown, what, "do not serve from it; restore it again")
        return RestoredCollection(saved.name, points, seconds, saved.size_bytes)

    def _result(self, method: str, path: str, body: object = None, within_s: float = 0.0) -> dict[str, Any]:
        result = self._asked(method, path, body, within_s).get("result")
        if not isinstance(result, dict):
            raise self._no_qdrant(path)
        return result

    def _asked(self, method: str, path: str, body: object = None, within_s: float = 0.0) -> dict[str, Any]:
        with self._client(within_s or self.place.within_s) as client:
            answer = client.request(method, path, json=body)
        self._refuse(answer.status_code, path, answer.text)
        try:
            content = json.loads(answer.content)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise self._no_qdrant(path)
        return content

    def _no_qdrant(self, path: str) -> MachineError:
        return MachineError.at(self.place.shown, f"does not answer {path} like a Qdrant server", "check the URL")

    def _refuse(self, status: int, what: str, body: str = "") -> None:
        if status in _REFUSED:
            raise StoreRefusedError.at(self.place.shown, f"refuses {what} ({status})", "give an API key that may write")
        if status != 200:
            why = f": {' '.join(body.split())[:200]}" if body else ""
            raise StoreRefusedError.at(self.place.shown, f"answers {status} to {what}{why}", "see its log")

    @contextmanager
    def _client(self, within_s: float) -> Iterator[Any]:
        """Raises MachineError where nobody answers in time."""
        import httpx2

        headers = {"api-key": self.place.key} if self.place.key else {}
        try:
            with httpx2.Client(
                base_url=self.place.url, headers=headers, timeout=within_s, verify=_trusted(), trust_env=False
            ) as client:
                yield client
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise MachineError.at(self.place.shown, "does not answer", "check that it is running") from None


@cache
def _trusted() -> ssl.SSLContext:
    """Read once: each client would read all certificates anew."""
    return ssl.create_default_context()


def read_saved(folder: Path) -> tuple[SavedCollection, ...]:
    """Each with the digest that it was saved with; raises InputError."""
    manifest = folder / MANIFEST
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        saved = tuple(_collection(each) for each in content["collections"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError.at(
            str(manifest), "is not a list of saved snapshots", "give the folder of `qdrant save`"
        ) from None
    for each in saved:
        with _opened(folder, each) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != each.sha256:
                raise InputError.at(str(folder / each.file), "was changed since it was saved", "take another snapshot")
    return saved


def _collection(entry: Any) -> SavedCollection:
    """Raises TypeError for what is none."""
    saved = SavedCollection(**entry)
    texts, numbers = (saved.name, saved.file, saved.sha256), (saved.fewest, saved.most, saved.size_bytes)
    if not all(isinstance(each, str) for each in texts) or not all(isinstance(each, int) for each in numbers):
        raise TypeError
    return saved


def _opened(folder: Path, saved: SavedCollection) -> BufferedReader:
    """Its file, beside the list and nowhere else."""
    file = folder / Path(saved.file).name
    if not file.is_file():
        raise InputError.at(str(folder), f"the snapshot of {saved.name} is missing", "take another one")
    return file.open("rb")


def qdrant_place(url: str, key: str, option: str) -> QdrantPlace:
    """``key`` is a reference, or empty. Raises InputError for a key in the open."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise InputError.at(option, "not a Qdrant URL", "write http://host:6333, and the API key with --key env:NAME")
    kind, _, name = key.partition(":")
    if key and kind not in ("env", "file"):
        what = "a key on the command line is visible to every user of this machine"
        raise InputError.at("--key", what, "give env:NAME or file:PATH")
    return QdrantPlace(url.rstrip("/"), referred(kind, name, "--key") if key else "")


def _path(collection: str) -> str:
    return f"/collections/{quote(collection, safe='')}"


def _list(answer: dict[str, Any], key: str) -> list[dict[str, Any]]:
    listed = answer.get(key)
    return [each for each in listed if isinstance(each, dict) and "name" in each] if isinstance(listed, list) else []
