"""Services of the other region: as many replicas as wanted, and ready; and the secrets they start with."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from secondsite.model.procedure import Step, Verb
from secondsite.operate.action import Context, Facts, Guard, Prospect, failed, until
from secondsite.operate.actions.people import ByHand
from secondsite.operate.fingerprints import RunKey, differing
from secondsite.operate.world import Replicas


def wanted_replicas(context: Context, step: Step, region: str, service: str) -> int:
    """Started: what the site is laid out with, or the primary's number where it sleeps. Scaled: the primary's."""
    full = context.deployment.primary.replicas(service)
    placed = next((site.replicas(service) for site in context.deployment.sites if site.region.name == region), 0)
    return full if step.verb is Verb.SCALE_SERVICES or not placed else placed


@frozen
class ScaleServices:
    async def look(self, context: Context, step: Step) -> Prospect:
        services = context.world.services
        if services is None:
            return await ByHand().look(context, step)
        region = step.region or context.away
        now = await services.replicas(region)
        lacking = self._lacking(context, step, now)
        changes = tuple(
            f"{name} in {region}: {now[name].wanted} -> {count} replicas" for name, count in lacking.items()
        )
        told = tuple(f"{name}: {found.ready} of {found.wanted} ready" for name, found in now.items())
        return Prospect(changes=changes, now=told)

    async def run(self, context: Context, step: Step) -> Facts:
        services = context.world.services
        if services is None:
            return await ByHand().run(context, step)
        region = step.region or context.away
        for name, count in self._lacking(context, step, await services.replicas(region)).items():
            await services.scale(region, name, count)
        ready: dict[str, int] = {}

        async def all_ready() -> bool:
            now = await services.replicas(region)
            ready.update({name: found.ready for name, found in now.items()})
            return all(ready[name] >= wanted_replicas(context, step, region, name) for name in now)

        await until(context, all_ready)
        return {"region": region, "ready": ready}

    def _lacking(self, context: Context, step: Step, now: Mapping[str, Replicas]) -> dict[str, int]:
        region = step.region or context.away
        wanted = {name: wanted_replicas(context, step, region, name) for name in now}
        return {name: count for name, count in wanted.items() if now[name].wanted < count}


@frozen
class VerifySecrets:
    """Fingerprints under a key of this run; a value never leaves the door."""

    async def look(self, context: Context, step: Step) -> Prospect:
        if context.world.secrets is None:
            guard = Guard(
                "no-secret-source", "nobody can read the secrets", "compare them by hand: --allow no-secret-source"
            )
            return Prospect(changes=(f"by hand: {step.title}",), guards=(guard,))
        different = await self._compare(context, step)
        guards = tuple(_stale(name) for name in different)
        return Prospect(now=(f"{len(different)} secrets differ",), guards=guards)

    async def run(self, context: Context, step: Step) -> Facts:
        if context.world.secrets is None:
            return await ByHand().run(context, step)
        different = await self._compare(context, step)
        if different and "stale-secret" not in context.allowed:
            guard = _stale(", ".join(different))
            raise failed(guard.what, guard.remedy)
        return {"compared": len(step.targets), "different": list(different)}

    async def _compare(self, context: Context, step: Step) -> tuple[str, ...]:
        source = context.world.secrets
        if source is None:
            return ()
        key = RunKey.fresh()
        expected = await source.reference(key.secret)
        found = await source.fingerprints(step.region or context.away, key.secret)
        names = step.targets or tuple(expected)
        return differing({name: expected.get(name, "") for name in names}, found)


def _stale(name: str) -> Guard:
    what = f"the standby's {name} is not what the primary's is"
    return Guard("stale-secret", what, "synchronise it from the store, then resume")
