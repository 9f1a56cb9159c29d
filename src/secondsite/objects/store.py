"""One object store, whatever its kind: write once, read as a stream, list, delete.

Nothing here holds an object as a whole, except the small ones that `read` and `create` are for. A failure names the
object by its URL; an object that is absent is `ObjectMissingError`, one that is there already is `ObjectExistsError`.

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
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from attrs import frozen
from obstore import exceptions

from secondsite.model.errors import MachineError
from secondsite.objects.address import StoreAddress
from secondsite.objects.bridge import Bridge, Pieces

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, ObjectStore, RetryConfig, S3Config, S3CredentialProvider
    from typing_extensions import Buffer

PART_BYTES = 8 * 1024**2
MAX_PART_BYTES = 16 * 1024**2
MAX_PARTS = 10_000
UPLOADS_AT_ONCE = 2
READ_BYTES = 1024**2
STALL_S = 60.0


class ObjectMissingError(MachineError):
    """There is no such object."""


class AccessError(MachineError):
    """The store knows us and refuses, or does not know us."""


class ObjectExistsError(MachineError):
    """A conditional write found the object there already."""


@frozen
class Stored:
    """An object as a listing shows it."""

    key: str
    size_bytes: int


class Store:
    """Keys are relative to the address. ``shown`` is the address as people may see it."""

    def __init__(self, address: StoreAddress, *, make: bool = False) -> None:
        self.shown = str(address)
        self._folder = Path(address.container) if address.scheme == "file" else None
        if address.scheme == "file" and not make and not Path(address.container).is_dir():
            raise MachineError.at(self.shown, "there is no such folder", "check the path")
        with self._told(""):
            self._store = _open(address)

    async def create(self, key: str, content: bytes) -> None:
        """Write an object that must not exist yet; raises ObjectExistsError."""
        with self._told(key):
            await asyncio.to_thread(obstore.put, self._store, key, content, mode="create", use_multipart=False)

    async def write(
        self,
        key: str,
        chunks: AsyncIterator[bytes],
        expected_bytes: int = 0,
        seen: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """Stream an object. When ``chunks`` raises, nothing is there and the same exception comes out.

        ``seen`` gets each piece in the thread that writes, beside the loop.
        """
        part_bytes = min(MAX_PART_BYTES, max(PART_BYTES, expected_bytes // (MAX_PARTS - 100)))
        bridge = Bridge()
        pieces = Pieces(bridge, chunks, seen)
        try:
            with self._told(key):
                await asyncio.to_thread(
                    obstore.put,
                    self._store,
                    key,
                    pieces,
                    chunk_size=part_bytes,
                    max_concurrency=UPLOADS_AT_ONCE,
                    use_multipart=True,
                )
        except MachineError:
            if pieces.error:
                raise pieces.error from None
            raise
        finally:
            bridge.close()

    async def read(self, key: str, limit_bytes: int = 64 * 1024**2) -> bytes:
        """A small object, whole."""
        content = bytearray()
        async for chunk in self.stream(key):
            content += chunk
            if len(content) > limit_bytes:
                what = f"is larger than {limit_bytes} bytes"
                raise MachineError.at(self.url(key), what, "it was not written by secondsite; look who writes there")
        return bytes(content)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """The object's bytes in order, in pieces of about ``READ_BYTES``."""
        with self._told(key):
            found = await asyncio.to_thread(obstore.get, self._store, key)
            if self._folder:  # the stream of a local file comes in pieces of 8 KiB
                size = found.meta["size"]
                for start in range(0, size, READ_BYTES):
                    end = min(size, start + READ_BYTES)
                    yield bytes(await asyncio.to_thread(obstore.get_range, self._store, key, start=start, end=end))
                return
            pieces = iter(found.stream(min_chunk_size=READ_BYTES))
            while piece := await asyncio.to_thread(_next, pieces):
                yield bytes(piece)

    async def folders(self, prefix: str = "") -> list[str]:
        """The names one level below ``prefix``, sorted."""
        with self._told(prefix):
            found = await asyncio.to_thread(obstore.list_with_delimiter, self._store, prefix or None)
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    async def listing(self, prefix: str) -> list[Stored]:
        """Every object below ``prefix``, sorted by key."""
        with self._told(prefix):
            pages = await asyncio.to_thread(lambda: list(obstore.list(self._store, prefix or None)))
        found = [Stored(str(item["path"]), item["size"]) for page in pages for item in page]
        return sorted(found, key=lambda stored: stored.key)

    async def delete(self, keys: list[str]) -> None:
        """Absent objects are not an error."""
        for start in range(0, len(keys), 500):
            with self._told(keys[start]), suppress(exceptions.NotFoundError, FileNotFoundError):
                await asyncio.to_thread(obstore.delete, self._store, keys[start : start + 500])

    async def delete_below(self, prefix: str) -> None:
        """Every object below ``prefix``, and in a folder also the parts of files that a killed process left."""
        await self.delete([stored.key for stored in await self.listing(prefix)])
        if self._folder:
            await asyncio.to_thread(shutil.rmtree, self._folder / prefix, ignore_errors=True)

    async def honours_conditions(self) -> bool:
        """False for a store that answers a conditional write with success and overwrites: tried, on a probe object."""
        key = f"probe-{secrets.token_hex(8)}"
        await self.create(key, b"first")
        try:
            await self.create(key, b"second")
        except ObjectExistsError:
            return True
        else:
            return False
        finally:
            await self.delete([key])

    def url(self, key: str) -> str:
        """How people may see the object's place."""
        return f"{self.shown}/{key}" if key else self.shown

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        place = self.url(key)
        try:
            yield
        except (exceptions.NotFoundError, FileNotFoundError):
            raise ObjectMissingError.at(place, "is not there", "check the URL, and who may have deleted it") from None
        except (exceptions.AlreadyExistsError, FileExistsError, exceptions.PreconditionError):
            raise ObjectExistsError.at(place, "is there already", "nothing was overwritten; run again") from None
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError):
            remedy = "give credentials that may read, write, list and delete there"
            raise AccessError.at(place, "the store refused access", remedy) from None
        except (exceptions.BaseError, OSError) as error:
            if "403 Forbidden" in str(error) or "401 Unauthorized" in str(error):
                remedy = "give credentials that may read, write, list and delete there"
                raise AccessError.at(place, "the store refused access", remedy) from None
            remedy = "check the bucket's name, region and endpoint, and the credentials"
            raise MachineError.at(place, f"the store failed: {_first_line(error)}", remedy) from None


def _next(pieces: Iterator[Buffer]) -> Buffer | None:
    """None at the end: a StopIteration cannot leave a thread."""
    return next(pieces, None)


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
        return GCSStore(bucket, prefix=prefix, client_options=client, retry_config=retry)
    if address.scheme == "az":
        azure: AzureConfig = {"endpoint": address.endpoint} if address.endpoint else {}
        return AzureStore(bucket, prefix=prefix, config=azure, client_options=client, retry_config=retry)
    s3: S3Config = {"endpoint": address.endpoint} if address.endpoint else {}
    if not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
        s3["region"] = "us-east-1"
    credentials = _profile()
    return S3Store(
        bucket, prefix=prefix, config=s3, client_options=client, retry_config=retry, credential_provider=credentials
    )


def _profile() -> S3CredentialProvider | None:
    """AWS profiles and single sign-on, which only the provider's own package can read; None for everything else."""
    named = os.environ.get("AWS_PROFILE")
    shared = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    if os.environ.get("AWS_ACCESS_KEY_ID") or not (named or shared.is_file()):
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        remedy = "pip install 'secondsite[aws]', or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise MachineError.at(str(shared), "the package that reads AWS profiles is not installed", remedy) from None
    return Boto3CredentialProvider()


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
