"""Sequences on both sides and the consumers' positions, written down before anything is changed.

The lag that a mirror reports is not used: over a cut link, or with a dead origin, it is zero. What counts is the
origin's last sequence less the mirror's, and where the origin is gone, how long the mirror has heard nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from secondsite.model.contract import Subject
from secondsite.model.errors import MachineError
from secondsite.model.procedure import Step
from secondsite.model.wording import counted
from secondsite.nats.streams import StreamState
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect
from secondsite.operate.consumer_config import is_users
from secondsite.operate.instants import instant
from secondsite.operate.layout import Reach, StreamFamily, StreamPlacement
from secondsite.operate.positions import Position, read_positions
from secondsite.operate.shell import read
from secondsite.operate.world import StreamsDoor

_APART_S = 10.0
"""By more than this clocks do not differ while anybody looks after them."""


@frozen
class Measured:
    """A stream on both sides; None for a side that does not answer or does not have it."""

    family: StreamFamily
    there: StreamState | None
    here: StreamState | None

    @property
    def missing_messages(self) -> int | None:
        """How many the copy lacks; negative where it has more than its origin."""
        if self.there is None or self.here is None:
            return None
        return self.there.last_seq - self.here.last_seq

    @property
    def behind_s(self) -> float | None:
        """How old the copy's newest message is, seen from the origin's newest."""
        if self.there is None or self.here is None:
            return None
        if not self.there.last_seq > self.here.last_seq:
            return 0.0
        return _seconds_between(self.here.last_at, self.there.last_at)


async def measure(context: Context, region: str) -> tuple[Measured, ...]:
    """Each family as its copy in ``region`` and its other side show it.

    The copy is read first: writes that come meanwhile then count as missing, and never as ahead of the origin.
    """
    mirrored = [family for family in context.families if family.reach is not Reach.STRETCHED]
    others = {placement.region for family in mirrored for placement in family.others(region)}
    sides: dict[str, dict[str, StreamState]] = {}
    for one in (region, *sorted(others - {region})):
        async with context.reached(one) as door:
            sides[one] = {} if door is None else await _looks(door, mirrored, one)
    return tuple(_measured(family, region, sides) for family in mirrored)


def _measured(family: StreamFamily, region: str, sides: dict[str, dict[str, StreamState]]) -> Measured:
    other = next(iter(family.others(region)), None)
    there = sides[other.region].get(family.name) if other else None
    return Measured(family, there, sides[region].get(family.name))


async def _looks(door: StreamsDoor, chosen: list[StreamFamily], region: str) -> dict[str, StreamState]:
    placements = [(family.name, family.at(region)) for family in chosen]
    states = {name: await door.stream(one.name) for name, one in placements if one is not None}
    return {name: state for name, state in states.items() if state is not None}


@frozen
class RecordState:
    async def look(self, context: Context, step: Step) -> Prospect:
        measured = await measure(context, context.away)
        guards = tuple(guard for one in measured for guard in _guards(context, one))
        return Prospect(now=tuple(_line(one) for one in measured), guards=guards)

    async def run(self, context: Context, step: Step) -> Facts:
        measured = await measure(context, context.away)
        return {
            "streams": {one.family.name: _facts(one) for one in measured},
            "positions": {position.key: position.facts() for position in await known_positions(context) or ()},
        }

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        for family in context.families:
            placement = family.asked_in(context.away)
            shown = "{name: .config.name, last: .state.last_seq, mirror: .mirror}"
            yield f"{read(placement.region, f'STREAM.INFO.{placement.name}', shown)} | tee -a sequences.jsonl"


async def known_positions(context: Context) -> tuple[Position, ...] | None:
    """The primary's own where it answers, else what was replicated of them; None where neither can be asked."""
    async with context.reached(context.home) as door:
        if door is not None:
            placements = [(family, family.at(context.home)) for family in context.families]
            return tuple(
                [position for family, one in placements if one for position in await live_positions(door, family, one)]
            )
    async with context.reached(context.away) as door:
        return None if door is None else await _replicated(context, door)


async def _replicated(context: Context, door: StreamsDoor) -> tuple[Position, ...] | None:
    """Without a meta leader nobody says that a stream does not exist, and only that takes so long."""
    try:
        async with asyncio.timeout(context.world.reach_s):
            return await read_positions(door)
    except (TimeoutError, MachineError) as error:
        why = error.problems[0].what if isinstance(error, MachineError) else "no answer"
        context.note("positions", {"why": f"{why}: consumers start at the first message"})
        return None


