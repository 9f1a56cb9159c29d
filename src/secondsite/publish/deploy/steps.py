"""In which order the files are applied: each step with its commands and a check.

Contexts of `nats` and `kubectl` are called like the regions, as in the runbook.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from secondsite.lab.meta import meta_groups
from secondsite.model.deployment import Deployment
from secondsite.model.nats import Retention
from secondsite.operate.agent import agent_config
from secondsite.operate.shell import word
from secondsite.publish.deploy.archive import ARCHIVE, archiver_file
from secondsite.publish.deploy.deploy_step import DeployStep
from secondsite.publish.deploy.dns import dns_files
from secondsite.publish.deploy.kubernetes import LOGINS, agent_folder, gate_patch_file, servers_patch_file
from secondsite.publish.deploy.store_rollout import store_steps
from secondsite.publish.deploy.texts import PlacedStream, placed_streams
from secondsite.publish.deploy.watch import (
    JUDGE_FILE,
    SECRET,
    WATCH,
    judged_by,
    observers_in,
    watch_folder,
    watches_from,
)
from secondsite.publish.text.markdown import Md, code, fence, joined, text
from secondsite.strategies.archiver import archived, store_url, vault_of
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.rights import lease_subject
from secondsite.strategies.server_config import ACCOUNT, MONITOR_PORT, NatsServer, servers_of
from secondsite.strategies.service_records import WRITES, RoutingPolicy, service_records
from secondsite.strategies.write_gate import gated_subjects, leased

MISREAD = '.data | to_entries[] | select(.value | @base64d | test("^[A-Za-z][A-Za-z0-9]{19,}$") | not) | .key'


def steps(deployment: Deployment, book: DeployedAddresses) -> tuple[DeployStep, ...]:
    return tuple(_steps(deployment, book))


def _steps(deployment: Deployment, book: DeployedAddresses) -> Iterator[DeployStep]:
    regions = tuple(dict.fromkeys(server.region for server in servers_of(deployment)))
    if any(cluster.streams for cluster in deployment.system.nats):
        yield _save(book)
    for region in regions:
        yield _start(deployment, book, region)
    yield _connected(deployment, book)
    placed = placed_streams(deployment)
    copies = [each for each in placed if each.stream.mirror or each.stream.sources]
    origins = [each for each in placed if each not in copies]
    yield from _origins(origins)
    yield from _consumers(origins)
    yield from _copies(copies, origins)
    yield from _consumers(copies)
    for region in regions:
        if agent_config(deployment, region) is not None:
            yield _agent(region)
    for region in regions:
        if archived(deployment, region):
            yield _archiver(deployment, book, region)
    yield from store_steps(deployment, book)
    for region in regions:
        if observers_in(deployment, region) or watches_from(deployment, region):
            yield _watched(deployment, book, region)
    for region in regions:
        if gated_subjects(deployment, region):
            yield _gate(deployment, book, region)
    if dns_files(deployment):
        yield _records(deployment)


def _records(deployment: Deployment) -> DeployStep:
    wanted = service_records(deployment)
    addresses = json.dumps({record.region: ["192.0.2.1"] for record in wanted.records})
    each_region = "A record and a health check for each region; the provider"
    about = {
        RoutingPolicy.PLAIN: "One record, which a failover changes; `dns/octodns` holds it for octoDNS as well.",
        RoutingPolicy.FAILOVER: f"{each_region} answers with the first healthy one, so no record has to be changed.",
        RoutingPolicy.WEIGHTED: f"{each_region} leaves out unhealthy regions.",
    }[wanted.kind]
    primary = next((each.check for each in wanted.records if each.primary and each.check), None)
    if primary and primary.path.endswith(WRITES):
        about += (
            f" Your API must answer {code(primary.path)} with 200 only while its region accepts writes; otherwise "
            "clients are sent back to a returned region before it accepts writes."
        )
    return DeployStep(
        Md("Create the records of the service"),
        Md(about),
        fence(
            [
                "terraform -chdir=./dns init  # or tofu",
                f'terraform -chdir=./dns apply -var zone_id="$ZONE_ID" -var addresses={word(addresses)}',
            ]
        ),
        Md(f"`dig +short {wanted.host}` answers with the gateway of {text(deployment.primary.region.name)}"),
    )


def _agent(region: str) -> DeployStep:
    return DeployStep(
        Md(f"Start the agent in {text(region)}"),
        Md(
            "A mirror has no consumers: `secondsite agent` copies their positions to where the stream is a mirror, or "
            "every consumer would begin at the first message after a failover. Its login may "
            "look and write positions, and nothing else."
        ),
        fence([f"kubectl --context {word(region)} apply -k {word(f'./{agent_folder(region)}')}"]),
        Md(f"its log in {text(region)} shows how many positions are copied, or that the stream accepts writes here"),
    )


def _watched(deployment: Deployment, book: DeployedAddresses, region: str) -> DeployStep:
    """The watch logs in as the operator, and everywhere: its Secret is the team's to fill."""
    namespace = book.namespace(deployment.clusters[0]) or "default"
    kubectl = f"kubectl --context {word(region)} -n {word(namespace)}"
    lines = [f'{kubectl} create secret generic {SECRET} --from-literal=SECONDSITE_WATCH_TOKEN="$WATCH_TOKEN"']
    watches = watches_from(deployment, region)
    if watches:
        lines.append(f"{kubectl} create configmap {WATCH} --from-file=secondsite.yaml")
    lines.append(f"kubectl --context {word(region)} apply -k {word(f'./{watch_folder(region)}')}")
    if watches and judged_by(deployment):
        file = word(f"./{watch_folder(region)}/{JUDGE_FILE}")
        lines.append(
            f"{kubectl} apply -f {file}  # optional: judges as the watch does and starts nothing; for game days"
        )
    check = f"its log in {text(region)} shows what it sees of each region"
    if watches:
        check = f"{code(f'{kubectl} logs deploy/{WATCH}')}, or the page at port 8088, shows what each observer sees"
    return DeployStep(
        Md(f"Start the watch in {text(region)}"),
        Md(
            "Observers ask each region along several ways; a watch listens to them, and fails over or asks. The token "
            "is the same everywhere. Complete the addresses of the other regions in the observers' files; into the "
            "watch's Secret goes whatever `operate:` refers to as `env:NAME`, or nothing can be carried out."
        ),
        fence(lines),
        Md(check),
    )


