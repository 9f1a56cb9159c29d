"""What a version drops silently of a configuration that a later one wrote: said before anything is changed. Pure.

A server ignores fields that it does not know, and answers as if it had them; which, says `model.field_support`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondsite.model.field_support import CONSUMER_FIELDS, STREAM_FIELDS, missing


def unknown_to(version: str, config: Mapping[str, Any], consumers: tuple[Mapping[str, Any], ...]) -> tuple[str, ...]:
    """``allow_msg_ttl (2.11)``; consumers' fields with their consumer. Nothing for a version that nobody knows."""
    fields = [f"{field} ({since})" for field, since in missing(config, STREAM_FIELDS, version)]
    for consumer in consumers:
        dropped = missing(consumer["config"], CONSUMER_FIELDS, version)
        fields += [f"{field} of consumer {consumer['name']} ({since})" for field, since in dropped]
    return tuple(fields)
