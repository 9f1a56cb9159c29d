"""Where everything in a lab stands: each region is a loopback network of its own, with the standard ports.

Block ``b`` holds the networks 127.(10b+1).0.0/24 to 127.(10b+9).0.0/24, one for each region, and what belongs to
no region in 127.(10b).0.0/16. Two labs never share a block. Servers of region ``i`` reach server ``j`` of region
``k`` only at 127.i.(100+k).(10+j), where the WAN process listens; so do the region's own pods, where it has some.
"""

from __future__ import annotations

from attrs import frozen

from secondsite.lab.one_address import MOST_REGIONS, dialled, is_shared
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.model.nats import NatsCluster
from secondsite.strategies.archiver import METRICS_PORT
from secondsite.strategies.server_config import (
    CLIENT_PORT,
    GATEWAY_PORT,
    LEAF_PORT,
    ROUTE_PORT,
    Certificates,
    Login,
    NatsServer,
    leaf_url,
    route_url,
)

BLOCKS = 20
"""Those of more addresses than one; see `one_address.py` for the others."""
BLOCK_SIZE = 10
WAN_PORTS = (ROUTE_PORT, GATEWAY_PORT, LEAF_PORT, CLIENT_PORT)
"""The last of them for who operates from another region."""
API_PORT = 8000
GATEWAY_HTTP_PORT = 8080
DNS_PORT = 5300
S3_PORT = 9000
COLLECTOR_PORT = 4318
PROMETHEUS_PORT = 9090
POSTGRES_PORT = 5432
REDIS_PORT = 6379
OBSERVER_PORT, WATCH_PORT = 8091, 8088


@frozen
class WanListener:
    """What a server of ``source`` dials to reach a server of ``target``; the WAN forwards it to ``to``."""

    source: str
    target: str
    at: Endpoint
    to: Endpoint


