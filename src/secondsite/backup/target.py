"""What a restored stream is to be, and how it is fenced until it is proven. Pure.

A stream that is being restored bears a mark in its metadata and listens on a subject that nobody knows, from its first
moment on, so that nobody writes to half of it; its sources are left out, so that it copies nothing a second time. One
update gives it its configuration and takes the mark. So a stream with both is the work of a restore that did not end,
and nobody can have written to it; one without either belongs to somebody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.model.errors import InputError

MARK = "secondsite.restoring"
FENCED = "secondsite.subjects-before"
KEEP, NOWHERE = "keep", "none"
_REFERS_ELSEWHERE = ("mirror", "mirror_direct", "sources", "republish", "subject_transform")
_WINDOW_NS = 120 * 10**9

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
    final = {**unfenced(config), "name": name}
    if name != config["name"] and overlapping(final.get("subjects") or (), taken):
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
        if not final.get("subjects"):  # a server would give it its name, which may be another stream's subject
            final["subjects"] = [_private(name, "detached")]
        if not final.get("duplicate_window"):  # a mirror has none, and a stream of its own gets one
            final["duplicate_window"] = min(_WINDOW_NS, int(final.get("max_age") or 0) or _WINDOW_NS)
        final |= {"storage": "file", "num_replicas": 1}
        final.pop("placement", None)
    return final


def held_back(final: Config, backup_id: str) -> dict[str, Any]:
    """As it stands until it is proven. Nobody writes to a mirror, or to what is sealed: these keep what they have."""
    held = {**final, "metadata": {**(final.get("metadata") or {}), MARK: backup_id}}
    if _writable(final):
        held["subjects"] = [_private(str(final["name"]), backup_id)]
        held.pop("sources", None)
        held.pop("republish", None)
    held.pop("first_seq", None)  # 2.10 takes it for an order to purge; the last update brings it back
    return held


def is_held_back(config: Config) -> bool:
    """Whether this is what a restore left, to which nobody can have written."""
    backup_id = mark_of(config)
    if backup_id is None:
        return False
    return not _writable(config) or config.get("subjects") == [_private(str(config["name"]), backup_id)]


def mark_of(config: Config) -> str | None:
    """The backup whose restore has not ended, or None."""
    mark = (config.get("metadata") or {}).get(MARK)
    return str(mark) if mark else None


def fenced(config: Config, backup_id: str) -> dict[str, Any]:
    """A stream that is to go, with its subjects taken from it and written down, so that nobody writes to it."""
    if not _writable(config) or FENCED in (config.get("metadata") or {}):
        return dict(config)
    kept = json.dumps({key: config[key] for key in ("subjects", "sources") if config.get(key)})
    held = {**config, "subjects": [_private(str(config["name"]), f"fenced-{backup_id}")]}
    held.pop("sources", None)
    return {**held, "metadata": {**(config.get("metadata") or {}), FENCED: kept}}


def unfenced(config: Config) -> dict[str, Any]:
    """As it was before the fence."""
    metadata = dict(config.get("metadata") or {})
    try:
        kept = json.loads(metadata.pop(FENCED))
    except (KeyError, ValueError, TypeError):
        return dict(config)
    free = {key: value for key, value in config.items() if key not in ("subjects", "metadata")}
    return {**free, **kept, **({"metadata": metadata} if metadata else {})}


def _writable(config: Config) -> bool:
    return not config.get("mirror") and not config.get("sealed")


def _private(name: str, backup_id: str) -> str:
    return f"_secondsite.{backup_id}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def differences(wanted: Config, actual: Config) -> tuple[str, ...]:
    """Field by field: what the server made of a configuration. What is absent, empty or zero is one and the same."""
    lines = []
    for field in sorted({*wanted, *actual}):
        before, after = _plain(field, wanted.get(field)), _plain(field, actual.get(field))
        if before != after:
            lines.append(f"{field}: {json.dumps(before)}, is {json.dumps(after)}")
    return tuple(lines)


def _plain(field: str, value: Any) -> Any:
    """Without what servers write down for themselves."""
    if field == "metadata" and isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if not str(key).startswith("_nats.")}
    if isinstance(value, Mapping):
        value = {key: _plain(key, item) for key, item in value.items() if _plain(key, item) is not None}
    elif isinstance(value, list):
        value = [_plain("", item) for item in value]
    return value or None


def check_rename(old: str, new: str) -> None:
    """Raises InputError for a rename after which clients would see an empty bucket."""
    if not new or set(new) & set(" .*>/\\\t"):
        raise InputError.at("--stream", f"{new!r} is not the name of a stream", "remove spaces, dots, slashes, * and >")
    for prefix, what in (("KV_", "key-value bucket"), ("OBJ_", "object store")):
        if old.startswith(prefix) and old != new:
            reason = f"{old} is a {what}: its name is part of the subject of every message"
            raise InputError.at("--stream", reason, "restore it under its own name, into another account or domain")


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
