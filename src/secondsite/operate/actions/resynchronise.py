"""One region becomes the mirror of the one that serves: the old primary before a failback, the standby after it.

An old primary stands apart until its streams are gone; only then may it join. Each is deleted and made anew as a
mirror, as the server turns no stream into one, and the copy is whole when both sides end at the same sequence.
What is deleted was salvaged, or is held by the serving side: it was fenced and drained, and that is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.model.procedure import Step, Verb
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, Scope, failed, until
from secondsite.operate.actions.people import ByHand
from secondsite.operate.actions.salvage import salvage_guard
from secondsite.operate.layout import Reach, StreamFamily, StreamPlacement, is_writable, mirror_config
from secondsite.operate.positions import replicate_positions
from secondsite.operate.shell import changed, last_sequence, until_it_has
from secondsite.operate.world import Sites, StreamsDoor


@frozen
class Resynchronise:
    async def look(self, context: Context, step: Step) -> Prospect:
        region = step.region or context.home
        changes = [
            f"{old.name} in {region}: deleted with all it holds, made anew as a mirror of {new.name} in {new.region}"
            for _, old, new in _pairs(context, region)
        ]
        return Prospect(changes=tuple(changes))

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.home
        pairs = _pairs(context, region)
        if region == context.home:
            self._refuse_unsalvaged(context, pairs)
        else:
            await _refuse_ahead(context, pairs)
        async with context.world.streams(region) as door:
            for _, held, _ in pairs:
                await _delete_writer(context, door, held)
        joined = await self._join(context, step, region) if region == context.home else "was never apart"
        ends: dict[str, int] = {}
        for family, held, of in pairs:
            ends[family.name] = await self._mirror(context, held, of)
        if region != context.home:
            await replicate_positions(context.world, tuple(family for family, _, _ in pairs), context.home, region)
        return {"region": region, "joined": joined, "streams": ends}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        region = context.region_of(step)
        pairs = _pairs(context, region)
        for _, held, of in pairs:
            yield last_sequence(of.region, of.name)
            yield f"{changed(region, f'STREAM.DELETE.{held.name}')}  # not before its backup is in salvage/"
        if region == context.home:
            yield "# nats.conf as rendered, with its leaf link or gateway again; then restart its servers"
        for _, held, of in pairs:
            yield changed(region, f"STREAM.CREATE.{held.name}", mirror_config(held, of))
            yield until_it_has(held, of)

    def _refuse_unsalvaged(
        self, context: Context, pairs: list[tuple[StreamFamily, StreamPlacement, StreamPlacement]]
    ) -> None:
        facts = context.done(Verb.SALVAGE)
        guards: list[Guard] = [guard for family, _, _ in pairs for guard in salvage_guard(facts, family)]
        if guards and "not-salvaged" not in context.allowed and "streams" not in facts:
            raise failed(guards[0].what, guards[0].remedy)

    async def _join(self, context: Context, step: Step, region: str) -> str:
        sites: Sites | None = context.world.sites
        if sites is None:
            return str((await ByHand().run(context, step))["by"])
        await sites.join(region)
        return "secondsite"

    async def _mirror(self, context: Context, held: StreamPlacement, of: StreamPlacement) -> int:
        """The last sequence, which both sides share."""
        ends: list[int] = []

        async def same() -> bool:
            async with context.world.streams(held.region) as door, context.world.streams(of.region) as serving:
                here, there = await door.stream(held.name), await serving.stream(of.name)
                if there is None:
                    raise failed(f"{of.region} has no stream {of.name}", "nothing to mirror: find out who deleted it")
                if here is None:
                    if await _linked(door, held, of):
                        await door.create(mirror_config(held, of))
                    return False
                ends[:] = [here.last_seq]
                return here.is_mirror and here.last_seq >= there.last_seq

        await until(context, same)
        return ends[0]


async def _refuse_ahead(context: Context, pairs: list[tuple[StreamFamily, StreamPlacement, StreamPlacement]]) -> None:
    """What is to be deleted takes no writes, and the serving side takes them and has all of it."""
    if not pairs:
        return
    async with context.world.streams(pairs[0][1].region) as door, context.world.streams(pairs[0][2].region) as serving:
        for family, held, of in pairs:
            here, there = await door.stream(held.name), await serving.stream(of.name)
            if here is None or here.is_mirror:
                continue
            if there is None or not is_writable(there.config, family) or is_writable(here.config, family):
                what = f"{of.name} in {of.region} does not serve alone, so {held.name} in {held.region} is not deleted"
                raise failed(what, f"promote it in {of.region} first, then resume")
            if here.last_seq > there.last_seq:
                what = f"{held.name} in {held.region} ends at {here.last_seq}, in {of.region} at {there.last_seq}"
                raise failed(what, "copy what only it has, then resume")


async def _linked(door: StreamsDoor, held: StreamPlacement, of: StreamPlacement) -> bool:
    """A mirror that is made before its origin can be reached waits 40 s before it tries again (2.15.1, measured)."""
    own = not of.cluster.domain or of.cluster.domain == held.cluster.domain
    return own or await door.reaches(of.cluster.domain)


def _pairs(context: Scope, region: str) -> list[tuple[StreamFamily, StreamPlacement, StreamPlacement]]:
    mirrored = [family for family in context.families if family.reach is Reach.MIRRORED]
    found = [(family, family.at(region), next(iter(family.others(region)), None)) for family in mirrored]
    return [(family, held, of) for family, held, of in found if held and of]


async def _delete_writer(context: Context, door: StreamsDoor, held: StreamPlacement) -> None:
    """A timeout is unknown: the next look tells. A mirror is what it is to become already."""

    async def gone() -> bool:
        look = await door.stream(held.name)
        if look is None or look.is_mirror:
            return True
        try:
            await door.delete(held.name)
        except MachineError:
            return False
        return False

    await until(context, gone)
