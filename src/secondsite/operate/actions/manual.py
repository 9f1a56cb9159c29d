"""What is only ever done by hand: clusters, pods, databases, and telling customers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from secondsite.model.procedure import Step
from secondsite.model.service import Service
from secondsite.model.store import Loss, Store
from secondsite.operate.action import ManualContext
from secondsite.operate.shell import file_word, kubectl, word
from secondsite.strategies.log_archive import LOG_ARCHIVE
from secondsite.strategies.provider_replicas import offered
from secondsite.strategies.snapshots import follower, loaded_stores
from secondsite.strategies.store_steps import PROMOTE_MANAGED, RECOVER, REPLICATE_MANAGED
from secondsite.strategies.stores import PROVIDER_REPLICA, REDIS, stores_copied


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
    for each in loaded_stores(context.deployment):
        if waiting := context.deployment.system.service(each.store.service):
            scale = f"scale deployment {word(follower(waiting))} --replicas=0"
            yield f"{kubectl(each.standby, waiting.namespace)} {scale}  # it is written to from now on"
    for service, engine in _stores(context, step.targets):
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
    """In the way in which each store got there: a call of its provider, its log archive, else its newest dump."""
    provided = _copied(context, PROVIDER_REPLICA, step)
    logged = _copied(context, LOG_ARCHIVE, step)
    if step.id in (PROMOTE_MANAGED, REPLICATE_MANAGED):
        for store in provided.values():
            yield from _by_provider(context, step, store)
    else:
        for store in provided.values():
            yield f"# {word(store.name)}: have the provider restore it to the moment before the mistake"
    for store in logged.values():
        yield from _from_log(context, step, store)
    names = tuple(name for name in step.targets if name not in provided and name not in logged)
    for service, engine in _stores(context, names) if names or not step.targets else ():
        inside = kubectl(context.region_of(step), service.namespace)
        if engine == "postgres":
            pod = f"{inside} exec -i {word(f'{service.object_name}-0')} --"
            yield f'aws s3 cp "$DUMP_URL" - | {pod} pg_restore -U postgres --clean --if-exists -d postgres'
        elif engine == "qdrant":
            yield f"{inside} port-forward svc/{word(service.object_name)} 6333 &"
            yield 'secondsite qdrant restore http://127.0.0.1:6333 --folder "$SNAPSHOTS" --replace'
        else:
            yield f"# {word(service.name)} ({word(engine)}): load its newest dump"


def _copied(context: ManualContext, method: str, step: Step) -> Mapping[str, Store]:
    copies = stores_copied(context.deployment, method)
    return {each.store.name: each.store for each in copies if each.store.name in step.targets}


def _by_provider(context: ManualContext, step: Step, store: Store) -> Iterable[str]:
    """On the way back the replica is made by one step and promoted by another."""
    region, offer = context.region_of(step), offered(store)
    command = offer.promote if step.id == PROMOTE_MANAGED else offer.create
    if not command:
        yield f"# {word(store.name)}: nothing says which provider runs it; promote its replica in {word(region)} there"
        return
    home = context.away if region == context.home else context.home
    yield command.format(name=word(store.name), region=word(region), home=word(home))


def _from_log(context: ManualContext, step: Step, store: Store) -> Iterable[str]:
    """`secondsite render` writes what is applied; a StatefulSet was laid out with no pod."""
    region, service = context.region_of(step), context.deployment.system.service(store.service)
    if service is None or step.id != RECOVER:
        moment = ", to a recovery_target_time before the mistake" if context.data_destroyed else ""
        yield f"# {word(store.name)}: restore its base backup and its log into a new server{moment}, then move clients"
        return
    inside = kubectl(region, service.namespace)
    file = word(f"./{file_word(region)}/stores/{file_word(store.name)}.yaml")
    if service.kind == "Cluster":
        yield f"{inside} apply -f {file}"
        yield f"{inside} wait --for=condition=Ready --timeout=2h cluster/{word(service.object_name)}"
    else:
        yield f"{inside} scale statefulset {word(service.object_name)} --replicas=1"
        yield f"{inside} rollout status --timeout=2h statefulset {word(service.object_name)}"


def announce(_context: ManualContext, _step: Step) -> Iterable[str]:
    yield "# use the texts under Communication below"


def _stores(context: ManualContext, names: tuple[str, ...] = ()) -> Iterable[tuple[Service, str]]:
    """Those with data, or of them those that are named."""
    for store in context.deployment.system.stores:
        service = context.deployment.system.service(store.service)
        if service is not None and store.loss is Loss.DATA and (not names or store.name in names):
            yield service, store.engine
