"""Who takes writes of each stream now, and which life of each copy that is: what an approval was given for.

A sequence, a mirror and a promotion look the same in every incident; when a stream was made and where it parted do
not. So an operation is named after them: the same state gives the same name on every machine, the next incident
another one, and a state that somebody else changed is recognised before anything is destroyed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from secondsite.model.errors import MachineError
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.nats.streams import StreamState
from secondsite.operate.action import ANSWER_S, Context, Facts
from secondsite.operate.journal import FENCED
from secondsite.operate.layout import DIVERGED, Reach, StreamFamily, is_writable

StreamStates = Mapping[str, StreamState]
SAMPLE_S = 0.25
_ONE_WRITER = (Reach.MIRRORED, Reach.ALONE)


@frozen
class Side:
    """A region as it answered: ``looks`` by family. ``silent``: nothing is known of it."""

    states: StreamStates = field(factory=dict)
    silent: bool = False


@frozen
class Epoch:
    """``serving``: the regions that take writes, by stream. ``parted`` and ``made`` by REGION/STREAM."""

    serving: Mapping[str, tuple[str, ...]] = field(factory=dict)
    parted: Mapping[str, str] = field(factory=dict)
    made: Mapping[str, str] = field(factory=dict)
    silent: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        return {
            "serving": {name: list(regions) for name, regions in sorted(self.serving.items())},
            "parted": dict(sorted(self.parted.items())),
            "made": dict(sorted(self.made.items())),
            "silent": list(self.silent),
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Epoch:
        return cls(
            {name: tuple(regions) for name, regions in plain["serving"].items()},
            plain["parted"],
            plain["made"],
            tuple(plain["silent"]),
        )

    def without(self, region: str) -> Epoch:
        """Once this region's writers are stopped."""
        serving = {
            name: tuple(one for one in serving_regions if one != region)
            for name, serving_regions in self.serving.items()
        }
        return evolve(
            self, serving={name: serving_regions for name, serving_regions in serving.items() if serving_regions}
        )

    def summary(self) -> str:
        """Who serves, in a few words. Of a region that is silent nobody knows."""
        regions = sorted({region for serving_regions in self.serving.values() for region in serving_regions})
        serving = f"{' and '.join(regions)} serve{'s' if len(regions) == 1 else ''}" if regions else ""
        if not self.silent:
            return serving or "no region accepts writes"
        silent = f"{' and '.join(self.silent)} {'does' if len(self.silent) == 1 else 'do'} not answer"
        return f"{silent}, {serving or 'no other region accepts writes'}"


@frozen
class ServiceStop:
    """A region whose writers have nobody else: the step takes their writes away."""

    region: str
    streams: tuple[str, ...]
    writes_per_s: float | None = None

    @property
    def key(self) -> str:
        return f"stop {self.region}"

    def __str__(self) -> str:
        rate = "" if self.writes_per_s is None else f" {self.writes_per_s:.0f} writes a second"
        return f"{self.region} takes{rate or ' writes'}; this step stops them ({', '.join(self.streams)})"


def single_writer(context: Context) -> tuple[StreamFamily, ...]:
    """The streams of which one copy takes writes."""
    return tuple(family for family in context.families if family.reach in _ONE_WRITER)


async def read_sides(context: Context) -> dict[str, Side]:
    """Every region that holds such a stream, at once; what refuses us is told by the steps, here it is unknown."""
    families = single_writer(context)
    regions = sorted({placement.region for family in families for placement in (family.origin, *family.copies)})
    sides = await asyncio.gather(*(_side(context, region, families) for region in regions))
    return dict(zip(regions, sides, strict=True))


async def _side(context: Context, region: str, families: tuple[StreamFamily, ...]) -> Side:
    states: dict[str, StreamState] = {}
    try:
        async with context.reached(region) as door:
            if door is None:
                return Side(silent=True)
            for family in families:
                placement = family.at(region)
                state = None
                if placement is not None:
                    async with asyncio.timeout(ANSWER_S):
                        state = await door.stream(placement.name)
                if state is not None:
                    states[family.name] = state
    except (MachineError, TimeoutError):
        return Side(states, silent=not states)
    return Side(states)


def epoch_of(context: Context, sides: Mapping[str, Side]) -> Epoch:
    serving: dict[str, tuple[str, ...]] = {}
    parted: dict[str, str] = {}
    made: dict[str, str] = {}
    for family in single_writer(context):
        states = {region: side.states[family.name] for region, side in sides.items() if family.name in side.states}
        writable = tuple(region for region, state in states.items() if is_writable(state.config, family))
        if writable:
            serving[family.name] = writable
        for region, state in states.items():
            made[f"{region}/{family.name}"] = state.created
            if DIVERGED in state.metadata:
                parted[f"{region}/{family.name}"] = state.metadata[DIVERGED]
    return Epoch(serving, parted, made, tuple(region for region, side in sides.items() if side.silent))


