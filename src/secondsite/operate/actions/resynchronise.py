"""One region becomes the mirror of the one that serves: the old primary before a failback, the standby after it.

An old primary stands apart until its streams are gone; only then may it join. Each is deleted and made anew as a
mirror, as the server turns no stream into one, and the copy is whole when both sides end at the same sequence.
What is deleted was salvaged, as the facts of that step say, or is held by the serving side; that side takes the writes,
and takes them alone. All of it is looked at again right before each stream is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from attrs import frozen

from secondsite.model.nats import Retention
from secondsite.model.procedure import Step, Verb
from secondsite.nats.streams import StreamState
from secondsite.operate.action import (
    POLL_S,
    Context,
    Facts,
    Guard,
    ManualContext,
    Prospect,
    Scope,
    failed,
    through,
    until,
)
from secondsite.operate.actions.copies import local_mirrors, remaking
from secondsite.operate.actions.people import ByHand
from secondsite.operate.actions.remake import COPY, asked, remake, unsaved
from secondsite.operate.consumer_config import is_users
from secondsite.operate.layout import DIVERGED, Reach, StreamFamily, StreamPlacement, is_writable, mirror_config
from secondsite.operate.positions import replicate_positions
from secondsite.operate.shell import changed, last_sequence, until_it_has
from secondsite.operate.world import Sites, StreamsDoor
from secondsite.operate.writer_lease import may_hold_lease

_LINKS_WITHIN_S = 15.0
"""A leaf node tries its link once a second; one that starts on a busy machine takes a while to begin."""
_SALVAGE_FIRST = "salvage first, or give up its data with --allow not-salvaged"

Pairs = Sequence[tuple[StreamFamily, StreamPlacement, StreamPlacement]]
"""A family, its placement that is to follow, and that which serves."""


@frozen
class Resynchronise:
    async def look(self, context: Context, step: Step) -> Prospect:
        region = step.region or context.home
        changes = [
            (
                f"{old.name} in {region}: delete it with its messages, recreate it as a "
                f"mirror of {new.name} in {new.region}"
            )
            for _, old, new in to_follow(context, region)
        ]
        return Prospect(changes=tuple(changes))

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.home
        pairs = to_follow(context, region)
        for pair in pairs:
            await _replace(context, *pair, read_only=True)
        for pair in pairs:
            await _replace(context, *pair)
        joined = await self._join(context, step, region) if region == context.home else "never diverged"
        stand = await asyncio.gather(*(self._mirror(context, *pair) for pair in pairs))
        ends = {family.name: end for (family, _, _), end in zip(pairs, stand, strict=True)}
        beside: dict[str, object] = {}
        for _, placement, of in pairs:
            for copy in local_mirrors(context, placement):
                beside[copy.name] = await _beside(context, copy, of)
        if region != context.home:
            await replicate_positions(context.world, tuple(family for family, _, _ in pairs), context.home, region)
        return {"region": region, "joined": joined, "streams": ends, **({"beside": beside} if beside else {})}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        region = context.region_of(step)
        pairs = to_follow(context, region)
        for _, placement, of in pairs:
            yield last_sequence(of.region, of.name)
            yield f"{changed(region, f'STREAM.DELETE.{placement.name}')}  # not before its backup is in salvage/"
        if region == context.home:
            yield "# nats.conf as rendered, with its leaf link or gateway again; then restart its servers"
        for _, placement, of in pairs:
            yield changed(region, f"STREAM.CREATE.{placement.name}", mirror_config(placement, of))
            yield until_it_has(placement, of)
            for copy in local_mirrors(context, placement):
                yield from remaking(context, copy)

    async def _join(self, context: Context, step: Step, region: str) -> str:
        async def joined(sites: Sites) -> str:
            await sites.join(region)
            return "secondsite"

        async def by_hand() -> str:
            """Whoever repaired the region may have joined it: its link says so, some seconds after its servers."""
            clock, pairs = context.world.clock, to_follow(context, region)
            ends = clock.monotonic() + (_LINKS_WITHIN_S if _shown_by_links(pairs) else 0.0)
            while not await _all_linked(context, pairs):
                if clock.monotonic() >= ends:
                    return str((await ByHand().run(context, step))["by"])
                context.progressed()
                await clock.sleep(POLL_S)
            return "by its link"

        return await through(context.world.sites, joined, by_hand)

    async def _mirror(
        self, context: Context, family: StreamFamily, placement: StreamPlacement, of: StreamPlacement
    ) -> int:
        """Where it stands. It is whole once it has all that the serving side had when it was first looked at.

        What is written since is on its way: whoever stops the writers waits for that.
        """
        wanted: list[int] = []
        ends: list[int] = []

        async def whole() -> bool:
            async with context.world.streams(placement.region) as door, context.world.streams(of.region) as serving:
                there, here = await serving.stream(of.name), await door.stream(placement.name)
                if there is None:
                    raise failed(
                        f"{of.region} has no stream {of.name}", "there is nothing to mirror; find out who deleted it"
                    )
                if here is None:
                    await _durables_first(serving, family, of)
                    if await _linked(door, placement, of):
                        creating = door.create(mirror_config(placement, of))
                        await asked(creating, f"create the mirror {placement.name}", placement.region)
                    return False
                wanted[:] = wanted or [there.last_seq]
                ends[:] = [here.last_seq]
                return here.is_mirror and here.last_seq >= wanted[0]

        await until(context, whole, lambda: ends[0] if ends else 0)
        return ends[0]


async def _beside(context: Context, copy: StreamPlacement, of: StreamPlacement) -> Facts:
    """A mirror in the region of what was recreated. What it has beyond the parting was salvaged from its origin; where
    it keeps what its origin's limits gave up, it is the only copy of that, and is left and named."""
    if any(COPY in one and one[COPY]["stream"] == copy.name for one in context.noted):
        return await remake(context, copy, unsaved)
    async with context.world.streams(copy.region) as door, context.world.streams(of.region) as serving:
        here, there = await door.stream(copy.name), await serving.stream(of.name)
    parted = "" if there is None else there.metadata.get(DIVERGED, "")
    if here is None or there is None or (parted.isdigit() and here.last_seq <= int(parted)):
        return {"goes on": here is not None}
    if here.first_seq < there.first_seq:
        what = f"it holds messages {here.first_seq} to {there.first_seq - 1}, which {of.name} gave up"
        return {"left": f"{what}; after {parted or '?'} it holds those of the old primary: recreate it by hand"}
    return await remake(context, copy, unsaved)


