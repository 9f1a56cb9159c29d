"""Data that lives outside NATS: databases, caches, vector stores."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.units import Bytes


class Loss(StrEnum):
    """What losing this store means: ``data`` is gone for good, a ``cache`` refills itself."""

    DATA = "data"
    CACHE = "cache"


class Replication(StrEnum):
    """Whether a replica in another region may follow it."""

    REPLICA = "replica"
    NONE = "none"


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
