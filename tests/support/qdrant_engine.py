"""The lab's Qdrant in a thread: Qdrant's own engine behind the lab's HTTP, and what a test lets go wrong around it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote

import httpx2
from attrs import define, field, frozen

from secondsite.lab.qdrant_process import Collections, QdrantRequests, serve

VECTORS = {"vectors": {"size": 4, "distance": "Cosine"}}


@define
class Wrong:
    """``truncates``: downloads break off half way. ``instead``: by the end of a path, what is answered in its place.
    ``forgets``: points that a restore loses."""

    truncates: bool = False
    instead: dict[str, object] = field(factory=dict)
    forgets: int = 0


class _Requests(QdrantRequests):
    wrong: Wrong

    def route(self, where: SplitResult, body: bytes) -> object:
        for end, content in self.wrong.instead.items():
            if where.path.endswith(end):
                self.send(200, content)
                return None
        result = super().route(where, body)
        if where.path.endswith("/upload") and self.wrong.forgets:
            _forget(self.held, where.path.split("/")[2], self.wrong.forgets)
        return result[: len(result) // 2] if isinstance(result, bytes) and self.wrong.truncates else result


def _forget(held: Collections, name: str, count: int) -> None:
    from qdrant_edge import ScrollRequest, UpdateOperation

    points, _ = held.shard(name).scroll(ScrollRequest(limit=count))
    held.shard(name).update(UpdateOperation.delete_points([point.id for point in points]))


@frozen
class Engine:
    """One server. Points are numbers here; a number says what its vector and payload are."""

    url: str
    key: str
    folder: Path
    wrong: Wrong

    def fill(self, collections: Mapping[str, list[int]]) -> None:
        for name, points in collections.items():
            self._ask("PUT", _path(name), VECTORS)
            self.write(name, points)

    def write(self, name: str, points: list[int]) -> None:
        entries = [{"id": n, "vector": [1.0, 2.0, 3.0, float(n)], "payload": {"number": n}} for n in points]
        if entries:
            self._ask("PUT", f"{_path(name)}/points?wait=true", {"points": entries})

    def points(self) -> dict[str, list[int]]:
        listed = self._ask("GET", "/collections")["collections"]
        return {each["name"]: self._points(each["name"]) for each in listed}

    def snapshots(self) -> list[str]:
        """On the disk of the server."""
        return [path.name for path in self.folder.rglob("*.snapshot")]

    def drop(self, name: str) -> None:
        self._ask("DELETE", _path(name))

    def _points(self, name: str) -> list[int]:
        asked = {"limit": 10_000, "with_payload": True}
        found = self._ask("POST", f"{_path(name)}/points/scroll", asked)["points"]
        assert all(each["payload"] == {"number": each["id"]} for each in found)
        return [each["id"] for each in found]

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = httpx2.request(
            method, self.url + path, json=body, headers={"api-key": self.key}, trust_env=False, verify=False
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]


def _path(name: str) -> str:
    return f"/collections/{quote(name, safe='')}"


@contextmanager
def qdrant_engine(key: str, folder: Path) -> Iterator[Engine]:
    wrong = Wrong()
    server = serve("127.0.0.1", 0, folder, key, type("Spoiled", (_Requests,), {"wrong": wrong}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Engine(f"http://127.0.0.1:{server.server_port}", key, folder, wrong)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
