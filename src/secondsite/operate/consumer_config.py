"""What a consumer's configuration, as a server shows it, means to a procedure. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondsite.model.jetstream_config import is_internal

_EVERYTHING = ("",)


def is_users(config: Mapping[str, Any]) -> bool:
    """A durable that an application made: no consumer of a mirror or a source, which servers make themselves."""
    name = str(config.get("durable_name") or "")
    return bool(name) and not config.get("sourcing") and not is_internal(name)


def filters_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The subjects that it takes; one empty filter where it takes every one."""
    one, several = config.get("filter_subject"), config.get("filter_subjects") or ()
    filters = tuple(str(subject) for subject in ([one] if one else several) if subject)
    return _EVERYTHING if not filters or ">" in filters else filters


def may_be_set(config: Mapping[str, Any], sequence: int) -> bool:
    """Whether a server sets its position there: others than these are refused (10204), as are earlier sequences."""
    policy = config.get("deliver_policy") or "all"
    return policy == "all" or (policy == "by_start_sequence" and sequence >= int(config.get("opt_start_seq") or 1))


def recreated(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """As its application configured it, without what a server noted of itself: its own create is then no change."""
    metadata = {key: value for key, value in (config.get("metadata") or {}).items() if not key.startswith("_nats.")}
    kept = {key: value for key, value in config.items() if key != "metadata"}
    return kept | {"name": name, "durable_name": name} | ({"metadata": metadata} if metadata else {})


def started_at(config: Mapping[str, Any], name: str, sequence: int) -> dict[str, Any]:
    """The same for servers that cannot set a consumer's position: it begins there, and says so."""
    own = ("deliver_policy", "opt_start_seq", "opt_start_time")
    kept = {key: value for key, value in recreated(config, name).items() if key not in own}
    return kept | {"deliver_policy": "by_start_sequence", "opt_start_seq": sequence}
