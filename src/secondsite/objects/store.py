"""One object store, whatever its kind: write once, read as a stream, list, delete.

Nothing here holds an object as a whole, except the small ones that `read` and `create` are for. A failure names the
object by its URL; an object that is absent is `ObjectMissingError`, one that exists already is `ObjectExistsError`.

The library's blocking calls are made in threads: its asynchronous ones let a thread of its own touch the interpreter
while that shuts down, which ends one process in ten with an abort.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from attrs import evolve, frozen
from obstore import exceptions

from secondsite.model.errors import MachineError
from secondsite.objects.address import StoreAddress
from secondsite.objects.aws import provider_of_profile
from secondsite.objects.bridge import Bridge, Pieces
from secondsite.objects.failures import ObjectExistsError, ObjectTooLargeError, machine_error
from secondsite.objects.folder import create_durably, files_below, folders_in, settle
from secondsite.objects.protection import UNKNOWN, Protection, protection_at

if TYPE_CHECKING:
    from obstore.store import (
        AzureConfig,
        ClientConfig,
        GCSConfig,
        ObjectStore,
        RetryConfig,
        S3Config,
    )
    from typing_extensions import Buffer

PART_BYTES = 8 * 1024**2
MAX_PART_BYTES = 16 * 1024**2
MAX_PARTS = 10_000
UPLOADS_AT_ONCE = 2
READ_BYTES = 1024**2
WHOLE_BYTES = 8 * 1024**2
STALL_S = 60.0
PROBES = "probes"


@frozen
class ListedObject:
    """An object as a listing shows it. ``modified_at`` is by the store's own clock, for a folder by this machine's."""

    key: str
    size_bytes: int
    modified_at: datetime | None = None


class ObjectStorage:
    """Keys are relative to the address. ``shown`` is the address as people may see it."""

    def __init__(self, address: StoreAddress, *, make: bool = False) -> None:
        self.shown = str(address)
        self._address = address
        self._scheme = address.scheme
        self._folder = Path(address.container) if address.scheme == "file" else None
        if address.scheme == "file" and not make and not Path(address.container).is_dir():
            raise MachineError.at(self.shown, "no such folder", "check the path")
        with self._translated(""):
            self._store = _open(address)

    def below(self, prefix: str) -> ObjectStorage:
        """The part of this store whose keys begin so, as a store of its own."""
        path = self._address.container if self._folder else self._address.prefix
        inner = f"{path}/{prefix}".strip("/") if not self._folder else f"{path}/{prefix}"
        changed = evolve(self._address, container=inner) if self._folder else evolve(self._address, prefix=inner)
        return ObjectStorage(changed, make=True)

    async def create(self, key: str, content: bytes) -> None:
        """Write an object that must not exist yet; raises ObjectExistsError. It is durable when this returns."""
        with self._translated(key):
            if self._folder:
                await asyncio.to_thread(create_durably, self._folder, self._folder / key, content)
                return
            await asyncio.to_thread(obstore.put, self._store, key, content, mode="create", use_multipart=False)

    async def write(
        self,
        key: str,
        chunks: AsyncIterator[bytes],
        expected_bytes: int = 0,
        on_piece: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """Stream an object. When ``chunks`` raises, nothing is there and the same exception comes out.

        It is durable when this returns.
        ``on_piece`` gets each piece in the thread that writes, beside the loop.
        """
        part_bytes = min(MAX_PART_BYTES, max(PART_BYTES, expected_bytes // (MAX_PARTS - 100)))
        bridge = Bridge()
        pieces = Pieces(bridge, chunks, on_piece)
        try:
            with self._translated(key):
                await asyncio.to_thread(
                    obstore.put,
                    self._store,
                    key,
                    pieces,
                    chunk_size=part_bytes,
                    max_concurrency=UPLOADS_AT_ONCE,
                    use_multipart=True,
                )
                if self._folder:
                    await asyncio.to_thread(settle, self._folder, self._folder / key)
        except MachineError:
            if pieces.error:
                raise pieces.error from None
            raise
        finally:
            await bridge.close()

    async def read(self, key: str, limit_bytes: int = 64 * 1024**2) -> bytes:
        """A small object, whole."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.stream(key, max(READ_BYTES, min(limit_bytes, WHOLE_BYTES))):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit_bytes:
                what = f"is larger than {limit_bytes} bytes"
                raise ObjectTooLargeError.at(
                    self.url(key), what, "it was not written by secondsite; check who writes there"
                )
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def stream(self, key: str, piece_bytes: int = READ_BYTES) -> AsyncIterator[bytes]:
        """The object's bytes in order, in pieces of about ``piece_bytes``."""
        with self._translated(key):
            answer = await asyncio.to_thread(obstore.get, self._store, key)
            if self._folder:  # the stream of a local file comes in pieces of 8 KiB
                size = answer.meta["size"]
                for start in range(0, size, piece_bytes):
                    end = min(size, start + piece_bytes)
                    yield await asyncio.to_thread(_range, self._store, key, start, end)
                return
            pieces = iter(answer.stream(min_chunk_size=piece_bytes))
            while piece := await asyncio.to_thread(_next, pieces):
                yield bytes(piece)

    async def folders(self, prefix: str = "") -> list[str]:
        """The names one level below ``prefix``, sorted."""
        with self._translated(prefix):
            if self._folder:
                return await asyncio.to_thread(folders_in, self._folder / prefix)
            listing = await asyncio.to_thread(obstore.list_with_delimiter, self._store, prefix or None)
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in listing["common_prefixes"])

    async def listing(self, prefix: str) -> list[ListedObject]:
        """Every object below ``prefix``, sorted by key."""
        with self._translated(prefix):
            if self._folder:
                files = await asyncio.to_thread(files_below, self._folder, prefix)
                return [ListedObject(key, size, modified_at) for key, size, modified_at in files]
            pages = await asyncio.to_thread(lambda: list(obstore.list(self._store, prefix or None)))
        entries = [
            ListedObject(str(item["path"]), item["size"], item["last_modified"]) for page in pages for item in page
        ]
        return sorted(entries, key=lambda stored: stored.key)

    async def delete(self, keys: list[str]) -> None:
        """Absent objects are not an error."""
        for start in range(0, len(keys), 500):
            with self._translated(keys[start]):
                await asyncio.to_thread(_delete, self._store, keys[start : start + 500])

    async def delete_below(self, prefix: str) -> None:
        """Every object below ``prefix``, and in a folder also the parts of files that a killed process left."""
        await self.delete([stored.key for stored in await self.listing(prefix)])
        if self._folder:
            await asyncio.to_thread(shutil.rmtree, self._folder / prefix, ignore_errors=True)

    async def honours_conditions(self) -> bool:
        """False for a store that answers a conditional write with success and overwrites: tried, on a probe object."""
        key = f"{PROBES}/{secrets.token_hex(8)}"
        await self.create(key, b"first")
        try:
            await self.create(key, b"second")
        except ObjectExistsError:
            return True
        else:
            return False
        finally:
            await self.delete([key])

    async def protection(self, key: str) -> Protection:
        """Whether this object can be taken back by whoever may write or delete."""
        if self._scheme != "s3":
            return UNKNOWN
        with self._translated(key):
            head = await asyncio.to_thread(obstore.head, self._store, key)
            url = await asyncio.to_thread(_signed, self._store, key)
        return await asyncio.to_thread(protection_at, url, head["version"])

    def url(self, key: str) -> str:
        """How people may see the object's place."""
        return f"{self.shown}/{key}" if key else self.shown

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except (exceptions.BaseError, OSError) as error:
            raise machine_error(error, self._scheme, self.shown, self.url(key)) from None


