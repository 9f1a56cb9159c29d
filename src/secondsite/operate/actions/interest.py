"""A promoted copy of a stream with interest retention: limits retention until its consumers exist, then interest.

The update that makes it one of interest drops what every consumer has done (nats-server 2.14 and newer; 2.12 keeps it),
so it comes last, and never while no consumer is there: then everything would be dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from secondsite.operate.consumer_config import is_users
from secondsite.operate.layout import StreamFamily, StreamPlacement
from secondsite.operate.shell import read, updated, word
from secondsite.operate.world import StreamsDoor
from secondsite.strategies.stream_config import once_wanted

BY_LIMITS = "has limits retention still: with interest retention and no durable consumer, all of it would be deleted"


async def keep_by_interest(door: StreamsDoor, family: StreamFamily, placement: StreamPlacement) -> str:
    """What is to be told of it: empty where there is nothing."""
    wanted = once_wanted(family.origin.stream)
    state = await door.stream(placement.name) if wanted else None
    if state is None or state.is_mirror or not _differs(state.config, wanted):
        return ""
    floors = [one.floor for one in await door.consumers(placement.name) if is_users(one.config)]
    if not floors:
        return BY_LIMITS
    if min(floors) and not state.config.get("deny_purge"):
        await door.purge(placement.name, below=min(floors) + 1)
    await door.update({**state.config, **wanted})
    return ""


def _differs(config: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return any(config.get(key) != value for key, value in wanted.items())


def keeping_by_interest(family: StreamFamily, placement: StreamPlacement) -> Iterable[str]:
    """The same by hand. What all consumers have done may stay: it only takes room on a server older than 2.14."""
    if not (wanted := once_wanted(family.origin.stream)):
        return
    there = read(placement.region, f"CONSUMER.LIST.{placement.name}", _CONSUMERS, {})
    edited = updated(placement.region, placement.name, f".config + {json.dumps(wanted)}")
    yield f'[ "$({there})" -gt 0 ] && {edited}  # without consumers all of {word(placement.name)} would be deleted'


_CONSUMERS = '[.consumers[]? | select((.config.durable_name // "") != "" and (.config.sourcing | not))] | length'
