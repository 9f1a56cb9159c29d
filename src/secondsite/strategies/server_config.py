"""The nats.conf of every server of a Deployment: what the lab starts is, word for word, what is rendered to deploy.

Addresses, folders, logins and certificates come from an ``AddressBook``, so that the text differs between the lab and
a real deployment in nothing else. A server reaches another region only at the address its own region knows it by, and
tells nobody another one: gossip cannot open a way that the configuration does not name.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, Protocol

from attrs import asdict, frozen

from secondsite.model.deployment import Deployment
from secondsite.model.nats import LeafLink, NatsCluster
from secondsite.strategies.nats_grammar import INCLUDE, Conf, nats_conf
from secondsite.strategies.rights import (
    agent_rights,
    application_rights,
    archive_rights,
    backup_rights,
    gate_rights,
    reload_rights,
)
from secondsite.strategies.write_gate import gate_file, gated_subjects, leased

CLIENT_PORT = 4222
ROUTE_PORT = 6222
GATEWAY_PORT = 7222
LEAF_PORT = 7422
MONITOR_PORT = 8222

CREDENTIALS = "/etc/nats-creds"
"""Where a server or a program finds its credentials file, in operator mode."""
LEAF_CREDENTIALS = f"{CREDENTIALS}/leaf.creds"
ACCOUNT = "APP"
SYSTEM_ACCOUNT = "SYS"


@frozen
class Login:
    user: str
    password: str


@frozen
class Certificates:
    """Paths on the server's machine."""

    cert_file: str
    key_file: str
    ca_file: str


@frozen
class NatsServer:
    """One nats-server process. ``number`` counts from 0 within the region, over all of its clusters; ``ordinal`` within
    the part of its cluster that is in the region."""

    name: str
    region: str
    number: int
    ordinal: int
    cluster: NatsCluster


class AddressBook(Protocol):
    """Where servers are, where their files lie and who may log in."""

    @property
    def application(self) -> Login:
        """A client of the streams."""
        ...

    @property
    def application_subjects(self) -> tuple[str, ...]:
        """What it publishes and hears beside the streams."""
        ...

    @property
    def account_key(self) -> str:
        """The public key of the account that holds the streams, where accounts come from an operator's JWTs; else
        empty."""
        ...

    @property
    def operator(self) -> Login:
        """Of the application's account, with all of its rights whatever the write gate says: it fences and promotes."""
        ...

    @property
    def backup(self) -> Login:
        """Reads every stream of the application's account, and does nothing else there."""
        ...

    @property
    def agent(self) -> Login:
        """Looks at what is mirrored, and writes consumers' positions down."""
        ...

    @property
    def archive(self) -> Login:
        """Reads every stream of the application's account, message by message."""
        ...

    @property
    def gate(self) -> Login:
        """Looks at what is mirrored, and keeps the lease; the same name and password with ``-system`` behind the name
        has servers read their configuration anew."""
        ...

    @property
    def system(self) -> Login: ...

    @property
    def leaf(self) -> Login: ...

    @property
    def routes(self) -> Login:
        """What the servers of a cluster log in to each other with: who has it not may not join."""
        ...

    @property
    def gateways(self) -> Login:
        """The same between clusters. One for all: a server logs in with its own to those that gossip tells it of."""
        ...

    @property
    def certificates(self) -> Certificates | None:
        """For links that ask for TLS; None where no link has any."""
        ...

    def known_as(self, cluster: NatsCluster) -> str:
        """The name of the cluster in its servers' configuration."""
        ...

    def at(self, host: str, port: int, /) -> str:
        """HOST:PORT as servers listen there and dial it."""
        ...

    def listen(self, server: NatsServer, /) -> str:
        """The host that the server listens on."""
        ...

    def inside(self, server: NatsServer) -> str:
        """The host at which servers of its own region reach it."""
        ...

    def reached_from(self, region: str, server: NatsServer) -> str:
        """The host at which servers of ``region`` reach this server."""
        ...

    def gossip(self, server: NatsServer) -> str:
        """The host that servers of other regions are told by gossip."""
        ...

    def leaf_url(self, server: NatsServer, host: str, /) -> str:
        """With the login in it: what dials the server there as a leaf node."""
        ...

    def route_url(self, server: NatsServer, host: str, /) -> str:
        """With the login in it: what a server of the same cluster dials."""
        ...

    def store(self, server: NatsServer) -> str:
        """The JetStream folder."""
        ...


def servers_of(deployment: Deployment) -> tuple[NatsServer, ...]:
    """All servers, in the order of the clusters; one that shares its cluster's name over regions carries its region."""
    names = [cluster.name for cluster in deployment.clusters]
    numbers: dict[str, count[int]] = {}
    servers = []
    for cluster in deployment.clusters:
        region = cluster.region or deployment.primary.region.name
        label = plain_label(f"{cluster.name}-{region}" if names.count(cluster.name) > 1 else cluster.name)
        counter = numbers.setdefault(region, count())
        servers += [
            NatsServer(f"{label}-{each}", region, next(counter), each, cluster) for each in range(cluster.servers)
        ]
    return tuple(servers)


