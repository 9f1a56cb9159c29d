"""Where a promoted stream goes on sourcing: behind what it holds, and not at the first message of its sources.

Since 2.15 a sourced message names the very stream that it comes from (measured on 2.15.1). The sources of a promoted
stream are the copies beside it, other streams for the server, which would all be taken again. They have the sequences
of the ones before, up to where they parted: what was written since took the numbers behind that anew.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from secondsite.backup.sourcing import Position, come_to, source_position
from secondsite.nats.streams import StreamState
from secondsite.operate.layout import DIVERGED, PROMOTING, StreamFamily, StreamPlacement
from secondsite.operate.shell import read, request, word
from secondsite.operate.world import StreamsDoor
from secondsite.strategies.stream_config import once_promoted

_WINDOW = 2000
T = TypeVar("T")
Ask = Callable[[Callable[[], Awaitable[T]]], Awaitable[T]]
"""Asks until there is an answer."""


async def goes_on(
    door: StreamsDoor,
    state: StreamState,
    sources: Iterable[Mapping[str, Any]],
    promoting: Collection[str],
    ask: Ask[Any],
) -> list[dict[str, Any]]:
    """The sources of a stream that stands still. ``promoting``: the streams that part from their origin meanwhile."""
    wanted = [dict(source) for source in sources]
    positions = await _positions(door, state, wanted, ask)
    return [await _from(door, source, positions, promoting, ask) for source in wanted]


async def _from(
    door: StreamsDoor,
    source: dict[str, Any],
    positions: Mapping[Position, int],
    promoting: Collection[str],
    ask: Ask[Any],
) -> dict[str, Any]:
    last = source_position(source, positions)
    if not last:
        return source
    beside = not source.get("external") and source["name"] in promoting
    parted = await ask(lambda: _parted(door, source["name"])) if beside else last
    free = {key: value for key, value in source.items() if key != "opt_start_time"}
    return {**free, "opt_start_seq": min(last, parted) + 1}


async def _parted(door: StreamsDoor, name: str) -> int | None:
    """Where it stands still, or stood as it was promoted; None as long as it is a mirror."""
    state = await door.stream(name)
    if state is None or state.is_mirror:
        return None
    parted = state.metadata.get(DIVERGED, "")
    standing = all(subject.startswith(f"{PROMOTING}.") for subject in state.subjects)
    return state.last_seq if standing or not parted.isdigit() else int(parted)


async def _positions(
    door: StreamsDoor, state: StreamState, sources: Iterable[Mapping[str, Any]], ask: Ask[Any]
) -> Mapping[Position, int]:
    """From the newest message back, until each source was met or nothing is left. The newest of a source counts: an
    older one may be of a stream that parted before."""
    positions: dict[Position, int] = {}
    missing, end = list(sources), state.last_seq
    while end >= state.first_seq and missing:
        first = max(state.first_seq, end - _WINDOW + 1)
        newest = await ask(lambda first=first, end=end: _come_to(door, state.name, first, end))  # type: ignore[misc]
        positions = {**newest, **positions}
        missing = [source for source in missing if not source_position(source, positions)]
        end = first - 1
    return positions


async def _come_to(door: StreamsDoor, name: str, first: int, last: int) -> dict[Position, int]:
    newest: dict[Position, int] = {}
    async for message in door.many(name, first, last, bodies=False):
        if known := come_to(message.headers.get("Nats-Stream-Source", "")):
            newest[known[0]] = known[1]
    return newest


_NEWEST = (
    '[.message.hdrs // "" | @base64d | split("\\r\\n")[] | select(startswith("Nats-Stream-Source:")) '
    '| ltrimstr("Nats-Stream-Source:") | split(" ") | map(select(. != "")) '
    '| select((.[0] | split(":")[0]) == $name and ($filter == "" or (.[2] // ">") == $filter)) | .[1]] | .[0] // "0"'
)
_BEGIN = (
    'map(if .name == $name and ($filter == "" or (.filter_subject // ">") == $filter) '
    "then del(.opt_start_time) | .opt_start_seq = ([$last, $parted] | min) + 1 else . end)"
)


def going_on(family: StreamFamily, placement: StreamPlacement, promoting: Collection[str]) -> Iterable[str]:
    """By hand: `sources` of the stream, which stands still; each begins behind its newest message there."""
    region, name = placement.region, placement.name
    sources = once_promoted(family.origin.stream, placement.cluster).get("sources", [])
    if not sources:
        return
    yield f"sources={word(json.dumps(sources))}"
    for line in ("end=.state.last_seq", "first=.state.first_seq"):
        variable, _, program = line.partition("=")
        yield f"{variable}=$({read(region, f'STREAM.INFO.{name}', program, flags='-r')})"
    for source in sources:
        chosen = "" if source.get("subject_transforms") else source.get("filter_subject") or ">"
        which = f"--arg name {word(source['name'])} --arg filter {word(chosen)}"
        asked = request(region, f"STREAM.MSG.GET.{name}", '"{\\"seq\\": $at}"')
        newest = f"last=$({asked} | jq -r {which} {word(_NEWEST)})"
        back = f'{newest}; [ "$last" = 0 ] || break; at=$((at - 1))'
        yield f'at=$end; last=0; while [ "$at" -ge "$first" ]; do {back}; done'
        beside = not source.get("external") and source["name"] in promoting
        stood = f".config.metadata[{json.dumps(DIVERGED)}] // .state.last_seq | tonumber"
        yield f"parted=$({read(region, 'STREAM.INFO.' + source['name'], stood)})" if beside else "parted=$last"
        begun = f'jq -c {which} --argjson last "$last" --argjson parted "$parted" {word(_BEGIN)} <<<"$sources"'
        yield f'[ "$last" = 0 ] || sources=$({begun})'