def _archiver(deployment: Deployment, book: DeployedAddresses, region: str) -> DeployStep:
    vault, namespace = vault_of(deployment), book.namespace(deployment.clusters[0]) or "default"
    kubectl = f"kubectl --context {word(region)} -n {word(namespace)}"
    bucket = [
        "terraform -chdir=./archive init  # or tofu",
        "terraform -chdir=./archive apply",
        f"{kubectl} create serviceaccount {word(ARCHIVE)}",
        f'{kubectl} annotate serviceaccount {word(ARCHIVE)} eks.amazonaws.com/role-arn="$ARCHIVE_ROLE"',
    ]
    by_hand = [f"{kubectl} create serviceaccount {word(ARCHIVE)}  # bound to an identity that may write there"]
    lines = bucket if vault.provider == "aws" else by_hand
    store = store_url(deployment)
    return DeployStep(
        Md(f"Start the archiver in {text(region)}"),
        Md(
            f"It ships what is new of every stream to {code(store)} in {text(vault.name)}: two copies, of which one "
            "ships. The bucket keeps versions under a lock; the archiver's identity writes, reads and lists, and "
            "deletes nothing. Take over the two alerts of `docs/archive.md`, and run "
            f"{code(f'secondsite archive compact --from {store} --keep 7d')} every day, with credentials of its own."
        ),
        fence(
            [
                *lines,
                f"kubectl --context {word(region)} apply -f {word(f'./{archiver_file(region)}')}",
                f"secondsite archive verify --from {word(store)} --no-restore",
            ]
        ),
        Md("`verify` says that the archive is good, and how far it reaches"),
    )


