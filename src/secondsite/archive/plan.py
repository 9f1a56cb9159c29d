"""What is shipped and how, what came of it, and how an object is written that nobody else has written."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

from attrs import frozen

from secondsite.backup.codec import Keys
from secondsite.backup.signing import SignedRecord, SigningKey
from secondsite.model.errors import InputError, MachineError
from secondsite.objects.failures import ObjectExistsError
from secondsite.objects.store import ObjectStorage

SEGMENT_BYTES = 8 * 1024**2
CHECKPOINT_BYTES = 256 * 1024**2
PARALLEL = 4
GONE_PER_S = 20_000
HEARTBEAT_S = 10.0


class BeatenError(MachineError):
    """Another archiver has shipped the checkpoint that this one was about to write."""


class NotStoredError(MachineError):
    """The store failed: nothing of this checkpoint counts."""


@frozen
class ArchivePlan:
    """``segment_bytes`` before compression; ``checkpoint_bytes`` ends one that has much to ship, and the next goes on.

    ``streams`` and ``exclude`` are shell patterns.
    """

    streams: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    keys: Keys = Keys()
    signing: SigningKey | None = None
    segment_bytes: int = SEGMENT_BYTES
    checkpoint_bytes: int = CHECKPOINT_BYTES
    parallel: int = PARALLEL
    heartbeat_s: float = HEARTBEAT_S
    report: Callable[[str], None] = lambda _: None

    def check_protects(self, newest: SignedRecord, shown: str) -> None:
        """Raises InputError where a record of this plan would be less than the newest one is: it would end the archive
        for whoever restores with its keys.
        """
        if newest.signer and not self.signing:
            what = f"this archive is signed ({newest.signer[:16]}…), and this run has no --sign"
            raise InputError.at(shown, what, "give --sign FILE with its key, or start a new archive at another prefix")
        if newest.recipients and not self.keys.recipients:
            what = f"this archive is encrypted for {', '.join(newest.recipients)}, and this run has no --recipient"
            raise InputError.at(shown, what, "give --recipient as before, or start a new archive at another prefix")

    def wants(self, name: str) -> bool:
        return _matches(name, self.streams) and not _matches(name, self.exclude)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


@frozen
class Shipped:
    """What a checkpoint brought: ``number`` is 0 where nothing was new.

    ``whole`` are streams that are in the store as far as they were seen, ``behind`` what is left of others in bytes,
    ``missing`` what could not be inspected.
    """

    number: int
    streams: int
    messages: int
    plain_bytes: int
    stored_bytes: int
    behind: dict[str, int]
    whole: tuple[str, ...]
    missing: tuple[str, ...]


async def create_same(store: ObjectStorage, key: str, data: bytes) -> None:
    """Write an object once. A store that answers late and is asked again finds our own there: that is success.

    Raises ObjectExistsError where another's is there.
    """
    try:
        await store.create(key, data)
    except ObjectExistsError:
        if await store.read(key, max(len(data), 1) + 64 * 1024**2) != data:
            raise
