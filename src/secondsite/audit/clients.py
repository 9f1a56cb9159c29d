"""Hazards of NATS clients: how long they hold on to a dead region, and what they do when they let go.

A setting that is None was read nowhere: libraries and what is written in code differ, so nothing is said of it but that
it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited, listed, rto_below
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.fault import INSIDE_REGION, LOSES_REGION, Fault
from secondsite.model.hazard import Severity
from secondsite.model.place import Place
from secondsite.model.service import NatsClient, Role, Service
from secondsite.model.wording import duration

MEASURED = "nats-py 2.16 on nats-server 2.15.1, measured 2026-11"
DEFAULT_PINGS = 2
PING_AT_MOST_S = 5.0
SERVED = (Subject.API, Subject.NATS)
PUBLISH_CUT = LOSES_REGION | INSIDE_REGION | {Fault.WAN_PARTITION, Fault.GRAY}


def _clients(audited: Audited) -> Iterator[tuple[Service, NatsClient]]:
    return ((service, service.nats_client) for service in audited.system.services if service.nats_client)


def _lasting(audited: Audited) -> Iterator[tuple[Service, NatsClient]]:
    """A job ends before its connection matters, and is started anew."""
    return (pair for pair in _clients(audited) if pair[0].kind not in ("CronJob", "Job"))


def _place(audited: Audited, service: Service, setting: str) -> Place | None:
    """Where a setting is left to the default: at the list of servers, which names the client."""
    path = f"services.{service.name}.nats_client"
    return None if f"{path}.{setting}" in audited.system.marks else audited.system.place(f"{path}.servers")


@rule(
    id="client-ping-interval",
    severity=Severity.MEDIUM,
    title="Clients that notice a frozen server late",
    why="A server that hangs keeps its connections, and only missed pings end them.",
    source=f"{MEASURED}: 362 s with the defaults, 8 s with 2 s × 2",
    remedy="Set ping_interval to 5 s or less and max_outstanding_pings to 2.",
)
def client_ping_interval(audited: Audited) -> Iterator[Finding]:
    for service, client in _lasting(audited):
        interval_s = client.ping_interval_s
        if interval_s is None:
            continue
        pings = DEFAULT_PINGS if client.max_outstanding_pings is None else client.max_outstanding_pings
        notices_s = interval_s * (pings + 1)
        if interval_s > PING_AT_MOST_S:
            yield Finding(
                f"services.{service.name}.nats_client.ping_interval",
                f"{service.name} pings every {duration(interval_s)}, leaves a frozen server after "
                f"{duration(notices_s)}",
                audited.endangered(SERVED, LOSES_REGION | {Fault.NODE, Fault.GRAY}, rto_below(notices_s)),
                _place(audited, service, "ping_interval"),
            )


@rule(
    id="client-finite-reconnects",
    severity=Severity.HIGH,
    title="Clients that give up",
    why="After the last attempt the client is closed for ever, and the service needs a restart that nobody planned.",
    source=f"{MEASURED}; the default is 60 attempts",
    remedy="Set max_reconnect_attempts to -1.",
)
def client_finite_reconnects(audited: Audited) -> Iterator[Finding]:
    for service, client in _lasting(audited):
        attempts = client.max_reconnects
        if attempts is not None and attempts >= 0:
            yield Finding(
                f"services.{service.name}.nats_client.max_reconnects",
                f"{service.name} gives up for good after {attempts} reconnects",
                audited.endangered(SERVED, LOSES_REGION | {Fault.NODE, Fault.ZONE}),
                _place(audited, service, "max_reconnects"),
            )


@rule(
    id="client-random-servers",
    severity=Severity.MEDIUM,
    title="Clients that choose a region at random",
    why="A server list that is shuffled has half the clients publish through the far region.",
    source=f"{MEASURED}: 31 of 60 clients in the far region",
    remedy="Set dont_randomize and list the near servers first.",
)
def client_random_servers(audited: Audited) -> Iterator[Finding]:
    for service, client in _lasting(audited):
        regions = _regions_reached(audited, client)
        if client.randomize and len(regions) > 1:
            yield Finding(
                f"services.{service.name}.nats_client.randomize",
                f"{service.name} picks among servers in {', '.join(regions)} at random",
                audited.endangered(SERVED, LOSES_REGION | {Fault.WAN_PARTITION}),
                _place(audited, service, "randomize"),
            )


def _regions_reached(audited: Audited, client: NatsClient) -> list[str]:
    """Regions of the clusters that the server list names; a stretched cluster names all of its own."""
    hosts = [server.split("://")[-1].split("@")[-1].split(":")[0] for server in client.servers]
    reached: dict[str, None] = {}
    for cluster in audited.clusters:
        names = {cluster.name, cluster.service} - {""}
        if any(names & set(host.split(".")) for host in hosts):
            reached[audited.region_of(cluster)] = None
    return list(reached)


@rule(
    id="client-no-message-ids",
    severity=Severity.MEDIUM,
    title="Publishing without message ids",
    why="A publish that timed out is unknown, not failed; without an id its retry cannot be told from a new message.",
    source=f"{MEASURED}: 0 duplicates of 80,846 with ids",
    remedy="Send a Nats-Msg-Id that the retry repeats.",
)
def client_no_message_ids(audited: Audited) -> Iterator[Finding]:
    for service, client in _clients(audited):
        if client.message_ids is False and service.role is not Role.BACKUP:
            yield Finding(
                f"services.{service.name}.nats_client.message_ids",
                f"{service.name} publishes without message ids: a retry of an unanswered publish may be stored twice",
                audited.endangered(SERVED, PUBLISH_CUT),
                _place(audited, service, "message_ids"),
            )


@rule(
    id="client-settings-unknown",
    severity=Severity.LOW,
    title="A client whose settings are not known",
    why="Defaults differ between libraries, and code may set what no manifest shows: how it goes through a failover is "
    "unknown.",
    source=f"{MEASURED}: 362 s on a frozen server with the defaults, 8 s with pings every 2 s",
    remedy="Read them in its code and write them under `nats_client`.",
)
def client_settings_unknown(audited: Audited) -> Iterator[Finding]:
    for service, client in _clients(audited):
        unread = _unread(audited, service, client)
        if unread:
            yield Finding(
                f"services.{service.name}.nats_client",
                f"not known of {service.name}: {listed(unread)}",
                audited.endangered(SERVED, PUBLISH_CUT),
                audited.system.place(f"services.{service.name}.nats_client.servers"),
            )


def _unread(audited: Audited, service: Service, client: NatsClient) -> list[str]:
    """What matters of this client and is not known: a job's connection does not last, and a backup only reads."""
    lasting = service.kind not in ("CronJob", "Job")
    asked = {
        "ping_interval": lasting and client.ping_interval_s is None,
        "max_reconnects": lasting and client.max_reconnects is None,
        "randomize": lasting and client.randomize is None and len(_regions_reached(audited, client)) > 1,
        "message_ids": client.message_ids is None and service.role is not Role.BACKUP,
    }
    return [setting for setting, unknown in asked.items() if unknown]