@frozen
class LabAddresses:
    """The address book of a lab. ``stores`` is the folder under which servers keep their data."""

    block: int
    regions: tuple[str, ...]
    stores: str
    application: Login = Login("app", "app")
    application_subjects: tuple[str, ...] = ()
    account_key: str = ""
    operator: Login = Login("operator", "operator")
    backup: Login = Login("backup", "backup")
    agent: Login = Login("agent", "agent")
    archive: Login = Login("archive", "archive")
    gate: Login = Login("gate", "gate")
    system: Login = Login("sys", "sys")
    leaf: Login = Login("leaf", "leaf")
    routes: Login = Login("route", "route")
    gateways: Login = Login("gateway", "gateway")
    certificates: Certificates | None = None

    def __attrs_post_init__(self) -> None:
        most = MOST_REGIONS if is_shared(self.block) else BLOCK_SIZE - 1
        if len(self.regions) > most:
            what = f"{len(self.regions)} regions do not fit a lab"
            raise MachineError.at("lab", what, f"lay out at most {most}")

    def network(self, region: str) -> str:
        """The first two numbers of the region's addresses."""
        return f"127.{self.block * BLOCK_SIZE + 1 + self.regions.index(region)}"

    @property
    def nowhere(self) -> str:
        return f"127.{self.block * BLOCK_SIZE}"

    def known_as(self, cluster: NatsCluster) -> str:
        return cluster.name

    def listen(self, server: NatsServer) -> str:
        return f"{self.network(server.region)}.0.{10 + server.number}"

    def inside(self, server: NatsServer) -> str:
        return self.listen(server)

    def reached_from(self, region: str, server: NatsServer) -> str:
        return f"{self.network(region)}.{101 + self.regions.index(server.region)}.{10 + server.number}"

    def gossip(self, server: NatsServer) -> str:
        """An address where nothing listens: it is refused at once, and the ways that are configured are taken."""
        return f"{self.network(server.region)}.0.9"

    def at(self, host: str, port: int) -> str:
        return str(dialled(host, port))

    def leaf_url(self, _server: NatsServer, host: str, /) -> str:
        return leaf_url(self.leaf, self.at(host, LEAF_PORT))

    def route_url(self, _server: NatsServer, host: str, /) -> str:
        return route_url(self.routes, self.at(host, ROUTE_PORT))

    def store(self, server: NatsServer) -> str:
        return f"{self.stores}/{server.name}/jetstream"

    def api(self, region: str) -> Endpoint:
        return dialled(f"{self.network(region)}.0.80", API_PORT)

    def address(self, region: str) -> str:
        """What the service's name leads to."""
        return f"{self.network(region)}.0.81"

    def gateway(self, region: str) -> Endpoint:
        return dialled(self.address(region), GATEWAY_HTTP_PORT)

    def api_pod(self, region: str, number: int, port: int = API_PORT) -> Endpoint:
        """Of one replica, counted from 1; its gateway is beside it."""
        return dialled(f"{self.network(region)}.0.{150 + number}", port)

    def database(self, region: str, number: int, port: int = POSTGRES_PORT) -> Endpoint:
        """Of one store, counted from 0."""
        return dialled(self.database_host(region, number), port)

    def database_host(self, region: str, number: int) -> str:
        return f"{self.network(region)}.0.{60 + number}"

    def database_reached_from(self, region: str, of: str, number: int, port: int = POSTGRES_PORT) -> Endpoint:
        """Where the WAN process listens in ``region`` for the store in ``of``."""
        return dialled(f"{self.network(region)}.{101 + self.regions.index(of)}.{60 + number}", port)

    def service_control(self, region: str) -> Endpoint:
        """Where the kubelet tells which pods are ready."""
        return dialled(f"{self.network(region)}.0.81", GATEWAY_HTTP_PORT + 1)

    def collector(self, region: str) -> Endpoint:
        return dialled(f"{self.network(region)}.0.90", COLLECTOR_PORT)

    def prometheus(self, region: str) -> Endpoint:
        return dialled(f"{self.network(region)}.0.92", PROMETHEUS_PORT)

    def api_reached_from(self, region: str, of: str) -> Endpoint:
        """Where the WAN process listens in ``region`` for the API in ``of``."""
        return dialled(f"{self.network(region)}.{101 + self.regions.index(of)}.80", API_PORT)

    @property
    def dns(self) -> Endpoint:
        return dialled(f"{self.nowhere}.53.1", DNS_PORT)

    @property
    def dns_control(self) -> Endpoint:
        return dialled(f"{self.nowhere}.53.1", DNS_PORT + 1)

    @property
    def resolver(self) -> Endpoint:
        return dialled(f"{self.nowhere}.53.2", DNS_PORT)

    @property
    def s3(self) -> Endpoint:
        return dialled(f"{self.nowhere}.54.1", S3_PORT)

    def s3_from(self, region: str, vault: str) -> Endpoint:
        """Where ``region`` reaches the store, as one that lies in ``vault``: through the WAN."""
        return dialled(f"{self.network(region)}.{101 + self.regions.index(vault)}.90", S3_PORT)

    def archiver_metrics(self, region: str) -> Endpoint:
        return dialled(f"{self.network(region)}.0.91", METRICS_PORT)

    def observer(self, region: str) -> Endpoint:
        """Of the watch; ``region`` empty for the one outside."""
        return dialled(f"{self.network(region)}.0.95" if region else f"{self.nowhere}.60.1", OBSERVER_PORT)

    @property
    def judge(self) -> Endpoint:
        return dialled(f"{self.nowhere}.60.2", WATCH_PORT)

    @property
    def wan_control(self) -> Endpoint:
        return dialled(f"{self.nowhere}.52.1", 5200)

    @property
    def claim(self) -> Endpoint:
        """Whoever holds this address holds the block."""
        return claim_of(self.block)

    def wan_listeners(self, servers: tuple[NatsServer, ...], *, pods: bool = False) -> tuple[WanListener, ...]:
        """One for every pair of a region and a server of another, on the ports that servers dial each other at.

        ``pods``: also one for each server where clients in its own region reach it, so that they can be cut off.
        """
        between = tuple(
            WanListener(
                region,
                server.region,
                dialled(self.reached_from(region, server), port),
                dialled(self.listen(server), port),
            )
            for region in self.regions
            for server in servers
            if server.region != region
            for port in WAN_PORTS
        )
        within = tuple(
            WanListener(
                pods_of(server.region),
                server.region,
                dialled(self.reached_from(server.region, server), CLIENT_PORT),
                dialled(self.listen(server), CLIENT_PORT),
            )
            for server in servers
        )
        return (*between, *within) if pods else between


def pods_of(region: str) -> str:
    """The name of one end of the link between a region's pods and its servers."""
    return f"{region}/pods"


def claim_of(block: int) -> Endpoint:
    return dialled(f"127.{block * BLOCK_SIZE}.0.1", 5399)
