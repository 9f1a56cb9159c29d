"""One suite for every store: what the backup relies on holds in a folder, in two S3 servers, in Azure's and in a fake
of Google's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TypeVar

import pytest

from secondsite.model.errors import MachineError
from secondsite.objects.address import parse_store
from secondsite.objects.failures import AccessError, ObjectExistsError, ObjectMissingError
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
T = TypeVar("T")
LARGE = 20 * 1024**2 + 17


SCHEMES = {"rclone_s3": "s3", "moto_s3": "s3", "azurite": "az", "fake_gcs": "gs"}


@pytest.fixture(params=["folder", *SCHEMES])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStorage:
    if request.param == "folder":
        return ObjectStorage(parse_store(f"file://{tmp_path / 'store'}"), make=True)
    return ObjectStorage(
        parse_store(f"{SCHEMES[request.param]}://bucket/some/prefix", request.getfixturevalue(request.param))
    )


def run(work: Awaitable[T]) -> T:
    async def main() -> T:
        return await work

    return asyncio.run(main())


async def pieces(content: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def read(store: ObjectStorage, key: str) -> bytes:
    return b"".join([piece async for piece in store.stream(key)])


@pytest.mark.parametrize("size", [0, 1, LARGE])
def test_what_is_written_is_read(store: ObjectStorage, size: int) -> None:
    content = os.urandom(size)
    run(store.write("a/b", pieces(content)))
    assert run(read(store, "a/b")) == content
    assert [(stored.key, stored.size_bytes) for stored in run(store.listing("a"))] == [("a/b", size)]


@pytest.mark.parametrize("good_pieces", [0, 1, 60])
def test_a_source_that_fails_leaves_no_object_and_its_own_error(store: ObjectStorage, good_pieces: int) -> None:
    async def failing() -> AsyncIterator[bytes]:
        for _ in range(good_pieces):
            yield bytes(300_000)
        raise LookupError("the source failed")

    with pytest.raises(LookupError, match="the source failed"):
        run(store.write("a/b", failing()))
    assert run(store.listing("a")) == []


def test_a_cancelled_write_leaves_no_object(store: ObjectStorage) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(300_000)
            await asyncio.sleep(0.001)

    async def cancelled() -> None:
        task = asyncio.ensure_future(store.write("a/b", endless()))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancelled())
    assert run(store.listing("a")) == []


def test_absent_objects(store: ObjectStorage) -> None:
    with pytest.raises(ObjectMissingError) as missing:
        run(store.read("not/there"))
    assert missing.value.problems[0].place.file.endswith("/not/there")
    run(store.delete(["not/there"]))
    assert run(store.listing("nothing")) == []
    assert run(store.folders()) == []


def test_folders_and_deletion(store: ObjectStorage) -> None:
    for key in ("x/1", "x/2", "y/1"):
        run(store.create(key, b"content"))
    assert run(store.folders()) == ["x", "y"]
    run(store.delete(["x/1", "x/2"]))
    assert run(store.folders()) in (["y"], ["x", "y"])  # an empty folder of a file system may stay
    assert run(store.listing("x")) == []


def test_conditional_creation_is_kept_or_found_out(store: ObjectStorage, request: pytest.FixtureRequest) -> None:
    ignores = "rclone_s3" in request.node.callspec.params.values()
    assert run(store.honours_conditions()) is not ignores
    assert run(store.listing("")) == []
    run(store.create("k", b"first"))
    if ignores:
        return
    with pytest.raises(ObjectExistsError):
        run(store.create("k", b"second"))
    assert run(store.read("k")) == b"first"


def test_what_is_there_is_deleted_beside_what_is_absent(store: ObjectStorage) -> None:
    keys = [f"x/{number}" for number in range(30)]
    for key in keys[10:]:
        run(store.create(key, b"content"))
    run(store.delete(keys))
    assert run(store.listing("x")) == []


def test_more_objects_than_a_page(fake_gcs: str) -> None:
    store = ObjectStorage(parse_store("gs://bucket/p", fake_gcs))

    async def work() -> None:
        keys = [f"{number:03}/object" for number in range(230)]
        await asyncio.gather(*(store.create(key, b"") for key in keys))
        assert [stored.key for stored in await store.listing("")] == keys
        assert await store.folders() == [key.split("/")[0] for key in keys]

    run(work())


@pytest.mark.parametrize("server", ["moto_s3", "azurite", "fake_gcs"])
def test_of_many_writers_one_creates(server: str, request: pytest.FixtureRequest) -> None:
    store = ObjectStorage(parse_store(f"{SCHEMES[server]}://bucket", request.getfixturevalue(server)))

    async def race() -> list[bool]:
        async def one(number: int) -> bool:
            try:
                await store.create("slot", str(number).encode())
            except ObjectExistsError:
                return False
            return True

        return await asyncio.gather(*(one(number) for number in range(12)))

    assert sum(run(race())) == 1


@pytest.mark.parametrize("server", SCHEMES)
def test_a_missing_bucket_is_named(server: str, request: pytest.FixtureRequest) -> None:
    scheme = SCHEMES[server]
    store = ObjectStorage(parse_store(f"{scheme}://other/p", request.getfixturevalue(server)))
    for work in (store.folders(), store.create("k", b"x"), store.read("k")):
        with pytest.raises(MachineError, match=rf"^{scheme}://other/p: no such (bucket|container); check its"):
            run(work)


def test_errors_name_the_place_and_no_secret(rclone_s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match="no such folder"):
        ObjectStorage(parse_store(f"file://{tmp_path / 'absent'}"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anotherwrongsecret")
    with pytest.raises(AccessError) as refused:
        run(ObjectStorage(parse_store("s3://bucket/p", rclone_s3)).read("k"))
    assert "s3://bucket/p/k" in str(refused.value)
    assert "anotherwrongsecret" not in str(refused.value)
