"""What a replica of a database is told, wherever it runs: the lab starts it so, and `render` writes the same.

Nothing here is secret: passwords come from the environment or from a file that is made where the replica starts.
"""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.model.endpoint import Endpoint

FOLLOWER = "follower"
"""Whom a replica logs in as: it may replicate, and nothing else."""
SLOT = "standby"
CONFIRMING = f"ANY 1 ({SLOT})"
"""Of a primary whose commits wait for the other region: a standby is called like its slot, whoever made it follow."""
POSTGRES_PORT, REDIS_PORT = 5432, 6379


def follower_conninfo(primary: Endpoint) -> str:
    return f"host={primary.host} port={primary.port} user={FOLLOWER} dbname=postgres"


def postgres_follows(primary: Endpoint, *, synchronous: bool = False) -> Mapping[str, str]:
    """Of a PostgreSQL that begins as a standby: its primary keeps WAL for it in a slot.

    ``synchronous``: it says by which name the primary waits for it.
    """
    named = f" application_name={SLOT}" if synchronous else ""
    return {"primary_conninfo": follower_conninfo(primary) + named, "primary_slot_name": SLOT}


def redis_follows(primary: Endpoint) -> tuple[str, ...]:
    """Lines of its configuration: it keeps what it gets in a file of its own, once it serves."""
    return (
        f"replicaof {primary.host} {primary.port}",
        f"masteruser {FOLLOWER}",
        "appendonly yes",
        "save ''",
    )
