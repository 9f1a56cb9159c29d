"""``README.md`` of what was rendered: what each file is, and in which order it is applied, with a check after each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from secondsite.model.deployment import Deployment
from secondsite.operate.agent import agent_config
from secondsite.operate.shell import word
from secondsite.publish.deploy.archive import TERRAFORM, archive_files
from secondsite.publish.deploy.buckets import BACKUPS
from secondsite.publish.deploy.kubernetes import LOGINS, TLS
from secondsite.publish.deploy.steps import steps
from secondsite.publish.deploy.store_archives import BUCKETS, log_archive_files
from secondsite.publish.deploy.store_providers import TERRAFORM as REPLICAS
from secondsite.publish.deploy.store_providers import provider_files
from secondsite.publish.deploy.stores import store_files
from secondsite.publish.deploy.watch import watches_from
from secondsite.publish.text.markdown import Md, code, fence, joined, table
from secondsite.publish.text.templates import render
from secondsite.strategies.archiver import archived
from secondsite.strategies.deployed_addresses import CERTIFICATES, CREDENTIALS_SECRET, DeployedAddresses, variables
from secondsite.strategies.rights import NatsRights, agent_rights, archive_rights, backup_rights
from secondsite.strategies.server_config import (
    Login,
    NatsServer,
    server_configs,
    servers_of,
)
from secondsite.strategies.snapshots import saved_stores
from secondsite.strategies.write_gate import gated_subjects

NAME = "README.md"


def document(deployment: Deployment, book: DeployedAddresses, command: str, *, backups: bool = False) -> str:
    servers = servers_of(deployment)
    configs = server_configs(deployment, book)
    regions = tuple(dict.fromkeys(server.region for server in servers))
    gated = tuple(region for region in regions if gated_subjects(deployment, region))
    return render(
        "rendered.md.j2",
        system=deployment.system,
        strategy=code(deployment.strategy.id),
        versions=joined(dict.fromkeys(cluster.version or "any version" for cluster in deployment.clusters)),
        regions=joined(map(code, regions)),
        command=code(command),
        differs="hosts, folders, logins and certificates" if _has_tls(configs) else "hosts, folders and logins",
        logins=code(LOGINS),
        files=_files(
            gated,
            tls=_has_tls(configs),
            agents=any(agent_config(deployment, one) for one in regions),
            archives=any(archived(deployment, one) for one in regions),
            stored=bool(store_files(deployment, book) or log_archive_files(deployment) or saved_stores(deployment)),
            provided=bool(provider_files(deployment)),
            logs=BUCKETS in log_archive_files(deployment),
            watched=any(watches_from(deployment, one) for one in regions),
            bucket=TERRAFORM in archive_files(deployment, book, "", LOGINS),
            names=bool(deployment.traffic.host),
            backups=backups,
        ),
        servers=_servers(servers, book),
        doors=_doors(servers, configs, book),
        certificates=_has_tls(configs),
        certificate_files=joined(map(code, (CERTIFICATES.cert_file, CERTIFICATES.key_file, CERTIFICATES.ca_file))),
        variables=_variables(servers, configs, book),
        credentials=_credentials(deployment, book),
        credentials_secret=code(CREDENTIALS_SECRET),
        steps=steps(deployment, book),
        rehearsed=len(regions) > 1,
    )


def _has_tls(configs: Mapping[str, str]) -> bool:
    return any(CERTIFICATES.ca_file in config for config in configs.values())


def _files(
    gated: Sequence[str],
    *,
    tls: bool,
    agents: bool,
    archives: bool,
    stored: bool,
    provided: bool,
    watched: bool,
    bucket: bool,
    logs: bool,
    names: bool,
    backups: bool,
) -> Md:
    rows = [
        ("REGION/nats/SERVER.conf", Md("configuration of one `nats-server`: the text that `secondsite drill` starts")),
        ("REGION/streams/STREAM.json", Md("a stream, for `nats stream add --config`")),
        ("REGION/consumers/STREAM/CONSUMER.json", Md("a consumer, for `nats consumer add --config`")),
        (
            "REGION/kustomization.yaml",
            Md("the configurations as a ConfigMap, and the network policies, for `kubectl apply -k`"),
        ),
        (
            "REGION/kubernetes/*.network-policy.yaml",
            Md("routes, gateways and the monitoring page are reachable by the servers only; other ports are unchanged"),
        ),
        (
            "REGION/kubernetes/*.patch.yaml",
            Md(
                "a patch that makes your StatefulSet use them, for `kubectl patch --patch-file`; its container is "
                "called `nats`" + (f", certificates are in the Secret {code(TLS)}" if tls else "")
            ),
        ),
    ]
    rows.append(("REGION/rights/*.yaml", Md("Roles that people need to fail over and to apply these files")))
    if names:
        rows.append(
            ("dns/", Md("the records of the service and their health checks, for Terraform, OpenTofu or octoDNS"))
        )
    if agents:
        agent_line = "the agent that copies consumers' positions to this region, for `kubectl apply -k`"
        rows.append(("REGION/agent/", Md(agent_line)))
    if archives:
        rows.append(("REGION/archive/", Md("the archiver of this region's streams, for `kubectl apply -f`")))
    if stored:
        rows.append(
            ("REGION/stores/", Md("replicas of databases and snapshots of stores, and what to run on a primary first"))
        )
    if logs:
        kept = "buckets of databases' logs in the second region, with policies for who ships and who restores"
        rows.append((BUCKETS, Md(f"{kept}; apply it with `terraform -chdir=./log-archive apply`")))
    if provided:
        rows.append((REPLICAS, Md("replicas of databases that a provider runs, for Terraform or OpenTofu")))
    if watched:
        rows.append(("REGION/watch/", Md("observers and watch of this region, for `kubectl apply -k`")))
    if bucket:
        rows.append((TERRAFORM, Md("the bucket that it ships to, and its policy, for Terraform or OpenTofu")))
    if backups:
        kept = "the bucket of scheduled backups in the second region, and policies for `backup` and `prune`"
        rows.append((BACKUPS, Md(f"{kept}; apply it with `terraform -chdir=./backup apply`")))
    if gated:
        agent_line = (
            "the write gate, open, as the region starts the first time; `secondsite gate` maintains it from then on"
        )
        rows.insert(1, ("REGION/nats/gate/REGION.conf", Md(agent_line)))
        rows.insert(
            2, ("REGION/nats/gate.json", Md("configuration of `secondsite gate`: what it watches, and its lease"))
        )
    return table(("File", "What it is"), [(code(name), agent_line) for name, agent_line in rows])


def _servers(servers: Sequence[NatsServer], book: DeployedAddresses) -> Md:
    rows = [(each.region, code(each.name), code(book.pod(each)), code(book.inside(each))) for each in servers]
    return table(("Region", "Server", "Pod", "Name in its region"), rows)


def _doors(servers: Sequence[NatsServer], configs: Mapping[str, str], book: DeployedAddresses) -> Md:
    """What configurations name in other regions, read from their text; empty where they name nothing."""
    if not book.domain:
        return Md("")
    named = {server.name: _expanded(configs[server.name], server.region, servers, book) for server in servers}
    rows = []
    for server in servers:
        host = book.gossip(server)
        door = re.compile(rf"(?<![\w.-]){re.escape(host)}:(\d+)")
        ports_of = {each.name: door.findall(named[each.name]) for each in servers}
        ports = sorted({int(port) for ports_given in ports_of.values() for port in ports_given})
        if ports:
            others = dict.fromkeys(each.region for each in servers if ports_of[each.name] and each != server)
            rows.append((code(host), f"{server.region}, {book.pod(server)}", joined(ports), joined(others) or "gossip"))
    return table(("Name", "Leads to", "Ports", "Dialled by"), rows) if rows else Md("")


def _expanded(config: str, region: str, servers: Sequence[NatsServer], book: DeployedAddresses) -> str:
    """With the URLs that variables hold. Longer names first: one may begin like another."""
    for variable in sorted(variables(config), key=len, reverse=True):
        url = book.url_of(variable, region, servers, str)
        if url is not None:
            config = config.replace(variable, url)
    return config


def _variables(servers: Sequence[NatsServer], configs: Mapping[str, str], book: DeployedAddresses) -> Md:
    meant: dict[str, object] = {
        book.application.password: Md(f"password of {code(book.application.user)}: what services log in as"),
        book.operator.password: Md(f"password of {code(book.operator.user)}: failover and restores; creates streams"),
        book.backup.password: Md(f"password of {code(book.backup.user)}: `secondsite backup`, which reads"),
        book.archive.password: Md(f"password of {code(book.archive.user)}: `secondsite archive`, which reads"),
        book.gate.password: Md(f"password of {code(book.gate.user)}: `secondsite gate`, beside the servers"),
        book.agent.password: Md(f"password of {code(book.agent.user)}: `secondsite agent`: positions"),
        book.leaf.password: Md(f"password of {code(book.leaf.user)}: servers of other regions; one for all regions"),
        book.routes.password: Md(f"password of {code(book.routes.user)}: servers of the same cluster"),
        book.gateways.password: Md(f"password of {code(book.gateways.user)}: servers of other clusters"),
        book.system.password: Md(f"password of {code(book.system.user)}: the system account"),
    }
    rows = []
    for name in dict.fromkeys(name for config in configs.values() for name in variables(config)):
        where = [each for each in servers if name in variables(configs[each.name])]
        regions = dict.fromkeys(each.region for each in where)
        rows.append((code(name[1:]), meant.get(name) or _url(name, where[0].region, servers, book), joined(regions)))
    return table(("Variable", "Holds", "Set in"), rows)


def _credentials(deployment: Deployment, book: DeployedAddresses) -> Md:
    """The users of our programs as `nsc` makes them, each with what it needs; nothing where passwords are used."""
    if not book.account_key:
        return Md("")
    clusters, domain = deployment.clusters, deployment.clusters[0].domain
    programs: list[tuple[Login, NatsRights | None]] = [
        (book.operator, None),
        (book.leaf, None),
        (book.backup, backup_rights(domain)),
        (book.agent, agent_rights(clusters)),
        (book.archive, archive_rights(domain)),
    ]
    lines = []
    for login, rights in programs:
        allowed = f" {' '.join(_allowed(rights))}" if rights else ""
        lines.append(f'nsc add user --account "$ACCOUNT_NAME" {login.user}{allowed}')
        lines.append(f'nsc generate creds --account "$ACCOUNT_NAME" --name {login.user} > {login.user}.creds')
    return fence(lines)


def _allowed(rights: NatsRights) -> Iterator[str]:
    for flag, subjects in (("--allow-pub", rights.publish), ("--allow-sub", rights.subscribe)):
        yield f"{flag} {word(','.join(subjects))}"


def _url(name: str, region: str, servers: Sequence[NatsServer], book: DeployedAddresses) -> Md:
    return code(book.url_of(name, region, servers, lambda _: "PASSWORD") or "")
