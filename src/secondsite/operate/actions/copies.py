"""Copies of a stream that was restored: each is made anew, or it goes on showing what was there before.

A restored origin is another stream for the server. A mirror of the one before copies nothing of it and reports no lag;
a stream that sources it takes everything a second time (nats-server 2.15.1, measured). What is deleted is saved first:
a mirror may hold what came after the backup, a stream with several sources what one of them dropped.
"""

from __future__ import annotations

from collections.abc import Iterable

from secondsite.operate.action import ManualContext, Scope
from secondsite.operate.layout import StreamPlacement
from secondsite.operate.shell import (
    WENT_WELL,
    changed,
    file_word,
    last_sequence,
    nats,
    read,
    request,
    until_it_has,
    word,
)

_FOLLOWS = "[.sources[]? | select(.active < 0 or .lag > 0)] == []"


def copies_of(placements: Iterable[StreamPlacement], restored: Iterable[str], region: str) -> list[StreamPlacement]:
    """Of streams that were restored in the region, nearest first: a copy of a copy is made anew after that one.

    A stream that sources others and was restored with them goes on where it was; see `secondsite.backup.sourcing`.
    """
    known = {(region, name) for name in restored}
    copies = [one for one in placements if one.stream.mirror or one.stream.sources]
    left = [one for one in copies if (one.region, one.name) not in known]
    ordered: list[StreamPlacement] = []
    while nearest := [one for one in left if _reads(one, known)]:
        ordered += nearest
        left = [one for one in left if one not in nearest]
        known |= {(one.region, one.name) for one in nearest}
    return ordered


def _reads(copy: StreamPlacement, known: set[tuple[str, str]]) -> bool:
    origins = (copy.stream.mirror, *copy.stream.sources)
    return any(one is not None and (one.region or copy.region, one.stream) in known for one in origins)


def copies_to_remake(
    context: Scope, restored: Iterable[str]
) -> tuple[tuple[StreamPlacement, ...], tuple[StreamPlacement, ...]]:
    """Those to be made anew, and those that take writes of their own and are left."""
    copies = copies_of(_placements(context), restored, context.home)
    return tuple(one for one in copies if not one.stream.subjects), tuple(one for one in copies if one.stream.subjects)


def local_mirrors(context: Scope, origin: StreamPlacement) -> tuple[StreamPlacement, ...]:
    """Mirrors of it in its own region: what stands beside it for readers."""
    mirrors = (one for one in _placements(context) if one.region == origin.region and one.stream.mirror)
    return tuple(one for one in mirrors if (origin.region, origin.name) == _origin_key(one))


def _origin_key(copy: StreamPlacement) -> tuple[str, str]:
    mirror = copy.stream.mirror
    return ((mirror.region or copy.region), mirror.stream) if mirror else ("", "")


def origins_of(context: Scope, copy: StreamPlacement) -> tuple[StreamPlacement, ...]:
    """What it mirrors or sources, as far as the deployment knows it."""
    by_name = {(one.region, one.name): one for one in _placements(context)}
    keys = [(one.region or copy.region, one.stream) for one in (copy.stream.mirror, *copy.stream.sources) if one]
    return tuple(by_name[key] for key in keys if key in by_name)


def _placements(context: Scope) -> list[StreamPlacement]:
    return [StreamPlacement(c.region or context.home, c, s) for c in context.deployment.clusters for s in c.streams]


def copies_anew(context: ManualContext) -> Iterable[str]:
    """Each with the configuration that it has; it is saved before it is deleted, with its consumers."""
    origins = [one.name for one in _placements(context) if one.region == context.home and one.stream.mirror is None]
    remade, left = copies_to_remake(context, origins)
    for copy in left:
        yield f"# {word(copy.name)} in {word(copy.region)} takes writes of its own: left; see sources-and-writes"
    if remade:
        yield "# only those whose origin was restored"
    for copy in remade:
        yield from remaking(context, copy)


def remaking(context: Scope, copy: StreamPlacement) -> Iterable[str]:
    """One copy by hand."""
    region, name = copy.region, copy.name
    to = word(f"replaced/{file_word(name)}")
    yield f'secondsite backup --context {word(region)} --stream {word(name)} --to "file://$PWD/"{to}'
    yield f"consumers=$({request(region, f'CONSUMER.LIST.{name}', {})} | jq -c {word(_CONSUMERS)})"
    yield f"config=$({read(region, f'STREAM.INFO.{name}', _MERE_COPY)})"
    yield f'[ -n "$config" ] && {changed(region, f"STREAM.DELETE.{name}")}'
    yield changed(region, f"STREAM.CREATE.{name}", '"$config"')
    of = next(iter(origins_of(context, copy)), None)
    if copy.stream.mirror and of is not None:
        yield until_it_has(copy, of)
    else:
        asked = read(region, f"STREAM.INFO.{name}", _FOLLOWS, flags="-e")
        yield f"until {asked} >/dev/null; do sleep 1 || break; done"
    yield from _consumers(copy)


_MERE_COPY = (
    '.config | if (.subjects // []) == [] then . else error("it takes writes of its own: do not delete it") end'
)
_CONSUMERS = (
    '.consumers[]? | select((.config.durable_name // "") != "" and (.config.sourcing | not)) | '
    "{floor: .ack_floor.stream_seq, stream_name, config: (.config | del(.metadata, .opt_start_time))}"
)


def _consumers(copy: StreamPlacement) -> Iterable[str]:
    """Of a mirror each goes on where it stood; what sources others has other sequences now, and they begin anew."""
    start = "([.floor, $last] | min) + 1" if copy.stream.mirror else "1"
    begun = f'.config.deliver_policy = "by_start_sequence" | .config.opt_start_seq = {start} | del(.floor)'
    called = f'{word(f"$JS.API.CONSUMER.CREATE.{copy.name}.")}"$(jq -r .config.durable_name <<<"$each")"'
    made = f'{nats(copy.region)} request --raw {called} "$each" | jq {word(WENT_WELL)}'
    yield f"last=$({last_sequence(copy.region, copy.name)})"
    each = f'jq -c --argjson last "$last" {word(begun)} <<<"$consumers"'
    yield f"{each} | while read -r each; do {made} || break; done"
