"""What a restored stream is to be: its name, where it is placed, and the mark it bears until the restore is done. Pure.

The mark is an entry in the stream's metadata, there from the stream's first moment on. A stream with the mark is the
work of a restore that did not end; one without it belongs to somebody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.model.errors import InputError

MARK = "secondsite.restoring"
KEEP, NOWHERE = "keep", "none"
_REFERS_ELSEWHERE = ("mirror", "sources", "republish", "subject_transform")

Config = Mapping[str, Any]


@frozen
class Changes:
    """``replicas`` None and ``placement`` "keep" leave them as they were; "none" drops it, else it names a cluster.

    ``detached``: nothing in the configuration reaches out of the server, and the storage is file.
    """

    replicas: int | None = None
    placement: str = KEEP
    detached: bool = False


def final_config(config: Config, name: str, changes: Changes, taken: Iterable[str] = ()) -> dict[str, Any]:
    """How the stream is to be in the end. ``taken`` are subjects of other streams there, for one under a new name."""
    final = {**config, "name": name}
    if name != config["name"] and overlapping(config.get("subjects") or (), taken):
        final["subjects"] = [name]
    if changes.replicas is not None:
        final["num_replicas"] = changes.replicas
    if changes.placement != KEEP:
        final.pop("placement", None)
        if changes.placement != NOWHERE:
            final["placement"] = {"cluster": changes.placement}
    if changes.detached:
        for key in _REFERS_ELSEWHERE:
            final.pop(key, None)
        final |= {"storage": "file", "num_replicas": 1}
        final.pop("placement", None)
    return final


def marked(final: Config, backup_id: str) -> dict[str, Any]:
    """With the mark."""
    return {**final, "metadata": {**(final.get("metadata") or {}), MARK: backup_id}}


def mark_of(config: Config) -> str | None:
    """The backup whose restore has not ended, or None."""
    found = (config.get("metadata") or {}).get(MARK)
    return str(found) if found else None


def check_rename(old: str, new: str) -> None:
    """Raises InputError for a rename after which clients would see an empty bucket."""
    if not new or set(new) & set(" .*>/\\\t"):
        raise InputError.at(
            "--stream", f"{new!r} is not the name of a stream", "leave out spaces, dots, slashes, * and >"
        )
    for prefix, what in (("KV_", "key-value bucket"), ("OBJ_", "object store")):
        if old.startswith(prefix) and old != new:
            told = f"{old} is a {what}: its name is part of the subject of every message"
            raise InputError.at("--stream", told, "restore it under its own name, into another account or domain")


def overlapping(mine: Iterable[str], others: Iterable[str]) -> bool:
    """Whether some subject is matched by a pattern of both."""
    theirs = list(others)
    return any(_collide(one.split("."), other.split(".")) for one in mine for other in theirs)


def _collide(one: list[str], other: list[str]) -> bool:
    for left, right in zip(one, other, strict=False):
        if ">" in (left, right):
            return True
        if "*" not in (left, right) and left != right:
            return False
    return len(one) == len(other)
