"""What a version drops in silence of a configuration that a later one wrote: said before anything is changed. Pure.

Tried on 2.10.26, 2.11.11 and 2.12.8: a server ignores fields that it does not know, and answers as if it had them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondsite.model.nats_release import Support, Version, reaches, release_name

_STREAM_SINCE: dict[str, Version] = {
    "allow_msg_ttl": (2, 11, 0),
    "subject_delete_marker_ttl": (2, 11, 0),
    "allow_msg_counter": (2, 12, 0),
    "allow_atomic": (2, 12, 0),
    "allow_msg_schedules": (2, 12, 0),
    "persist_mode": (2, 12, 0),
}
_CONSUMER_SINCE: dict[str, Version] = {
    "pause_until": (2, 11, 0),
    "priority_groups": (2, 11, 0),
    "priority_policy": (2, 11, 0),
}
_HARMLESS = ("default", "none", "0001-01-01T00:00:00Z")


def unknown_to(version: str, config: Mapping[str, Any], consumers: tuple[Mapping[str, Any], ...]) -> tuple[str, ...]:
    """``allow_msg_ttl (2.11)``; consumers' fields with their consumer. Nothing for a version that nobody knows."""
    fields = [f"{field} ({release_name(since)})" for field, since in _dropped(version, config, _STREAM_SINCE)]
    for consumer in consumers:
        dropped = _dropped(version, consumer["config"], _CONSUMER_SINCE)
        fields += [f"{field} of consumer {consumer['name']} ({release_name(since)})" for field, since in dropped]
    return tuple(fields)


def _dropped(version: str, config: Mapping[str, Any], table: Mapping[str, Version]) -> list[tuple[str, Version]]:
    used = ((field, since) for field, since in table.items() if config.get(field) not in (None, *_HARMLESS))
    return [(field, since) for field, since in used if config[field] and reaches(version, since) is Support.NO]
