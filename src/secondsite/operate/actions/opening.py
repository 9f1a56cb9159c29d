"""The second update of a promotion: the writers' subjects, where it parted, and what a mirror may not have. Pure."""

from __future__ import annotations

import json
from typing import Any

from secondsite.nats.streams import StreamState
from secondsite.operate.layout import DIVERGED, StreamFamily, StreamPlacement, writer_config
from secondsite.strategies.stream_config import once_promoted

_NANOSECONDS = 1_000_000_000


def open_config(
    state: StreamState, subjects: tuple[str, ...], family: StreamFamily, placement: StreamPlacement
) -> dict[str, Any]:
    """With all that its origin has and a mirror may not have."""
    metadata = {**state.metadata, DIVERGED: str(state.last_seq)}
    more = once_promoted(family.origin.stream, placement.cluster)
    return writer_config(state.config, subjects, metadata=metadata, duplicate_window=_window(family), **more)


def _window(family: StreamFamily) -> int:
    return round(family.origin.stream.duplicate_window_s * _NANOSECONDS)


def opening_edit(subjects: tuple[str, ...], family: StreamFamily, placement: StreamPlacement) -> str:
    """The same by jq."""
    more = f".subjects = {json.dumps(subjects)} | .duplicate_window = {_window(family)}"
    if added := once_promoted(family.origin.stream, placement.cluster):
        more += f" | . += {json.dumps({key: value for key, value in added.items() if key != 'sources'})}"
    if "sources" in added:
        more += " | .sources = $sources"
    return f"(.state.last_seq | tostring) as $parted | .config | .metadata[{json.dumps(DIVERGED)}] = $parted | {more}"