def _delete(store: ObjectStore, keys: list[str]) -> None:
    """All at once; one by one where some are absent, as the library gives up at the first of these."""
    absent = (exceptions.NotFoundError, FileNotFoundError)
    try:
        obstore.delete(store, keys)
    except absent:
        for key in keys:
            with suppress(*absent):
                obstore.delete(store, key)


def _signed(store: ObjectStore, key: str) -> str:
    from obstore.store import S3Store

    assert isinstance(store, S3Store)  # noqa: S101 # nobody else is asked
    return obstore.sign(store, "GET", key, timedelta(minutes=1))


def _next(pieces: Iterator[Buffer]) -> Buffer | None:
    """None at the end: a StopIteration cannot leave a thread."""
    return next(pieces, None)


def _range(store: ObjectStore, key: str, start: int, end: int) -> bytes:
    return bytes(obstore.get_range(store, key, start=start, end=end))


def _open(address: StoreAddress) -> ObjectStore:
    from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

    if address.scheme == "file":
        return LocalStore(address.container, mkdir=True)
    client: ClientConfig = {"timeout": timedelta(hours=12), "read_timeout": timedelta(seconds=STALL_S)}
    client["connect_timeout"] = timedelta(seconds=10)
    client["allow_http"] = bool(address.endpoint and address.endpoint.startswith("http://"))
    retry: RetryConfig = {"max_retries": 6, "retry_timeout": timedelta(seconds=120)}
    bucket, prefix = address.container, address.prefix or None
    if address.scheme == "gs":
        google: GCSConfig = {"base_url": address.endpoint} if address.endpoint else {}
        return GCSStore(bucket, prefix=prefix, config=google, client_options=client, retry_config=retry)
    if address.scheme == "az":
        azure: AzureConfig = {"endpoint": address.endpoint} if address.endpoint else {}
        return AzureStore(bucket, prefix=prefix, config=azure, client_options=client, retry_config=retry)
    s3: S3Config = {"checksum_algorithm": "SHA256"}  # or a bucket with Object Lock refuses what is written
    if address.endpoint:
        s3["endpoint"] = address.endpoint
    provider = provider_of_profile(os.environ)
    if not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or (provider and provider.config)):
        s3["region"] = "us-east-1"
    return S3Store(
        bucket, prefix=prefix, config=s3, client_options=client, retry_config=retry, credential_provider=provider
    )