def plain_label(name: str) -> str:
    """``production/nats``, as what is called alike in two namespaces is told apart, as a part of a host or a path."""
    return name.replace("/", "-")


def server_configs(
    deployment: Deployment, book: AddressBook, *, isolated: frozenset[str] = frozenset()
) -> dict[str, str]:
    """nats.conf by server name. ``isolated`` regions get no leaf, no gateway and no route to another region."""
    servers = servers_of(deployment)
    gated = frozenset(server.region for server in servers if gated_subjects(deployment, server.region))
    held = bool(leased(deployment))
    return {
        server.name: nats_conf(_Config(servers, book, isolated, gated, leased=held).of(server)) for server in servers
    }


@frozen
class _Config:
    servers: tuple[NatsServer, ...]
    book: AddressBook
    isolated: frozenset[str]
    gated: frozenset[str]
    leased: bool

    def of(self, server: NatsServer) -> Conf:
        cluster, host = server.cluster, self.book.listen(server)
        parts: dict[str, Any] = {
            "server_name": server.name,
            "listen": self.book.at(host, CLIENT_PORT),
            "http": self.book.at(host, MONITOR_PORT),
            "server_tags": [f"region:{server.region}"],
            **self._logins(server),
        }
        if cluster.jetstream:
            parts["jetstream"] = self._jetstream(server)
        if self._routed(server):
            parts["cluster"] = self._routes(server, host)
        if cluster.gateways and not self._cut_off(server):
            parts["gateway"] = self._gateway(server, host)
        leafnodes = {} if self._cut_off(server) else self._leafnodes(server, host)
        return parts | ({"leafnodes": leafnodes} if leafnodes else {})

    def _logins(self, server: NatsServer) -> Conf:
        """In operator mode what its own configuration says; users and passwords would lock every client out."""
        if self.book.account_key and server.cluster.operator:
            return {**server.cluster.trust.whole(), "system_account": server.cluster.system_account}
        return {"accounts": self._accounts(server), "system_account": SYSTEM_ACCOUNT}

    def _accounts(self, server: NatsServer) -> Conf:
        leaf = {**_user(self.book.leaf), "allowed_connection_types": ["LEAFNODE"]}
        users = [self._application(server), _user(self.book.operator), leaf, *self._programs(server)]
        system = [_user(self.book.system)]
        if server.region in self.gated:
            system.append({**_user(gate_system(self.book.gate)), "permissions": reload_rights().conf()})
        return {ACCOUNT: {"jetstream": "enabled", "users": users}, SYSTEM_ACCOUNT: {"users": system}}

    def _application(self, server: NatsServer) -> Conf:
        """What it may publish ends with what the gate denies it for a time."""
        rights = application_rights(self._clusters, server.cluster.domain, self.book.application_subjects).conf()
        if server.region in self.gated:
            rights = {**rights, "publish": {**rights["publish"], INCLUDE: gate_file(server.region)}}
        return {**_user(self.book.application), "permissions": rights}

    def _programs(self, server: NatsServer) -> Iterator[Conf]:
        """Logins of our own programs, with what they need and no more."""
        domain = server.cluster.domain
        yield {**_user(self.book.backup), "permissions": backup_rights(domain).conf()}
        yield {**_user(self.book.archive), "permissions": archive_rights(domain).conf()}
        yield {**_user(self.book.agent), "permissions": agent_rights(self._clusters).conf()}
        if server.region in self.gated:
            rights = gate_rights(self._clusters, server.region, leased=self.leased)
            yield {**_user(self.book.gate), "permissions": rights.conf()}

    @property
    def _clusters(self) -> tuple[NatsCluster, ...]:
        return tuple({id(other.cluster): other.cluster for other in self.servers}.values())

    def _cut_off(self, server: NatsServer) -> bool:
        return server.region in self.isolated

    def _jetstream(self, server: NatsServer) -> Conf:
        cluster = server.cluster
        sync = cluster.sync_interval_s
        parts: dict[str, Any] = {"store_dir": self.book.store(server)}
        if cluster.domain:
            parts["domain"] = cluster.domain
        if cluster.max_file_bytes is not None:
            parts["max_file_store"] = cluster.max_file_bytes
        if cluster.max_memory_bytes is not None:
            parts["max_memory_store"] = cluster.max_memory_bytes
        return parts | {"sync_interval": f"{sync:g}s" if sync else "always"}

    def _peers(self, server: NatsServer) -> list[NatsServer]:
        """The servers of the same cluster, itself too; in its own region only where it is cut off."""
        alike = [other for other in self.servers if other.cluster.name == server.cluster.name]
        return [other for other in alike if not self._cut_off(server) or other.region == server.region]

    def _routed(self, server: NatsServer) -> bool:
        """A gateway region of one server needs a route to itself, or the server exits (nats-server 2.15.1)."""
        whole = [other for other in self.servers if other.cluster.name == server.cluster.name]
        return len(whole) > 1 or bool(server.cluster.gateways)

    def _routes(self, server: NatsServer, host: str) -> Conf:
        """Every server of the region, itself too: a new JetStream group counts routes and gateway URLs to know how
        many votes it needs, and with itself left out one region of two elects a leader of its own (2.10)."""
        peers = self._peers(server)
        dialled = [peer for peer in peers if self._dials(server, peer)]
        parts: dict[str, Any] = {"name": self.book.known_as(server.cluster), "listen": self.book.at(host, ROUTE_PORT)}
        if any(peer.region != server.region for peer in peers):
            parts |= {"advertise": self.book.at(self.book.gossip(server), ROUTE_PORT), "no_advertise": True}
        parts |= self._tls(asked=server.cluster.route_tls)
        routes = [self.book.route_url(peer, self._host(server, peer)) for peer in dialled]
        return parts | {"authorization": _user(self.book.routes), "routes": routes}

    def _dials(self, server: NatsServer, peer: NatsServer) -> bool:
        """Of two servers in two regions one dials the other.

        Where both dial over a long way, each closes the other's connection as a duplicate, over and over: with three
        regions 60 to 80 ms apart a cluster formed after 5 to 12 s, or not within a minute (nats-server 2.15.1).
        """
        if peer.region == server.region:
            return True
        return self.servers.index(peer) < self.servers.index(server)

    def _gateway(self, server: NatsServer, host: str) -> Conf:
        wanted = [link.cluster for link in server.cluster.gateways]
        remotes = [
            {"name": name, "urls": [f"nats://{self.book.at(each, GATEWAY_PORT)}" for each in self._hosts(server, name)]}
            for name in wanted
        ]
        return {
            "name": server.cluster.name,
            "listen": self.book.at(host, GATEWAY_PORT),
            "advertise": self.book.at(self.book.gossip(server), GATEWAY_PORT),
            "reject_unknown_cluster": server.cluster.reject_unknown_gateways,
            **self._tls(asked=any(link.tls for link in server.cluster.gateways)),
            "authorization": _user(self.book.gateways),
            "gateways": remotes,
        }

    def _leafnodes(self, server: NatsServer, host: str) -> Conf:
        """A listener where another cluster dials this one, remotes where this one dials."""
        cluster = server.cluster
        dialling = [link for other in self.servers for link in other.cluster.leaves if link.cluster == cluster.name]
        parts: dict[str, Any] = {"listen": self.book.at(host, LEAF_PORT), "no_advertise": True} if dialling else {}
        parts |= self._tls(asked=any(link.tls for link in dialling))
        if not cluster.leaves:
            return parts
        return parts | {"reconnect": "1s", "remotes": [self._remote(server, link) for link in cluster.leaves]}

    def _remote(self, server: NatsServer, link: LeafLink) -> Conf:
        hubs = [other for other in self.servers if other.cluster.name == link.cluster]
        urls = [self.book.leaf_url(hub, self._host(server, hub)) for hub in hubs]
        remote: dict[str, Any] = {"urls": urls, "account": self.book.account_key or ACCOUNT}
        if self.book.account_key:
            remote["credentials"] = LEAF_CREDENTIALS
        if link.tls and self.book.certificates:
            remote["tls"] = {"ca_file": self.book.certificates.ca_file}
        if link.deny_imports:
            remote["deny_imports"] = link.deny_imports
        if link.deny_exports:
            remote["deny_exports"] = link.deny_exports
        return remote

    def _tls(self, *, asked: bool) -> Conf:
        """Routes and gateways with it check each other's certificate, in both directions."""
        return {"tls": asdict(self.book.certificates)} if asked and self.book.certificates else {}

    def _hosts(self, server: NatsServer, cluster: str) -> list[str]:
        return [self._host(server, other) for other in self.servers if other.cluster.name == cluster]

    def _host(self, server: NatsServer, other: NatsServer) -> str:
        return (
            self.book.inside(other) if other.region == server.region else self.book.reached_from(server.region, other)
        )


def _user(login: Login) -> Conf:
    return {"user": login.user, "password": login.password}


def gate_system(gate: Login) -> Login:
    """Of the same gate, in the system account."""
    return Login(f"{gate.user}-system", gate.password)


def leaf_url(login: Login, at: str) -> str:
    return f"nats-leaf://{login.user}:{login.password}@{at}"


def route_url(login: Login, at: str) -> str:
    return f"nats://{login.user}:{login.password}@{at}"