async def _durables_first(serving: StreamsDoor, family: StreamFamily, of: StreamPlacement) -> None:
    """A mirror of a work queue takes every job that no consumer waits for (2.14 and later)."""
    if of.stream.retention is not Retention.WORKQUEUE:
        return
    there = {consumer.name for consumer in await serving.consumers(of.name) if is_users(consumer.config)}
    missing = {one.name for one in family.origin.stream.consumers if one.durable} - there
    if missing or not there:
        names = ", ".join(sorted(missing)) or "any durable consumer"
        what = f"{of.name} in {of.region} is a work queue without {names}: a mirror would consume the jobs"
        raise failed(what, "start its workers, or create their consumers, then resume")


async def _replace(
    context: Context, family: StreamFamily, placement: StreamPlacement, of: StreamPlacement, *, read_only: bool = False
) -> None:
    """Delete a writer that is to become a mirror. What is deleted is looked at again right before, at each stream.

    A timeout is unknown: the next look tells.
    """

    async def gone() -> bool:
        async with context.world.streams(placement.region) as door, context.world.streams(of.region) as serving:
            here = await door.stream(placement.name)
            if here is None or here.is_mirror:
                return True
            writable = is_writable(here.config, family) and await may_hold_lease(context, placement.region)
            there = await serving.stream(of.name)
            _refuse_last_copy(context, family, (placement, here), (of, there), writable=writable)
            if read_only:
                await _durables_first(serving, family, of)
                return True
            await asked(door.delete(placement.name), f"delete {placement.name}", placement.region)
            return False

    await until(context, gone)


def _refuse_last_copy(
    context: Context,
    family: StreamFamily,
    old: tuple[StreamPlacement, StreamState],
    serving: tuple[StreamPlacement, StreamState | None],
    *,
    writable: bool,
) -> None:
    """Raises FinalError unless the serving side takes the writes alone, and has what is deleted or it was saved.

    Not ``writable`` is a stream that something gave its subjects back to, where no writer holds the right to write.
    """
    (placement, here), (of, there) = old, serving
    if there is None or not is_writable(there.config, family) or writable:
        what = (
            f"{of.name} in {of.region} does not serve alone, so {placement.name} in {placement.region} is not deleted"
        )
        raise failed(what, "check with `status` which region serves now; this plan may be outdated")
    parted = there.metadata.get(DIVERGED, "")
    if placement.region != context.home:
        if not parted.isdigit() or here.last_seq > int(parted):
            ends = f"{placement.name} in {placement.region} ends at {here.last_seq}"
            what = f"{ends}, and {of.region} went on after {parted or '?'}"
            raise failed(what, "copy the messages that only it has, then resume")
        return
    facts = (context.done(Verb.SALVAGE).get("streams") or {}).get(family.name)
    if "not-salvaged" in context.allowed:
        return
    if facts is None:
        guard = Guard("not-salvaged", f"{family.name} of the old primary was not salvaged", _SALVAGE_FIRST)
        raise failed(guard.what, guard.remedy)
    if facts.get("last") != here.last_seq or str(facts["diverged"]) != parted:
        what = f"{placement.name} in {placement.region} changed after it was salvaged: it ends at {here.last_seq}"
        raise failed(what, "start a new failback, which salvages it again")


def _shown_by_links(pairs: Pairs) -> bool:
    """Only a domain of its own shows it: where both sides are one, each stream answers on its own side as well."""
    return bool(pairs) and all(of.cluster.domain not in ("", placement.cluster.domain) for _, placement, of in pairs)


async def _all_linked(context: Context, pairs: Pairs) -> bool:
    if not _shown_by_links(pairs):
        return False
    for _, placement, of in pairs:
        async with context.world.streams(placement.region) as door:
            if not await door.reaches(of.cluster.domain):
                return False
    return True


async def _linked(door: StreamsDoor, placement: StreamPlacement, of: StreamPlacement) -> bool:
    """A mirror that is made before its origin can be reached waits 40 s before it tries again (2.15.1, measured)."""
    own = not of.cluster.domain or of.cluster.domain == placement.cluster.domain
    return own or await door.reaches(of.cluster.domain)


def to_follow(context: Scope, region: str) -> list[tuple[StreamFamily, StreamPlacement, StreamPlacement]]:
    mirrored = [family for family in context.families if family.reach is Reach.MIRRORED]
    pairs = [(family, family.at(region), next(iter(family.others(region)), None)) for family in mirrored]
    return [(family, placement, of) for family, placement, of in pairs if placement and of]
