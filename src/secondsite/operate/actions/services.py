"""Services of the other region: as many replicas as wanted, and ready; and the secrets they start with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from secondsite.model.procedure import Step, Verb
from secondsite.model.secret import Secret
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, Scope, failed, until
from secondsite.operate.actions.manual import workloads
from secondsite.operate.reconcilers import pausing, replicas_pinned, service_owners
from secondsite.operate.shell import same_cluster, scaled, word
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
        changes = [f"pause {one} in {region}: it would restore the replicas" for one in _held(now, lacking)]
        for name, count in lacking.items():
            floor = now[name].floor
            kept = f", its autoscaler keeps {floor} -> {count}" if floor is not None and floor < count else ""
            changes.append(f"{name} in {region}: {now[name].wanted} -> {count} replicas{kept}")
        ready = tuple(f"{name}: {one.ready} of {one.wanted} ready" for name, one in now.items() if one.there)
        guards = (*_rights(now, region), *_unheld(now, lacking, region), *_missing(context, step, now, region))
        if not guards:
            refused = {name: await services.rehearse(region, name, count) for name, count in lacking.items()}
            guards = tuple(_would_be_refused(name, why) for name, why in refused.items() if why)
        return Prospect(changes=tuple(changes), now=ready, guards=guards)

    async def run(self, context: Context, step: Step, services: Workloads) -> Facts:
        region = step.region or context.away
        ready: dict[str, int] = {}
        holds: dict[str, None] = {}

        async def all_ready() -> bool:
            """What somebody scaled down meanwhile is scaled again: each is looked at right before."""
            now = await services.replicas(region)
            lacking = self._lacking(context, step, now)
            for guard in (*_rights(now, region), *_unheld(now, lacking, region), *_missing(context, step, now, region)):
                if guard.absolute or guard.id not in context.allowed:
                    raise failed(guard.what, guard.remedy)
            for name, count in lacking.items():
                holds.update(dict.fromkeys(now[name].holds))
                await services.scale(region, name, count)
            there = {name: one for name, one in now.items() if one.there}
            ready.update({name: one.ready for name, one in there.items()})
            return not lacking and all(ready[name] >= wanted_replicas(context, step, region, name) for name in there)

        await until(context, all_ready, lambda: sum(ready.values()))
        return {"region": region, "ready": ready, **({"held": list(holds)} if holds else {})}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """What runs there already is not scaled."""
        region = context.region_of(step)
        operate = context.deployment.system.operate
        if operate and (uid := operate.cluster_uid(region)):
            yield same_cluster(region, uid)
        names = [service.object_name for service in context.deployment.system.services]
        yield from pausing(service_owners(context, region, names))
        placed = next((site for site in context.deployment.sites if site.region.name == region), None)
        for service in context.deployment.system.services:
            wanted = wanted_replicas(context, step, region, service.name)
            running = placed.replicas(service.name) if placed else 0
            if service.kind in ("Deployment", "StatefulSet") and wanted > running:
                owners = service_owners(context, region, (service.object_name,))
                yield from replicas_pinned((one for one in owners if service.object_name in one.owns), wanted)
                yield scaled(region, service, wanted)
        yield from workloads(context, step)

    def _lacking(self, context: Context, step: Step, now: Mapping[str, Replicas]) -> dict[str, int]:
        region = step.region or context.away
        wanted = {name: wanted_replicas(context, step, region, name) for name in now}
        return {
            name: count
            for name, count in wanted.items()
            if now[name].there and (now[name].wanted < count or (now[name].floor or count) < count)
        }


def _held(now: Mapping[str, Replicas], lacking: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for name in lacking for one in now[name].holds))


def _rights(now: Mapping[str, Replicas], region: str) -> tuple[Guard, ...]:
    rights = tuple(dict.fromkeys(right for one in now.values() for right in one.lacking))
    if not rights:
        return ()
    what = f"this login lacks permissions in the cluster of {region}: {', '.join(rights)}"
    remedy = f"bind the role of {region}/rights/secondsite-failover.yaml, as `secondsite render` writes it"
    return (Guard("no-right", what, remedy, absolute=True),)


def _would_be_refused(name: str, why: str) -> Guard:
    return Guard("no-right", f"scaling {name} would be refused: {why}", "fix that, then plan again", absolute=True)


def _unheld(now: Mapping[str, Replicas], lacking: Iterable[str], region: str) -> tuple[Guard, ...]:
    owners = tuple(dict.fromkeys(owner for name in lacking for owner in now[name].unheld))
    if not owners:
        return ()
    what = f"{', '.join(owners)} restores replicas in {region}, and its object cannot be reached there"
    return (Guard("reconciled", what, "pause it where it runs, then give --allow reconciled"),)


def _missing(context: Scope, step: Step, now: Mapping[str, Replicas], region: str) -> tuple[Guard, ...]:
    names = [name for name, one in now.items() if not one.there and wanted_replicas(context, step, region, name)]
    if not names:
        return ()
    what = f"{', '.join(names)} is not deployed in {region}"
    return (Guard("no-workload", what, "deploy it there, or continue without it with --allow no-workload"),)


@frozen
class VerifySecrets:
    """Fingerprints under a key of this run; a value never leaves the door."""

    async def look(self, context: Context, step: Step, secrets: Secrets) -> Prospect:
        compared = await _compare(context, step, secrets)
        mended = compared.refreshed if secrets.refreshes else ()
        changes = tuple(f"{name}: {_region(context, step)} reads it again" for name in mended)
        guards = tuple(_stale(name) for name in compared.different if name not in mended)
        return Prospect(changes=changes, now=(f"secrets that differ: {len(compared.different)}",), guards=guards)

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
        """A keyed digest in each region, or of the last drill where it is lost; neither value nor key is shown."""
        region, reference = context.region_of(step), _reference(context, step)
        yield _DIGEST
        for secret in context.deployment.system.secrets:
            kept, now = digest_file(reference, secret), digest_file(region, secret)
            asked = " ".join(map(word, (secret.namespace, secret.object_name, *secret.keys)))
            yield f"digest {word(reference)} {asked} || test -s {kept}  # no answer: that of the last drill counts"
            yield f"rm -f {now} && digest {word(region)} {asked}"


_COUNTS = (
    '.data | if $ARGS.positional == [] then . else [$ARGS.positional[] as $key | .[$key] // error("no " + $key)] end'
)
"""Of a secret: the keys that are named, or all of it."""
_DIGEST = (
    'digest() { data=$(kubectl --context "$1" --request-timeout=10s -n "$2" get secret "$3" -o json'
    f""" | jq -ceS '{_COUNTS}' --args "${{@:4}}")"""
    ' && test -n "$data" && mkdir -p "digests/$1"'  # jq 1.6 is content with no input
    ' && printf %s "${FINGERPRINT_KEY:?}$data" | openssl dgst -sha256 -r > "digests/$1/$2.$3"; }'
)


def digest_file(region: str, secret: Secret) -> str:
    """Where `digest` writes, as one shell word."""
    return word(f"digests/{region}/{secret.namespace}.{secret.object_name}")


def same_digests(context: ManualContext, step: Step, region: str) -> Iterable[str]:
    """Commands that end with 0 where the region has what it should have."""
    for secret in context.deployment.system.secrets:
        yield f"cmp {digest_file(_reference(context, step), secret)} {digest_file(region, secret)}"


def _reference(context: ManualContext, step: Step) -> str:
    """The region whose secrets are as they should be: on the way back the one that serves."""
    return context.away if context.region_of(step) == context.home else context.home


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
    what = f"the standby's {name} differs from the primary's"
    return Guard("stale-secret", what, "synchronise it from the secret store, then resume")