async def read_epoch(context: Context) -> Epoch:
    return epoch_of(context, await read_sides(context))


def verb_of(procedure: Procedure) -> str:
    """By which verb of the command it is carried out."""
    return "repair" if procedure.fault.destroys_data else procedure.name.partition(" ")[0]


def operation_id(procedure: Procedure, epoch: Epoch, away: str) -> str:
    """After the region that survives, as it was made and parted: equal for all who look at the same incident."""
    parts = [[key, value] for part in (epoch.made, epoch.parted) for key, value in sorted(part.items())]
    lasting = [pair for pair in parts if pair[0].startswith(f"{away}/")]
    digest = hashlib.sha256(json.dumps([procedure.name, lasting]).encode()).hexdigest()[:8]
    return f"{verb_of(procedure)}-{digest}"


def stopped_by(context: Context, step: Step) -> tuple[str, ...]:
    """The regions whose writers the step is there to stop."""
    if step.verb is Verb.FENCE:
        return (step.region or context.home,)
    if step.verb is not Verb.PROMOTE_STREAMS:
        return ()
    target = step.region or context.away
    return tuple(
        dict.fromkeys(placement.region for family in single_writer(context) for placement in family.others(target))
    )


def stop_of(epoch: Epoch, region: str) -> ServiceStop | None:
    """None where no stream has this region as its only writer."""
    streams = tuple(name for name, regions in epoch.serving.items() if regions == (region,))
    return ServiceStop(region, streams) if streams else None


async def measured(context: Context, stop: ServiceStop, sides: Mapping[str, Side]) -> ServiceStop:
    """With the rate at which the region takes writes now; what a stream sources of another one is that one's write."""
    began, before = context.world.clock.monotonic(), sides[stop.region].states
    await context.world.clock.sleep(SAMPLE_S)
    after = (await _side(context, stop.region, single_writer(context))).states
    seconds = max(context.world.clock.monotonic() - began, SAMPLE_S)
    grown = {name: max(0, after[name].last_seq - before[name].last_seq) for name in after if name in before}
    written = sum(_written(family, grown) for family in single_writer(context) if family.name in stop.streams)
    return ServiceStop(stop.region, stop.streams, written / seconds)


def _written(family: StreamFamily, grown: Mapping[str, int]) -> int:
    sourced = sum(grown.get(one.stream, 0) for one in family.origin.stream.sources)
    return max(0, grown.get(family.name, 0) - sourced)


def changed_since(context: Context, begun: Epoch, now: Epoch) -> str:
    """What somebody else did to the streams since this operation began; empty where nobody did.

    Before its promotion the region that serves is the one that served, at the same parting; after it, the target.
    """
    promotion = next((step for step in context.procedure.steps if step.verb is Verb.PROMOTE_STREAMS), None)
    if promotion is None:
        return ""
    target = promotion.region or context.away
    facts = context.facts.get(promotion.id)
    for family in single_writer(context):
        changes = (
            _changed_before(context, family, target, begun, now)
            if facts is None
            else _changed_after(family, target, facts, now)
        )
        if changes:
            return changes
    return ""


def _changed_before(context: Context, family: StreamFamily, target: str, begun: Epoch, now: Epoch) -> str:
    name, serving = family.name, now.serving.get(family.name, ())
    fenced = any(facts.get("state") == FENCED and facts.get("region") == target for facts in context.facts.values())
    if target in serving and (fenced or target not in begun.serving.get(name, ())):
        return f"{target} serves {name} now, but this operation did not promote it"
    for placement in family.others(target):
        key = f"{placement.region}/{name}"
        if placement.region in now.silent or placement.region in begun.silent or key not in now.made:
            continue
        if begun.made.get(key) != now.made[key]:
            return f"{name} in {placement.region} was recreated"
        if begun.parted.get(key) != now.parted.get(key):
            return f"{name} in {placement.region} was promoted again"
    return ""


def _changed_after(family: StreamFamily, target: str, facts: Facts, now: Epoch) -> str:
    name, key = family.name, f"{target}/{family.name}"
    ours = (facts.get("streams") or {}).get(name)
    if ours is None or target in now.silent or key not in now.made:
        return ""
    if target not in now.serving.get(name, ()):
        return f"{target} no longer serves {name}, which this operation promoted there"
    if now.parted.get(key) not in (None, str(ours.get("diverged"))):
        return f"{name} in {target} was promoted again"
    return ""