def _save(book: DeployedAddresses) -> DeployStep:
    about = Md("The accounts stay as they are, and so do the streams in them: this copy is for the case of a mistake.")
    return DeployStep(
        Md("Save the streams that run today"),
        about
        if book.account_key
        else Md(
            f"The rendered servers keep streams in the account `{ACCOUNT}`. What stands in another account today (`$G` "
            f"where none is configured) stays on the disks and is not seen from `{ACCOUNT}`: restore it from this "
            "backup once the servers run, or let old and new servers run side by side until clients have moved."
        ),
        fence(['secondsite backup --nats "$NATS_TODAY" --to "$BACKUP_URL"']),
        Md('`secondsite backup verify --from "$BACKUP_URL"` exits 0'),
    )


def _start(deployment: Deployment, book: DeployedAddresses, region: str) -> DeployStep:
    """The part of each cluster that is in the region."""
    first = _first_of_each(deployment, region)
    classes = _storage_classes(first, book)
    lines = [_misread(region, book.namespace(first[0].cluster))]
    lines += [f"kubectl --context {word(region)} get storageclass {word(name)}" for name in classes]
    lines.append(f"kubectl --context {word(region)} apply -k {word(f'./{region}')}")
    for server in first:
        lines += _rolled(server, servers_patch_file(server, book), book)
    versions = joined(dict.fromkeys(server.cluster.version or "of any version" for server in first))
    return DeployStep(
        Md(f"Start the servers in {text(region)}"),
        Md(
            "The first command names each password that the server would not read as one: set new ones before you "
            f"go on. The image has to be nats-server {versions}. After a later change of a configuration, `kubectl "
            "rollout restart` as well: a changed ConfigMap restarts nothing by itself."
            + (f" Its volumes ask for the storage class {joined(map(code, classes))}." if classes else "")
        ),
        fence(lines),
        Md(
            f"no password is named, {'every storage class is there, ' if classes else ''}and `rollout status` ends "
            "with 0"
        ),
    )


def _storage_classes(servers: Sequence[NatsServer], book: DeployedAddresses) -> tuple[str, ...]:
    """What the volumes of these servers' StatefulSets name; a cluster that lacks one never binds them."""
    run = {server.cluster.service for server in servers}
    volumes = (volume for service in book.services if service.name in run for volume in service.volumes)
    return tuple(dict.fromkeys(volume.storage_class for volume in volumes if volume.storage_class))


def _misread(region: str, namespace: str) -> str:
    """The server reads a variable's value as part of its file: `123` is a number there, `true` a flag."""
    kubectl = f"kubectl --context {word(region)}" + (f" -n {word(namespace)}" if namespace else "")
    return f"{kubectl} get secret {word(LOGINS)} -o json | jq -r {word(MISREAD)}"


def _first_of_each(deployment: Deployment, region: str) -> tuple[NatsServer, ...]:
    here = [server for server in servers_of(deployment) if server.region == region]
    return tuple({server.cluster.name: server for server in reversed(here)}.values())[::-1]


def _rolled(server: NatsServer, patch: str, book: DeployedAddresses) -> list[str]:
    namespace = book.namespace(server.cluster)
    kubectl = f"kubectl --context {word(server.region)}" + (f" -n {word(namespace)}" if namespace else "")
    target = f"statefulset {word(book.workload(server.cluster))}"
    return [
        f"{kubectl} patch {target} --patch-file {word(patch)}",
        f"{kubectl} rollout status {target}",
    ]


def _connected(deployment: Deployment, book: DeployedAddresses) -> DeployStep:
    """Not sooner: where the meta group spans regions, one region alone has no leader."""
    groups = meta_groups(servers_of(deployment))
    login = f'--user {book.system.user} --password "{book.system.password}"'
    if book.account_key:
        login = '--creds "$NATS_SYS_CREDS"'
    lines = [f"nats --context {word(group[0].region)} {login} server report jetstream" for group in groups]
    checks = [
        f"a report shows a meta leader, and {joined(code(server.name) for server in group)} with it" for group in groups
    ]
    dialling = dict.fromkeys(server.region for server in servers_of(deployment) if server.cluster.leaves)
    if dialling:
        checks.append(f"`/leafz` has 1 or more `leafnodes` on each server in {joined(map(code, dialling))}")
    if any(cluster.gateways for cluster in deployment.clusters):
        checks.append("`/gatewayz` has every other cluster in `outbound_gateways` and `inbound_gateways`")
    return DeployStep(
        Md("Check that the servers found each other"),
        Md(f"Pages such as `/leafz` are on port {MONITOR_PORT} of each server: `kubectl port-forward` leads there."),
        fence(lines),
        Md("; ".join(checks)),
    )


