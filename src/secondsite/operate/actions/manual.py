"""What is only ever done by hand: clusters, pods, databases, and telling customers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from secondsite.model.procedure import Step
from secondsite.model.service import Service
from secondsite.model.store import Loss
from secondsite.operate.action import ManualContext
from secondsite.operate.shell import kubectl, word
from secondsite.strategies.stores import REDIS


def create_cluster(context: ManualContext, step: Step) -> Iterable[str]:
    name, provider = word(context.deployment.system.name), context.deployment.primary.region.provider
    region = word(context.region_of(step))
    create = {
        "aws": f"eksctl create cluster --name {name} --region {region}",
        "gcp": f"gcloud container clusters create {name} --region {region}",
        "azure": f'az aks create --name {name} --resource-group "$RESOURCE_GROUP" --location {region}',
    }
    yield create.get(provider, f"# create the cluster {name} in {region}")
    yield 'kubectl apply -k "$MANIFESTS"'


def pods_that_do_not_run(context: ManualContext, step: Step) -> Iterable[str]:
    yield f"{kubectl(context.region_of(step))} get pods -A --field-selector=status.phase!=Running"


def workloads(context: ManualContext, step: Step) -> Iterable[str]:
    for namespace in dict.fromkeys(service.namespace for service in context.deployment.system.services):
        yield f"{kubectl(context.region_of(step), namespace)} get deployments,statefulsets"


def login(region: str, engine: str = "postgres") -> str:
    """An operator's connection string to the region's database, by the variable that holds it."""
    return f"env:{'REDIS' if engine in REDIS else 'PG'}_" + re.sub(r"[^A-Za-z0-9]", "_", region).upper()


def promote_stores(context: ManualContext, step: Step) -> Iterable[str]:
    """On the way back the region that serves is alive, and fenced before another is promoted."""
    if context.fault is None:
        for engine in _engines(context, step):
            verb = "redis" if engine in REDIS else "postgres"
            new, serving = login(context.region_of(step), engine), login(context.away, engine)
            yield f"secondsite {verb} fence {serving}"
            yield f"secondsite {verb} caught-up {new} {serving}"
            yield f"secondsite {verb} promote {new}"
            yield f"secondsite {verb} unfence {new}"
        return
    for service, engine in _stores(context):
        new = login(context.region_of(step), engine)
        if engine == "postgres":
            pod = f"{kubectl(context.region_of(step), service.namespace)} exec {word(f'{service.object_name}-0')} --"
            yield f"{pod} psql -U postgres -Atc 'select pg_promote(), pg_is_in_recovery()'"
            yield f"secondsite postgres unfence {new}  # a fence from the last way back; {new[4:]}: a superuser's login"
        elif engine in REDIS:
            yield f"secondsite redis promote {new}  # {new[4:]}: URL of an operator's user"
            yield f"secondsite redis unfence {new}  # a fence from the last way back"


def _engines(context: ManualContext, step: Step) -> tuple[str, ...]:
    """Of the stores that the step names, each once."""
    return tuple(dict.fromkeys(s.engine for s in context.deployment.system.stores if s.name in step.targets))


def restore_stores(context: ManualContext, step: Step) -> Iterable[str]:
    for service, engine in _stores(context, step.targets):
        inside = kubectl(context.region_of(step), service.namespace)
        if engine == "postgres":
            pod = f"{inside} exec -i {word(f'{service.object_name}-0')} --"
            yield f'aws s3 cp "$DUMP_URL" - | {pod} pg_restore -U postgres --clean --if-exists -d postgres'
        elif engine == "qdrant":
            yield f"{inside} port-forward svc/{word(service.object_name)} 6333 &"
            yield 'secondsite qdrant restore http://127.0.0.1:6333 --folder "$SNAPSHOTS" --replace'
        else:
            yield f"# {word(service.name)} ({word(engine)}): load its newest dump"


def announce(_context: ManualContext, _step: Step) -> Iterable[str]:
    yield "# use the texts under Communication below"


def _stores(context: ManualContext, names: tuple[str, ...] = ()) -> Iterable[tuple[Service, str]]:
    """Those with data, or of them those that are named."""
    for store in context.deployment.system.stores:
        service = context.deployment.system.service(store.service)
        if service is not None and store.loss is Loss.DATA and (not names or store.name in names):
            yield service, store.engine
