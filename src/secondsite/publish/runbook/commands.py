"""Each step as commands for a person: what is typed when the executor is not there to do it.

Names become shell words, quoted. Contexts of `nats` and `kubectl` are called like the regions. A placeholder that
nobody but the team can fill in is a shell variable, so that a command with an empty one fails instead of guessing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from shlex import quote

from attrs import frozen

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.procedure import QuorumMethod, Step, Verb
from secondsite.model.service import Role, Service

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHOWN = 40


@frozen
class StepSite:
    """A step where it is carried out. ``fault`` is None on the way back."""

    step: Step
    deployment: Deployment
    region: str
    fault: Fault | None

    @property
    def destroyed(self) -> bool:
        return self.fault is not None and self.fault.destroys_data

    @property
    def home(self) -> str:
        return self.deployment.primary.region.name

    @property
    def serving(self) -> str:
        """Where clients are while the first region is away."""
        return (self.deployment.standby or self.deployment.sites[-1]).region.name

    @property
    def nats(self) -> str:
        return f"nats --context {word(self.region)}"

    @property
    def kubectl(self) -> str:
        return f"kubectl --context {word(self.region)}"

    @property
    def host(self) -> str:
        return self.deployment.traffic.host or "$HOST"


def word(value: str) -> str:
    """One shell word on one line, whatever the value holds."""
    if not _CONTROL.search(value):
        return quote(value)
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped) + "'"


def commands(step: Step, deployment: Deployment, region: str, fault: Fault | None) -> tuple[str, ...]:
    """In the order in which they are typed; none where there is nothing.

    Carried out in the step's region, or in ``region`` where it names none, or where the data was destroyed.
    """
    where = region if fault is not None and fault.destroys_data else step.region or region
    lines = tuple(_BY_VERB[step.verb](StepSite(step, deployment, where, fault)))
    if len(lines) <= _SHOWN:
        return lines
    return (
        *lines[:_SHOWN],
        f"# and {len(lines) - _SHOWN} more like these, one for each stream or consumer that is left",
    )


def _detect(at: StepSite) -> Iterable[str]:
    path = at.deployment.traffic.check_path
    yield f"curl -fsS --max-time 5 -o /dev/null -w '%{{http_code}} %{{time_total}}\\n' {word(f'https://{at.host}{path}')}"


def _decide(at: StepSite) -> Iterable[str]:
    """A second signal, from somewhere else; or what there is to bring back."""
    if at.destroyed:
        yield 'secondsite backup list --from "$BACKUP_URL"'
        return
    yield f"nats --context {word(at.home)} rtt"
    yield f"kubectl --context {word(at.home)} get nodes --request-timeout=5s"


def _fence(at: StepSite) -> Iterable[str]:
    if at.fault is None:
        yield "# nats.conf without leafnodes and gateway; API and gateway stay at 0 replicas"
        yield from _without_clients(at, at.home)
        for service in _with_role(at, Role.NATS):
            scale = f"scale {_kind(service)} --replicas={service.replicas}"
            yield f"kubectl --context {word(at.home)} -n {word(service.namespace)} {scale}"
    else:
        yield from _without_clients(at, at.home)
        yield "# unreachable? refuse it from this side: remove its leaf or gateway credentials, then reload"
        for service in _with_role(at, Role.NATS):
            pods = f"kubectl --context {word(at.serving)} -n {word(service.namespace)} exec"
            for number in range(service.replicas):
                yield f"{pods} {word(f'{service.name}-{number}')} -- nats-server --signal reload"


def _without_clients(at: StepSite, region: str) -> Iterable[str]:
    for service in _with_role(at, Role.GATEWAY, Role.API):
        yield f"kubectl --context {word(region)} -n {word(service.namespace)} scale {_kind(service)} --replicas=0"


def _record_state(at: StepSite) -> Iterable[str]:
    for stream in _streams_in(at):
        yield (
            f"{at.nats} stream info {word(stream.name)} --json | jq -c '{{name: .config.name, last: .state.last_seq}}'"
            " | tee -a sequences.jsonl"
        )


def _restore_quorum(at: StepSite) -> Iterable[str]:
    yield f"{at.nats} server report jetstream"
    if at.step.method is QuorumMethod.RESCUE:
        yield f"{at.nats} --creds \"$SYSTEM_CREDS\" request '$JS.API.META.RESCUE' ''"
        yield f'{at.nats} --creds "$SYSTEM_CREDS" server cluster peer-remove "$LOST_SERVER" --force'


def _delete_origin(at: StepSite) -> Iterable[str]:
    for stream in (one for cluster in at.deployment.clusters if cluster.region == at.home for one in cluster.streams):
        edit = '.config | .subjects = ["lost." + .name]'
        yield _update(at.nats, stream.name, edit)
    yield "# 'context deadline exceeded' is no answer: look with `nats stream info` whether it was applied"


def _elect(at: StepSite) -> Iterable[str]:
    yield f"{at.nats} stream report"


def _promote_streams(at: StepSite) -> Iterable[str]:
    if at.fault is None:
        yield "# the serving side first: no client writes, and sequences are equal on both sides"
        yield from _without_clients(at, at.serving)
    for stream, subjects in _mirrors_in(at):
        yield _update(at.nats, stream, f".config | del(.mirror) | .subjects = {json.dumps(subjects)}")


def _restore_streams(at: StepSite) -> Iterable[str]:
    when = ""
    if at.destroyed:
        yield "# BEFORE: just before the mistake, such as 2026-11-23T09:40:00Z; newer backups hold it too"
        when = ' --at "$BEFORE"'
    yield f'secondsite restore --context {word(at.region)} --from "$BACKUP_URL"{when}'


def _restore_consumers(at: StepSite) -> Iterable[str]:
    yield "# configurations as last copied from the primary, opt_start_seq = acknowledged floor + 1"
    for stream in _streams_in(at):
        origin = stream.mirror.stream if stream.mirror else stream.name
        for consumer in _consumers_of(at, origin):
            config = word(f"consumers/{_file(origin)}.{_file(consumer)}.json")
            yield f"{at.nats} consumer add {word(stream.name)} {word(consumer)} --config {config}"


def _create_cluster(at: StepSite) -> Iterable[str]:
    name, provider = word(at.deployment.system.name), at.deployment.primary.region.provider
    create = {
        "aws": f"eksctl create cluster --name {name} --region {word(at.region)}",
        "gcp": f"gcloud container clusters create {name} --region {word(at.region)}",
        "azure": f'az aks create --name {name} --resource-group "$RESOURCE_GROUP" --location {word(at.region)}',
    }
    yield create.get(provider, f"# create the cluster {name} in {word(at.region)}")
    yield 'kubectl apply -k "$MANIFESTS"'


def _restart(at: StepSite) -> Iterable[str]:
    yield f"{at.kubectl} get pods -A --field-selector=status.phase!=Running"


def _start_services(at: StepSite) -> Iterable[str]:
    yield from _ready(at)


def _scale_services(at: StepSite) -> Iterable[str]:
    for service in at.deployment.system.services:
        wanted, running = at.deployment.primary.replicas(service.name), _running(at, service.name)
        if wanted > running and service.kind in ("Deployment", "StatefulSet"):
            yield f"{at.kubectl} -n {word(service.namespace)} scale {_kind(service)} --replicas={wanted}"


def _promote_stores(at: StepSite) -> Iterable[str]:
    for service, engine in _stores(at):
        if engine == "postgres":
            pod = f"{at.kubectl} -n {word(service.namespace)} exec {word(f'{service.name}-0')} --"
            yield f"{pod} psql -U postgres -Atc 'select pg_promote(), pg_is_in_recovery()'"


def _restore_stores(at: StepSite) -> Iterable[str]:
    for service, engine in _stores(at):
        if engine == "postgres":
            pod = f"{at.kubectl} -n {word(service.namespace)} exec -i {word(f'{service.name}-0')} --"
            yield f'aws s3 cp "$DUMP_URL" - | {pod} pg_restore -U postgres --clean --if-exists -d postgres'
        elif engine == "qdrant":
            yield f"{at.kubectl} -n {word(service.namespace)} port-forward svc/{word(service.name)} 6333 &"
            yield (
                'curl -fsS -X PUT "http://127.0.0.1:6333/collections/$COLLECTION/snapshots/recover"'
                ' -H \'Content-Type: application/json\' -d "{\\"location\\": \\"$SNAPSHOT_URL\\"}"'
            )
        else:
            yield f"# {word(service.name)} ({word(engine)}): load its newest dump"


def _verify_secrets(at: StepSite) -> Iterable[str]:
    """A keyed digest in each region; no value is shown."""
    yield "# the lost region does not answer? compare with the digests written down at the last drill"
    for secret in at.deployment.system.secrets:
        for region in (at.home, at.region):
            get = f"kubectl --context {word(region)} -n {word(secret.namespace)} get secret {word(secret.name)} -o json"
            yield f'{get} | jq -cS .data | openssl dgst -sha256 -mac HMAC -macopt hexkey:"$FINGERPRINT_KEY"'


def _change_traffic(at: StepSite) -> Iterable[str]:
    del at
    yield "# Route 53 or Cloudflare: the commands stand under DNS, below"


def _converge(at: StepSite) -> Iterable[str]:
    for resolver in ("1.1.1.1", "8.8.8.8", "9.9.9.9"):
        yield f"dig +noall +answer {word(at.host)} @{resolver}"


def _verify_path(at: StepSite) -> Iterable[str]:
    yield f"curl -fsS --max-time 5 {word(f'https://{at.host}{at.deployment.traffic.check_path}')}"
    yield "# then one write of your own through the API, and the sequence it got:"
    for stream in _streams_in(at)[:1]:
        yield f"{at.nats} stream info {word(stream.name)} --json | jq .state.last_seq"


def _wait(at: StepSite) -> Iterable[str]:
    yield from _ready(at)


def _salvage(at: StepSite) -> Iterable[str]:
    home = word(at.home)
    for stream in (one for cluster in at.deployment.system.nats for one in cluster.streams):
        name = word(stream.name)
        yield f"nats --context {home} stream info {name} --json | jq .state.last_seq  # compare with sequences.jsonl"
        yield f"nats --context {home} stream backup {name} {word(f'salvage/{_file(stream.name)}')}"


def _resynchronise(at: StepSite) -> Iterable[str]:
    if at.region != at.home:
        yield from _mirror_again(at)
        return
    serving = word(at.serving)
    for stream in (one for cluster in at.deployment.system.nats for one in cluster.streams):
        name = word(stream.name)
        yield f"{at.nats} stream rm {name} --force  # its backup is in salvage/"
        config = word(f"mirrors/{_file(stream.name)}.json")
        yield f"{at.nats} stream add {name} --config {config}  # a mirror of {serving}"


def _mirror_again(at: StepSite) -> Iterable[str]:
    """After a failback: the copies are mirrors of home again."""
    for name, _ in _mirrors_in(at):
        yield f"{at.nats} stream rm {word(name)} --force  # fenced, and all it holds is in {word(at.home)}"
        yield f"{at.nats} stream add {word(name)} --config {word(f'mirrors/{_file(name)}.json')}"


def _announce(at: StepSite) -> Iterable[str]:
    del at
    yield "# the texts stand under Communication, below"


_BY_VERB: Mapping[Verb, Callable[[StepSite], Iterable[str]]] = {
    Verb.DETECT: _detect,
    Verb.DECIDE: _decide,
    Verb.FENCE: _fence,
    Verb.RECORD_STATE: _record_state,
    Verb.RESTORE_QUORUM: _restore_quorum,
    Verb.DELETE_ORIGIN: _delete_origin,
    Verb.ELECT: _elect,
    Verb.PROMOTE_STREAMS: _promote_streams,
    Verb.RESTORE_STREAMS: _restore_streams,
    Verb.RESTORE_CONSUMERS: _restore_consumers,
    Verb.CREATE_CLUSTER: _create_cluster,
    Verb.RESTART: _restart,
    Verb.START_SERVICES: _start_services,
    Verb.SCALE_SERVICES: _scale_services,
    Verb.PROMOTE_STORES: _promote_stores,
    Verb.RESTORE_STORES: _restore_stores,
    Verb.VERIFY_SECRETS: _verify_secrets,
    Verb.CHANGE_TRAFFIC: _change_traffic,
    Verb.CONVERGE: _converge,
    Verb.VERIFY_PATH: _verify_path,
    Verb.WAIT: _wait,
    Verb.RESYNCHRONISE: _resynchronise,
    Verb.SALVAGE: _salvage,
    Verb.ANNOUNCE: _announce,
}


def _update(nats: str, stream: str, edit: str) -> str:
    config = f"{nats} stream info {word(stream)} --json | jq -c {word(edit)}"
    return f'{nats} request {word(f"$JS.API.STREAM.UPDATE.{stream}")} "$({config})"'


def _ready(at: StepSite) -> Iterable[str]:
    for namespace in dict.fromkeys(service.namespace for service in at.deployment.system.services):
        yield f"{at.kubectl} -n {word(namespace)} get deployments,statefulsets"


def _running(at: StepSite, service: str) -> int:
    site = next((site for site in at.deployment.sites if site.region.name == at.region), None)
    return 0 if site is None else site.replicas(service)


def _with_role(at: StepSite, *roles: Role) -> tuple[Service, ...]:
    return tuple(service for service in at.deployment.system.services if service.role in roles)


def _kind(service: Service) -> str:
    return word(f"{service.kind.lower()}/{service.name}" if service.kind else service.name)


def _clusters_in(at: StepSite) -> tuple[NatsCluster, ...]:
    return tuple(cluster for cluster in at.deployment.clusters if cluster.region == at.region)


def _streams_in(at: StepSite) -> tuple[Stream, ...]:
    """Of the region; where none is laid out there yet, those that run today."""
    found = tuple(stream for cluster in _clusters_in(at) for stream in cluster.streams)
    return found or tuple(stream for cluster in at.deployment.system.nats for stream in cluster.streams)


def _mirrors_in(at: StepSite) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Each mirror by its name, with the subjects that it takes over."""
    origins = {stream.name: stream for cluster in at.deployment.system.nats for stream in cluster.streams}
    for stream in _streams_in(at):
        origin = origins.get(stream.mirror.stream if stream.mirror else stream.name)
        if origin is not None:
            yield stream.name, at.step.subjects or origin.subjects


def _consumers_of(at: StepSite, stream: str) -> tuple[str, ...]:
    return tuple(
        consumer.name
        for cluster in at.deployment.system.nats
        for one in cluster.streams
        if one.name == stream
        for consumer in one.consumers
    )


def _stores(at: StepSite) -> Iterable[tuple[Service, str]]:
    for store in at.deployment.system.stores:
        service = at.deployment.system.service(store.service)
        if service is not None and store.loss.value == "data":
            yield service, store.engine


def _file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60]