def _origins(origins: Sequence[PlacedStream]) -> Iterator[DeployStep]:
    if origins:
        yield DeployStep(
            Md("Create streams"),
            Md("One that exists already: `nats stream edit` with the same file shows what it would change."),
            fence(_adding(origins)),
            Md("`nats stream report`: every stream has a leader and its replicas"),
        )


def _copies(copies: Sequence[PlacedStream], origins: Sequence[PlacedStream]) -> Iterator[DeployStep]:
    if copies:
        yield DeployStep(
            Md("Create what is copied from another region"),
            Md(
                "Their origins have to be there, and the origins' consumers: what is made after the mirror of a work "
                "queue gets none of its jobs, or is refused."
            ),
            fence([line for each in copies for line in (*_early(each, origins), *_adding([each]))]),
            Md(
                "`nats stream info STREAM --json | jq .state.last_seq` of origin and copy: equal, or following. The "
                "copy's own `lag` says nothing: it is 0 while the origin cannot be reached"
            ),
        )


def _early(copy: PlacedStream, origins: Sequence[PlacedStream]) -> Iterator[str]:
    """A mirror that would take a work queue's jobs, as its workers create their consumers later."""
    for one in origins:
        of = copy.stream.mirror
        if of is None or one.stream.name != of.stream or one.region != (of.region or one.region):
            continue
        if one.stream.retention is Retention.WORKQUEUE and not any(each.durable for each in one.stream.consumers):
            what = "no durable consumer of this work queue is known"
            yield f"# {word(one.stream.name)}: {what}. Create those of its workers in {word(one.region)} first,"
            yield "# or the mirror takes their jobs: nothing is left for them"


def _adding(placed: Sequence[PlacedStream]) -> list[str]:
    return [
        f"nats --context {word(each.region)} stream add {word(each.stream.name)} --config {word(each.file)}"
        for each in placed
    ]


def _consumers(placed: Sequence[PlacedStream]) -> Iterator[DeployStep]:
    lines = [
        f"nats --context {word(each.region)} consumer add {word(each.stream.name)} {word(consumer.name)} --config "
        f"{word(each.consumer_file(consumer))}"
        for each in placed
        for consumer in each.stream.consumers
    ]
    if lines:
        yield DeployStep(
            Md("Create consumers"),
            Md("A mirror has none: the failover creates them, from copies of the origin's."),
            fence(lines),
            Md("`nats consumer report STREAM` lists each of them"),
        )


def _gate(deployment: Deployment, book: DeployedAddresses, region: str) -> DeployStep:
    """Last: a gate that cannot ask the copies stays shut."""
    subjects = joined(map(code, gated_subjects(deployment, region)))
    lines = []
    for server in _first_of_each(deployment, region):
        lines += _rolled(server, gate_patch_file(server, book), book)
    beside = "`secondsite gate` beside it saw twice that the copies elsewhere are mirrors still. "
    first = region == deployment.primary.region.name
    held = (
        "it renews through the other region. Where the regions cannot see each other, nobody writes here once the "
        "lease has run out (`writers: one`)"
        if first
        else "a failover grants it. Until then nobody writes here; if this region serves today, grant it first: "
        f"`nats request {lease_subject(region)} '{{\"granted\": true}}'`"
    )
    parent = (
        f"`secondsite gate`, which starts it as its child, holds a lease that {held}. The image of the container "
        "becomes the gate's, the binary comes from the official image. "
    )
    return DeployStep(
        Md(f"Install the write gate in {text(region)}"),
        Md(
            f"From now on a server that starts denies {code(book.application.user)} to publish on {subjects}, until "
            f"{parent if leased(deployment) else beside}Do this after the copies exist: until then it stays closed."
        ),
        fence(lines),
        Md("the gate logs that the region accepts writes" if first else "a publish by the application is refused"),
    )
