"""Data that lives outside NATS: databases, caches, vector stores."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.units import Bytes, Seconds


class Loss(StrEnum):
    """What losing this store means: ``data`` is gone for good, a ``cache`` refills itself."""

    DATA = "data"
    CACHE = "cache"


class Replication(StrEnum):
    """How a strategy copies it to another region; the team chooses, store by store.

    ``replica`` follows after the commit. ``synchronous``: a commit waits until the other region has it. ``archive``:
    its write-ahead log goes to an object store, and it is restored from there. ``managed``: the provider's own replica.
    """

    REPLICA = "replica"
    SYNCHRONOUS = "synchronous"
    ARCHIVE = "archive"
    MANAGED = "managed"
    NONE = "none"


class CopiesToday(StrEnum):
    """Which copies it has today: as its server says, or as manifests say who keeps them.

    Of a synchronous one a commit waits for a copy. ``operator``: one in the cluster does; ``managed``: the provider.
    """

    SINGLE = "single"
    ASYNCHRONOUS = "asynchronous"
    SYNCHRONOUS = "synchronous"
    OPERATOR = "operator"
    MANAGED = "managed"


@frozen
class RunningStore:
    """What a primary said of itself. None: it did not say, or its engine has no such thing.

    ``written_bytes_per_s`` is the rate of its log, ``lag_s`` that of the copy that is farthest behind.
    ``bounded_slots``: a slot whose standby is away stops keeping the log before the disk is full. ``archived``: the log
    is shipped. ``rewindable``: after a promotion only what differs has to be copied. ``sequences``: how many it has.
    ``confirming``: how many copies may confirm a commit, where one waits for any.
    """

    version: str = ""
    replicated: CopiesToday | None = None
    confirming: int | None = None
    lag_s: Seconds | None = None
    written_bytes_per_s: float | None = None
    slots: int | None = None
    bounded_slots: bool | None = None
    archived: bool | None = None
    rewindable: bool | None = None
    sequences: int | None = None
    extensions: tuple[str, ...] = ()


@frozen
class Store:
    """``replicated``, ``product`` and ``copy_elsewhere``: today, as manifests say. A product is what an operator or a
    provider calls it ("Amazon RDS"); ``copy_elsewhere`` names the copy in another region.
    """

    name: str
    service: str
    engine: str
    loss: Loss = Loss.DATA
    persistent: bool = True
    size_bytes: Bytes | None = None
    replicas: int = 1
    replication: Replication = Replication.REPLICA
    replicated: CopiesToday | None = None
    product: str = ""
    copy_elsewhere: str = ""
    running: RunningStore | None = None