async def live_positions(door: StreamsDoor, family: StreamFamily, placement: StreamPlacement) -> tuple[Position, ...]:
    """Of the consumers that are there now."""
    if await door.stream(placement.name) is None:
        return ()
    return tuple(
        Position(family.name, consumer.name, consumer.floor, dict(consumer.config), "primary")
        for consumer in await door.consumers(placement.name)
        if is_users(consumer.config)
    )


def _guards(context: Context, measured: Measured) -> tuple[Guard, ...]:
    """A copy that must not be promoted unless somebody says so."""
    name, here = measured.family.name, measured.here
    if measured.family.reach is not Reach.MIRRORED:
        return ()
    if here is None:
        what = f"{context.away} has no copy of {name} that answers"
        return (Guard("no-copy", what, "create the mirror, or restore it from a backup", absolute=True),)
    if not here.is_mirror:
        return ()
    missing, limit = measured.missing_messages, _rpo_limit_s(context)
    if missing is not None and missing < 0:
        what = f"the mirror of {name} has {counted(-missing, 'messages')} more than its origin, which was recreated"
        return (
            Guard("origin-recreated", what, "find out which of the two is right, then give --allow origin-recreated"),
        )
    if missing is None and (wrong := _clocks_differ(context, here)):
        what = f"how far the mirror of {name} is behind is unknown: {wrong}"
        remedy = "set this machine's clock, correct --fault-at, or accept an unknown loss with --allow clock"
        return (Guard("clock", what, remedy),)
    return _lagging(name, measured.behind_s if missing is not None else _cut_off_s(context, here), limit)


def _lagging(name: str, behind_s: float | None, limit_s: float | None) -> tuple[Guard, ...]:
    if behind_s is None or limit_s is None or behind_s <= limit_s:
        return ()
    what = f"the mirror of {name} is {behind_s:.0f} s behind, and {limit_s:g} s are promised"
    return (
        Guard("lagging-mirror", what, "wait until it has caught up, or accept the loss with --allow lagging-mirror"),
    )


def _cut_off_s(context: Context, here: StreamState) -> float | None:
    """How long before the fault the mirror heard its origin last; None where nobody said when the fault was."""
    silent, decision = here.mirror_silent_s, context.world.decision
    if silent is None or not decision.fault_at:
        return None
    if silent < 0:
        return float("inf")
    return max(0.0, silent - (context.world.clock.wall() - decision.fault_at))


def _clocks_differ(context: Context, here: StreamState) -> str:
    """Why the fault's time and the mirror's silence must not be compared; empty where they may be.

    A clock that jumped ahead would make the mirror look current up to the fault.
    """
    now, fault_at = context.world.clock.wall(), context.world.decision.fault_at
    if not fault_at:
        return ""
    if fault_at > now + _APART_S:
        return f"--fault-at is {fault_at - now:.0f} s in the future"
    try:
        apart = now - instant(here.answered_at).timestamp()
    except ValueError:
        return ""
    return f"this machine's clock is {apart:+.0f} s off the servers'" if abs(apart) > _APART_S else ""


def _rpo_limit_s(context: Context) -> float | None:
    """Of the contract for the streams and this fault."""
    contracts = context.deployment.system.contracts
    limits_s = (c.rpo_s for c in contracts if c.subject is Subject.NATS and c.fault is context.procedure.fault)
    return next((float(limit) for limit in limits_s if limit is not None), None)


def _line(measured: Measured) -> str:
    missing = measured.missing_messages
    sides = ", ".join(
        f"{side} {state.last_seq if state else 'unknown'}"
        for side, state in (("origin", measured.there), ("copy", measured.here))
    )
    tail = "" if missing is None else f": the copy lacks {missing}"
    return f"{measured.family.name}: last sequences {sides}{tail}"


def _facts(measured: Measured) -> dict[str, Any]:
    return {
        "origin": _side(measured.there),
        "copy": _side(measured.here),
        "missing_messages": measured.missing_messages,
        "behind_s": measured.behind_s,
    }


def _side(state: StreamState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "first_seq": state.first_seq,
        "last_seq": state.last_seq,
        "messages": state.messages,
        "last_at": state.last_at,
        "mirror_silent_s": state.mirror_silent_s,
        "mirror_lag_reported": state.mirror_lag,
    }


def _seconds_between(earlier: str, later: str) -> float | None:
    try:
        return (instant(later) - instant(earlier)).total_seconds()
    except ValueError:
        return None
