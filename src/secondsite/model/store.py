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
    """Whether a replica in another region may follow it."""

    REPLICA = "replica"
    NONE = "none"


class CopiesToday(StrEnum):
    """Which copies a server has today, as it says itself; of a synchronous one a commit waits for a copy."""

    SINGLE = "single"
    ASYNCHRONOUS = "asynchronous"
    SYNCHRONOUS = "synchronous"


@frozen
class RunningStore:
    """What a primary said of itself. None: it did not say, or its engine has no such thing.

    ``written_bytes_per_s`` is the rate of its log, ``lag_s`` that of the copy that is farthest behind.
    ``bounded_slots``: a slot whose standby is away stops keeping the log before the disk is full. ``archived``: the log
    is shipped. ``rewindable``: after a promotion only what differs has to be copied. ``sequences``: how many it has.
    """

    version: str = ""
    replicated: CopiesToday | None = None
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
    name: str
    service: str
    engine: str
    loss: Loss = Loss.DATA
    persistent: bool = True
    size_bytes: Bytes | None = None
    replicas: int = 1
    replication: Replication = Replication.REPLICA
    running: RunningStore | None = None
