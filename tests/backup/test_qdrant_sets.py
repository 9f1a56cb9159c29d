"""Snapshots of Qdrant in an object store: sets that are whole, a server that loads each, and when it must not."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2
import pytest
from qdrant_engine import Engine, Wrong, qdrant_engine

from secondsite.backup.qdrant_snapshots import SnapshotStore
from secondsite.cli.__main__ import run
from secondsite.lab.supervisor import python
from secondsite.model.errors import InputError
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage
from secondsite.stores.qdrant import QdrantPlace, QdrantServer


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    with qdrant_engine("", tmp_path / "here") as server:
        server.fill({"docs": [1, 2, 3]})
        yield server


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Engine]:
    with qdrant_engine("", tmp_path / "there") as server:
        yield server


@pytest.fixture
def kept(tmp_path: Path) -> SnapshotStore:
    (tmp_path / "kept").mkdir()
    return SnapshotStore(ObjectStorage(parse_store(f"file://{tmp_path}/kept")))


def _door(server: Engine) -> QdrantServer:
    return QdrantServer(QdrantPlace(server.url))


def test_the_newest_whole_set_comes_back(here: Engine, there: Engine, kept: SnapshotStore, tmp_path: Path) -> None:
    for points in ([4], [5], [6]):
        asyncio.run(kept.save(_door(here), keep=2))
        here.write("docs", points)
    assert len(asyncio.run(kept.sets())) == 2
    begun = tmp_path / "kept" / "sets" / "99999999999999999999"
    begun.mkdir()
    (begun / "docs.snapshot").write_bytes(b"half of one")
    to = f"file://{tmp_path}/kept"
    assert run(["qdrant", "restore", there.url, "--from", to]) == 0
    assert there.points() == {"docs": [1, 2, 3, 4, 5]}
    assert run(["qdrant", "save", here.url, "--to", to, "--keep", "1"]) == 0
    assert run(["qdrant", "restore", there.url, "--from", to, "--replace"]) == 0
    assert there.points() == {"docs": [1, 2, 3, 4, 5, 6]}
    assert len(list((tmp_path / "kept").rglob("*.snapshot"))) == 2, "one, and the one that nobody finished"


def test_each_new_set_is_loaded_until_somebody_writes_there(here: Engine, there: Engine, kept: SnapshotStore) -> None:
    async def load() -> int:
        _, restored = await kept.load_newer(_door(there), "there")
        return sum(each.points for each in restored)

    asyncio.run(kept.save(_door(here)))
    assert asyncio.run(load()) == 3
    assert asyncio.run(load()) == 0, "nothing is newer"
    here.write("docs", [4])
    asyncio.run(kept.save(_door(here)))
    assert asyncio.run(load()) == 4
    there.write("docs", [99])
    asyncio.run(kept.save(_door(here)))
    with pytest.raises(InputError, match="docs changed since it was loaded"):
        asyncio.run(load())
    assert there.points() == {"docs": [1, 2, 3, 4, 99]}, "nothing that was written there is gone"


def test_a_server_that_nobody_loaded_is_not_overwritten(here: Engine, there: Engine, kept: SnapshotStore) -> None:
    there.fill({"docs": [7]})
    asyncio.run(kept.save(_door(here)))
    with pytest.raises(InputError, match="somebody writes there"):
        asyncio.run(kept.load_newer(_door(there), "there"))
    assert there.points() == {"docs": [7]}


@pytest.mark.parametrize("words", [["save"], ["restore"], ["save", "--folder", "x", "--to", "file:///y"]])
def test_one_place_is_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["qdrant", words[0], "http://127.0.0.1:9", *words[1:]]) == 2
    assert "and not both" in " ".join(capsys.readouterr().err.split())


def test_what_was_acknowledged_is_there_after_sigkill(tmp_path: Path) -> None:
    """As the server of the lab is ended by a region's loss, while it is written to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = python("secondsite.lab.qdrant_process", "127.0.0.1", str(port), str(tmp_path / "data"))
    engine = Engine(f"http://127.0.0.1:{port}", "", tmp_path, Wrong())
    process = _started(words, engine.url)
    try:
        engine.fill({"docs": []})
        for number in range(100):
            engine.write("docs", [number])
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process = _started(words, engine.url)
        assert engine.points() == {"docs": list(range(100))}
    finally:
        process.kill()
        process.wait()


def _started(words: Sequence[str], url: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(words)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            httpx2.get(f"{url}/readyz", trust_env=False, verify=False)
        except httpx2.HTTPError:
            time.sleep(0.05)
        else:
            return process
    raise AssertionError("the server did not answer")
