"""Copies of a stream that was restored: each is made anew, or it goes on showing what was there before.

A restored origin is another stream for the server. A mirror of the one before copies nothing of it and reports no lag;
a stream that sources it takes everything a second time (nats-server 2.15.1, measured). What is deleted here is saved
first where it is no mirror: a stream with several sources may be the last to hold what one of them dropped.
"""

from __future__ import annotations

from collections.abc import Iterable

from secondsite.operate.action import ManualContext
from secondsite.operate.layout import StreamPlacement
from secondsite.operate.shell import changed, file_word, read, until_it_has, word

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


def copies_anew(context: ManualContext) -> Iterable[str]:
    """Each with the configuration that it has; what is not a mirror is saved before it is deleted."""
    home = context.deployment.primary.region.name
    placements = [StreamPlacement(c.region or home, c, s) for c in context.deployment.clusters for s in c.streams]
    restored = [one.name for one in placements if one.region == context.region and one.stream.mirror is None]
    by_name = {(one.region, one.name): one for one in placements}
    for copy in copies_of(placements, restored, context.region):
        region, name = copy.region, copy.name
        if copy.stream.subjects:
            yield f"# {name} in {region} takes writes of its own: not made anew, so it may hold what it sourced twice"
            continue
        if copy.stream.mirror is None:
            to = word(f"replaced/{file_word(name)}")
            yield f'secondsite backup --context {word(region)} --stream {word(name)} --to "file://$PWD/"{to}'
        yield f"config=$({read(region, f'STREAM.INFO.{name}', '.config')})"
        yield changed(region, f"STREAM.DELETE.{name}")
        yield changed(region, f"STREAM.CREATE.{name}", '"$config"')
        origin = copy.stream.mirror
        of = by_name.get((origin.region or region, origin.stream)) if origin else None
        if of is not None:
            yield until_it_has(copy, of)
        else:
            asked = read(region, f"STREAM.INFO.{name}", _FOLLOWS, flags="-e")
            yield f"until {asked} >/dev/null; do sleep 1 || break; done"
