"""Services of the other region: as many replicas as wanted, and ready; and the secrets they start with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from secondsite.model.procedure import Step, Verb
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, Scope, failed, until
from secondsite.operate.actions.manual import workloads
from secondsite.operate.reconcilers import pausing, replicas_pinned, service_owners
from secondsite.operate.shell import kubectl, same_cluster, scaled, word
from secondsite.operate.world import Replicas, Secrets, Workloads
from secondsite.secrets.fingerprints import differing


def wanted_replicas(context: Scope, step: Step, region: str, service: str) -> int:
    """Started: what the site is laid out with, or the primary's number where it sleeps. Scaled: the primary's."""
    full = context.deployment.primary.replicas(service)
    placed = next((site.replicas(service) for site in context.deployment.sites if site.region.name == region), 0)
    return full if step.verb is Verb.SCALE_SERVICES or not placed else placed


@frozen
class ScaleServices:
    async def look(self, context: Context, step: Step, services: Workloads) -> Prospect:
        region = step.region or context.away
        now = await services.replicas(region)
        lacking = self._lacking(context, step, now)
        changes = tuple(
            f"{name} in {region}: {now[name].wanted} -> {count} replicas" for name, count in lacking.items()
        )
        ready = tuple(f"{name}: {replicas.ready} of {replicas.wanted} ready" for name, replicas in now.items())
        return Prospect(changes=changes, now=ready)

    async def run(self, context: Context, step: Step, services: Workloads) -> Facts:
        region = step.region or context.away
        for name, count in self._lacking(context, step, await services.replicas(region)).items():
            await services.scale(region, name, count)
        ready: dict[str, int] = {}

        async def all_ready() -> bool:
            now = await services.replicas(region)
            ready.update({name: replicas.ready for name, replicas in now.items()})
            return all(ready[name] >= wanted_replicas(context, step, region, name) for name in now)

        await until(context, all_ready)
        return {"region": region, "ready": ready}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """What runs there already is not scaled."""
        region = context.region_of(step)
        operate = context.deployment.system.operate
        if operate and (uid := operate.cluster_uid(region)):
            yield same_cluster(region, uid)
        names = [service.name for service in context.deployment.system.services]
        yield from pausing(service_owners(context, region, names))
        placed = next((site for site in context.deployment.sites if site.region.name == region), None)
        for service in context.deployment.system.services:
            wanted = wanted_replicas(context, step, region, service.name)
            running = placed.replicas(service.name) if placed else 0
            if service.kind in ("Deployment", "StatefulSet") and wanted > running:
                owners = service_owners(context, region, (service.name,))
                yield from replicas_pinned((one for one in owners if service.name in one.owns), wanted)
                yield scaled(region, service, wanted)
        yield from workloads(context, step)

    def _lacking(self, context: Context, step: Step, now: Mapping[str, Replicas]) -> dict[str, int]:
        region = step.region or context.away
        wanted = {name: wanted_replicas(context, step, region, name) for name in now}
        return {name: count for name, count in wanted.items() if now[name].wanted < count}


@frozen
class VerifySecrets:
    """Fingerprints under a key of this run; a value never leaves the door."""

    async def look(self, context: Context, step: Step, secrets: Secrets) -> Prospect:
        compared = await _compare(context, step, secrets)
        mended = compared.refreshed if secrets.refreshes else ()
        changes = tuple(f"{name}: {_region(context, step)} reads it anew" for name in mended)
        guards = tuple(_stale(name) for name in compared.different if name not in mended)
        return Prospect(changes=changes, now=(f"{len(compared.different)} secrets differ",), guards=guards)

    async def run(self, context: Context, step: Step, secrets: Secrets) -> Facts:
        """Where an operator can be told, what differs is refreshed first, and compared again."""
        compared = await _compare(context, step, secrets)
        refreshed: tuple[str, ...] = ()
        if secrets.refreshes and compared.refreshed:
            refreshed = compared.refreshed
            context.note("refreshing", {"secrets": list(refreshed), "region": _region(context, step)})
            await secrets.refresh(_region(context, step), refreshed)
            compared = await _compare(context, step, secrets)
        if compared.different and "stale-secret" not in context.allowed:
            guard = _stale(", ".join(compared.different))
            raise failed(guard.what, guard.remedy)
        return {
            "compared": len(step.targets),
            "different": list(compared.different),
            **({"refreshed": list(refreshed)} if refreshed else {}),
        }

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """A keyed digest in each region; no value is shown."""
        yield "# the lost region does not answer? compare with the digests written down at the last drill"
        for secret in context.deployment.system.secrets:
            for region in (context.home, context.region_of(step)):
                get = f"{kubectl(region, secret.namespace)} get secret {word(secret.name)} -o json"
                yield f'{get} | jq -cS .data | openssl dgst -sha256 -mac HMAC -macopt hexkey:"$FINGERPRINT_KEY"'


@frozen
class _Compared:
    """``refreshed``: of those that differ, the ones that reading anew can mend, as it is known what they should be."""

    different: tuple[str, ...]
    refreshed: tuple[str, ...]


async def _compare(context: Context, step: Step, source: Secrets) -> _Compared:
    key = source.run_key()
    expected = await source.reference(key.secret)
    fingerprints = await source.fingerprints(_region(context, step), key.secret)
    names = step.targets or tuple(expected)
    different = differing({name: expected.get(name, "") for name in names}, fingerprints)
    return _Compared(different, tuple(name for name in different if expected.get(name)))


def _region(context: Context, step: Step) -> str:
    return step.region or context.away


def _stale(name: str) -> Guard:
    what = f"the standby's {name} is not what the primary's is"
    return Guard("stale-secret", what, "synchronise it from the store, then resume")
