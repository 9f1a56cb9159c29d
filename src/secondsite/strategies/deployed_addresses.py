"""Where the servers of a real deployment are: names that Kubernetes gives inside a region, and a domain's between them.

Nothing secret is in here: whatever has a login in it is a variable that the server reads from its environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from attrs import frozen

from secondsite.model.errors import InputError
from secondsite.model.nats import NatsCluster
from secondsite.model.service import Service
from secondsite.strategies.nats_grammar import Variable
from secondsite.strategies.server_config import (
    LEAF_PORT,
    ROUTE_PORT,
    Certificates,
    Login,
    NatsServer,
    leaf_url,
    plain_label,
    route_url,
)

STORE = "/data"
"""As in NATS's Helm chart. The server makes a folder ``jetstream`` in it."""
CERTIFICATES = Certificates("/etc/nats-tls/tls.crt", "/etc/nats-tls/tls.key", "/etc/nats-tls/ca.crt")
"""The names of the files in a Secret of type kubernetes.io/tls, and the authority's beside them."""
CREDENTIALS_SECRET = "nats-creds"  # noqa: S105 # its name
"""In operator mode the Secret with a file ``USER.creds`` for each of our programs, and ``leaf.creds``."""

_ANY = "0.0.0.0"  # noqa: S104 # a pod has one address, which it does not know beforehand
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")


@frozen
class DeployedAddresses:
    """``domain`` is the one under which each server is known in other regions, as POD.REGION.DOMAIN.

    ``running`` are the names of the clusters that run today: what their servers call them stays.
    """

    services: tuple[Service, ...] = ()
    domain: str = ""
    running: tuple[str, ...] = ()
    application: Login = Login("app", Variable("$NATS_APP_PASSWORD"))
    application_subjects: tuple[str, ...] = ()
    account_key: str = ""
    operator: Login = Login("operator", Variable("$NATS_OPERATOR_PASSWORD"))
    backup: Login = Login("backup", Variable("$NATS_BACKUP_PASSWORD"))
    agent: Login = Login("agent", Variable("$NATS_AGENT_PASSWORD"))
    archive: Login = Login("archive", Variable("$NATS_ARCHIVE_PASSWORD"))
    gate: Login = Login("gate", Variable("$NATS_GATE_PASSWORD"))
    system: Login = Login("sys", Variable("$NATS_SYS_PASSWORD"))
    leaf: Login = Login("leaf", Variable("$NATS_LEAF_PASSWORD"))
    routes: Login = Login("route", Variable("$NATS_ROUTE_PASSWORD"))
    gateways: Login = Login("gateway", Variable("$NATS_GATEWAY_PASSWORD"))
    certificates: Certificates | None = CERTIFICATES

    def known_as(self, cluster: NatsCluster) -> str:
        """A running cluster keeps its name, unless gateways and placements go by the one of the plan."""
        kept = cluster.name in self.running and not cluster.gateways
        return cluster.cluster_name if kept and cluster.cluster_name else cluster.name

    def at(self, host: str, port: int, /) -> str:
        return f"{host}:{port}"

    def listen(self, _server: NatsServer, /) -> str:
        return _ANY

    def inside(self, server: NatsServer) -> str:
        """Short, and good within its namespace, where the namespace is not known."""
        namespace = self.namespace(server.cluster)
        rest = f".{namespace}.svc.cluster.local" if namespace else ""
        return f"{self.pod(server)}.{server.cluster.headless or self.workload(server.cluster)}{rest}"

    def reached_from(self, region: str, server: NatsServer) -> str:
        """Raises InputError where there is no domain, or none that a name can be made of."""
        if not self.domain:
            what = f"servers in {region} have to reach those in {server.region}, and no domain is given for their names"
            raise InputError.at(
                "--domain", what, "give a domain whose records you can write: --domain nats.example.com"
            )
        host = f"{self.label(server.cluster)}-{server.ordinal}.{server.region}.{self.domain}"
        if not _HOST.fullmatch(host):
            raise InputError.at("--domain", f"{host!r} is not a host name", "give one such as nats.example.com")
        return host

    def reached(self, region: str, server: NatsServer) -> str:
        """The host at which servers of ``region``, whichever it is, reach this server."""
        return self.inside(server) if server.region == region else self.reached_from(region, server)

    def gossip(self, server: NatsServer) -> str:
        return self.reached_from("other regions", server)

    def leaf_url(self, server: NatsServer, host: str, /) -> str:
        """A variable cannot be a part of a value: the whole URL is one. With credentials files there is none in it."""
        return f"nats-leaf://{host}:{LEAF_PORT}" if self.account_key else leaf_variable(server)

    def route_url(self, server: NatsServer, _host: str, /) -> str:
        """As of leaf nodes."""
        return route_variable(server)

    def url_of(
        self, variable: str, region: str, servers: Sequence[NatsServer], shown: Callable[[str], str]
    ) -> str | None:
        """What a variable holds in that region, with the password's variable as it is ``shown``; None for no URL."""
        for login, named, url, port in (
            (self.leaf, leaf_variable, leaf_url, LEAF_PORT),
            (self.routes, route_variable, route_url, ROUTE_PORT),
        ):
            dialled = next((each for each in servers if named(each) == variable), None)
            if dialled is not None:
                return url(Login(login.user, shown(login.password)), self.at(self.reached(region, dialled), port))
        return None

    def store(self, server: NatsServer) -> str:
        return server.cluster.store_dir or STORE

    def workload(self, cluster: NatsCluster) -> str:
        """The StatefulSet, and the headless Service before it where no other is known."""
        known = self._service(cluster)
        return known.object_name if known else cluster.service or cluster.name

    def label(self, cluster: NatsCluster) -> str:
        """Its own in the system, as a part of a path or a host: two namespaces may have workloads of one name."""
        return plain_label(cluster.service or cluster.name)

    def config_map(self, cluster: NatsCluster) -> str:
        return f"{self.workload(cluster)}-servers"

    def pod(self, server: NatsServer) -> str:
        return f"{self.workload(server.cluster)}-{server.ordinal}"

    def namespace(self, cluster: NatsCluster) -> str:
        """Empty where it is not known."""
        known = self._service(cluster)
        return known.namespace if known else ""

    def _service(self, cluster: NatsCluster) -> Service | None:
        return next((service for service in self.services if service.name == cluster.service), None)


def leaf_variable(server: NatsServer) -> Variable:
    return Variable(f"$NATS_LEAF_URL_{_upper(server.name)}")


def route_variable(server: NatsServer) -> Variable:
    return Variable(f"$NATS_ROUTE_URL_{_upper(server.name)}")


def _upper(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def variables(text: str) -> tuple[str, ...]:
    """What a configuration takes from its environment, each ``$NAME`` once."""
    return tuple(dict.fromkeys(re.findall(r"(?m)(?<=\s)\$[A-Z][A-Z0-9_]*$", text)))
