"""``architecture-current.md``: what runs today, what fails alone, what is saved, and where each was read."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.model.backup import Backup, Content
from secondsite.model.gateway import Gateway
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.mark import Knowledge
from secondsite.model.nats import Stream
from secondsite.model.service import Role, Service, Spreading
from secondsite.model.store import CopiesToday, Loss, Store
from secondsite.model.system import System
from secondsite.model.units import format_bytes
from secondsite.model.wording import counted, number
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.single_points import SinglePoint, single_points
from secondsite.publish.text.markdown import Md, bullets, code, joined, prose, strong, table, text
from secondsite.publish.text.mermaid import Edge, Node, flowchart
from secondsite.publish.text.nonbreaking import duration
from secondsite.publish.text.templates import render

NAME = "architecture-current.md"
_HOLDS_DATA = frozenset({Content.MESSAGES, Content.DATA, Content.VOLUMES})
_SPREAD = {Spreading.NONE: "may share", Spreading.PREFERRED: "preferred", Spreading.REQUIRED: "required"}
_SHOWN = 6


def document(inputs: Inputs) -> str:
    system = inputs.system
    points = single_points(system)
    return render(
        "architecture-current.md.j2",
        system=system,
        summary=_summary(inputs, points),
        diagram=_diagram(system, points),
        services=_services(inputs),
        streams=_streams(inputs),
        consumers=_consumers(inputs),
        clusters=_clusters(inputs),
        stores=_stores(inputs),
        secrets=_secrets(inputs),
        edge=_edge(inputs),
        single_points=_single_points(inputs, points),
        saved=_saved(inputs),
        backups=_backups(inputs),
        hazards=_hazards(inputs),
        assumptions=_assumptions(inputs),
    )


def _summary(inputs: Inputs, points: tuple[SinglePoint, ...]) -> Md:
    system = inputs.system
    streams = [stream for cluster in system.nats for stream in cluster.streams]
    data = [store.name for store in system.stores if store.loss is Loss.DATA]
    safe = [name for name, _, backup, _ in _holders(inputs) if backup is not None and _survives_region(backup)]
    counts = {severity: sum(h.severity is severity and not h.waived for h in inputs.hazards) for severity in Severity}
    return Md(
        f"{text(system.name)} runs {counted(len(system.services), 'workloads')}, {counted(len(streams), 'streams')} "
        f"and {counted(len(data), 'data stores')} in one region, {code(system.region.name)} "
        f"({text(system.region.provider)}). If it is lost, "
        + (f"copies of {joined(map(code, safe))} survive" if safe else "**no copy of any stream or store survives**")
        + f". {len(points) - 1} parts fail alone inside the region. The audit counts "
        + joined(f"{counts[severity]} {severity}" for severity in Severity)
        + " hazards."
    )


def _diagram(system: System, points: tuple[SinglePoint, ...]) -> Md:
    lone = {point.what for point in points}
    nodes = [Node("users", ("users",), "round")]
    if system.traffic.host:
        nodes.append(Node("dns", (f"DNS {system.traffic.host}", f"TTL {duration(system.traffic.ttl_s)}"), "round"))
    for service in system.services:
        shape = "store" if service.stateful else "box"
        kind = "lone" if service.name in lone else ""
        many = "on schedule" if service.kind == "CronJob" else f"× {service.replicas}"
        lines = (service.name, f"{service.role} {many}")
        nodes.append(Node(f"s:{service.name}", lines, shape, service.namespace, kind))
    return flowchart(nodes, tuple(_edges(system)))


def _edges(system: System) -> Iterator[Edge]:
    entry = "dns" if system.traffic.host else "users"
    if system.traffic.host:
        yield Edge("users", "dns")
    for gateway in system.gateways:
        yield Edge(entry, f"s:{gateway.service or gateway.name}")
        for target in gateway.routes_to:
            yield Edge(f"s:{gateway.service or gateway.name}", f"s:{target}")
    if not system.gateways:
        for service in system.with_role(Role.API):
            yield Edge(entry, f"s:{service.name}")
    for service in system.services:
        for target in service.depends_on:
            yield Edge(f"s:{service.name}", f"s:{target}", dashed=service.role is Role.BACKUP)


def _services(inputs: Inputs) -> Md:
    rows = [
        (
            code(service.name),
            service.role,
            code(service.namespace),
            _replicas(service),
            _SPREAD[service.spread_nodes] if service.replicas > 1 else "–",
            _SPREAD[service.spread_zones] if service.replicas > 1 else "–",
            joined(map(str, service.ports)) or "–",
            code(service.tag),
            inputs.at(f"services.{service.name}"),
        )
        for service in inputs.system.services
    ]
    head = (
        "Workload",
        "Role",
        "Namespace",
        "Replicas",
        "Apart by node",
        "Apart by zone",
        "Ports",
        "Image tag",
        "Read from",
    )
    return table(head, rows)


def _replicas(service: Service) -> str:
    if service.kind in ("CronJob", "Job"):
        return "on schedule"
    scale = service.autoscale
    return f"{scale.min_replicas} to {scale.max_replicas}" if scale else str(service.replicas)


def _clusters(inputs: Inputs) -> Md:
    rows = [
        (
            code(cluster.name),
            str(cluster.servers),
            code(cluster.version) or "unknown",
            duration(cluster.sync_interval_s) if cluster.sync_interval_s else "always",
            "yes" if cluster.route_tls else "no",
            joined(map(code, cluster.accounts)) or "–",
            format_bytes(cluster.max_file_bytes) if cluster.max_file_bytes else "unknown",
            inputs.at(f"nats.{cluster.name}.servers"),
        )
        for cluster in inputs.system.nats
    ]
    head = (
        "Cluster",
        "Servers\t",
        "Version",
        "Synced to disk every",
        "TLS on routes",
        "Accounts",
        "File store",
        "Read from",
    )
    return table(head, rows) if rows else Md("")


def _streams(inputs: Inputs) -> Md:
    rows = [
        (
            code(stream.name),
            joined(map(code, stream.subjects)) or "none",
            stream.retention,
            stream.storage,
            str(stream.replicas),
            _limits(stream),
            inputs.at(f"nats.{cluster.name}.streams.{stream.name}"),
        )
        for cluster in inputs.system.nats
        for stream in cluster.streams
    ]
    head = ("Stream", "Subjects", "Retention", "Storage", "Replicas\t", "Limits", "Read from")
    return table(head, rows) if rows else Md("")


def _limits(stream: Stream) -> str:
    limits = (
        "" if stream.max_age_s is None else duration(stream.max_age_s),
        "" if stream.max_bytes is None else format_bytes(stream.max_bytes),
        "" if stream.max_messages is None else f"{stream.max_messages:,} messages",
        "" if stream.max_messages_per_subject is None else f"{stream.max_messages_per_subject:,} a subject",
    )
    return ", ".join(filter(None, limits)) or "none"


def _consumers(inputs: Inputs) -> Md:
    rows = [
        (
            code(stream.name),
            code(consumer.name),
            consumer.ack_policy,
            "unlimited" if consumer.max_deliver < 0 else str(consumer.max_deliver),
            inputs.at(f"nats.{cluster.name}.streams.{stream.name}.consumers.{consumer.name}"),
        )
        for cluster in inputs.system.nats
        for stream in cluster.streams
        for consumer in stream.consumers
    ]
    return table(("Stream", "Durable consumer", "Acknowledges", "Deliveries\t", "Read from"), rows) if rows else Md("")


def _stores(inputs: Inputs) -> Md:
    """Who keeps copies stands there where somebody said so."""
    kept = any(store.replicated or (store.running and store.running.replicated) for store in inputs.system.stores)
    rows = [
        (
            code(store.name),
            store.engine,
            "gone for good" if store.loss is Loss.DATA else "refills itself",
            str(store.replicas),
            *((_copied_today(store),) if kept else ()),
            format_bytes(store.size_bytes) if store.size_bytes else "–",
            inputs.at(f"stores.{store.name}"),
        )
        for store in inputs.system.stores
    ]
    copies = ("Copies today",) if kept else ()
    head = ("Store", "Engine", "Lost data is", "Replicas\t", *copies, "Volume\t", "Read from")
    return table(head, rows) if rows else Md("")


def _copied_today(store: Store) -> str:
    """As its server says, else as manifests do."""
    by = store.running.replicated if store.running and store.running.replicated else store.replicated
    who = {CopiesToday.OPERATOR: store.product or "an operator", CopiesToday.MANAGED: store.product or "its provider"}
    words = who.get(by, str(by)) if by else "–"
    return f"{words}, and {store.copy_elsewhere}" if store.copy_elsewhere else words


def _secrets(inputs: Inputs) -> Md:
    rows = [
        (
            code(secret.name),
            joined(map(code, secret.keys)),
            code(secret.store) or "this cluster only",
            joined(map(code, secret.regions)) or "–",
            inputs.at(f"secrets.{secret.name}"),
        )
        for secret in inputs.system.secrets
    ]
    return table(("Secret", "Keys", "Comes from", "Regions", "Read from"), rows) if rows else Md("")


def _edge(inputs: Inputs) -> Md:
    system, traffic, load = inputs.system, inputs.system.traffic, inputs.system.load
    facts: list[tuple[str, object, str]] = [
        ("Host", code(traffic.host) or "none", "traffic.host"),
        ("TTL", duration(traffic.ttl_s), "traffic.ttl"),
        ("Record changed by", "health checks" if traffic.automatic else "a person", "traffic.automatic"),
        ("Writes, mean", f"{number(load.mean_per_s)}/s", "load.mean_per_s"),
        ("Writes, peak", f"{number(load.peak_per_s)}/s", "load.peak_per_s"),
        ("Message", format_bytes(load.message_bytes), "load.message"),
    ]
    facts += [("Gateway", _gateway(gateway), f"gateways.{gateway.name}") for gateway in system.gateways]
    return table(("What", "Value", "Known from"), [(what, value, _known(inputs, path)) for what, value, path in facts])


def _gateway(gateway: Gateway) -> Md:
    hosts = f" for {joined(map(code, gateway.hosts))}" if gateway.hosts else ""
    login = f", which checks {code(gateway.authentication)}" if gateway.authentication else ""
    return Md(f"{code(gateway.name)}{hosts} to {joined(map(code, gateway.routes_to))}{login}")


def _known(inputs: Inputs, path: str) -> Md:
    mark = inputs.system.marks.get(path)
    if mark is not None and mark.origin is Knowledge.ASSUMED:
        return Md(f"~assumed: {text(mark.why)}")
    return inputs.at(path)


def _single_points(inputs: Inputs, points: tuple[SinglePoint, ...]) -> Md:
    return table(
        ("What fails alone", "Why", "Takes along", "Read from"),
        [(code(point.what), point.why, _some(point.takes_along), _known(inputs, point.path)) for point in points],
    )


def _some(names: tuple[str, ...]) -> Md:
    if not names:
        return Md("nothing else")
    shown = joined(map(code, names[:_SHOWN]))
    return Md(f"{shown} and {len(names) - _SHOWN} more") if len(names) > _SHOWN else shown


def _holders(inputs: Inputs) -> Iterator[tuple[str, str, Backup | None, str]]:
    """Name, kind, the best backup that saves what is in it, and where it stands."""
    system = inputs.system
    for cluster in system.nats:
        for stream in cluster.streams:
            owners = {cluster.name, cluster.service}
            best = _best([b for b in system.backups if owners & set(b.covers)])
            yield stream.name, "stream", best, f"nats.{cluster.name}.streams.{stream.name}"
    for store in system.stores:
        if store.loss is Loss.DATA:
            best = _best([b for b in system.backups if {store.name, store.service} & set(b.covers)])
            yield store.name, store.engine, best, f"stores.{store.name}"


def _best(backups: list[Backup]) -> Backup | None:
    holding = [backup for backup in backups if backup.content in _HOLDS_DATA]
    return max(holding, key=lambda b: (_survives_region(b), -b.interval_s), default=None)


def _survives_region(backup: Backup) -> bool:
    return str(backup.where) == "other-region"


def _saved(inputs: Inputs) -> Md:
    rows = [
        (
            code(name),
            kind,
            strong("no") if backup is None else code(backup.name),
            "–" if backup is None else duration(backup.interval_s),
            strong("no") if backup is None or not _survives_region(backup) else "yes",
            "–" if backup is None else "yes" if backup.restore_tested else strong("no"),
            inputs.at(path),
        )
        for name, kind, backup, path in _holders(inputs)
    ]
    head = ("Data", "Kind", "Saved by", "Every\t", "Survives the region", "Restore tried", "Read from")
    return table(head, rows) if rows else Md("")


def _backups(inputs: Inputs) -> Md:
    rows = [
        (
            code(backup.name),
            _some(backup.covers),
            backup.content,
            backup.where,
            duration(backup.interval_s),
            code(backup.destination),
            joined(_weaknesses(backup)) or "none found",
            inputs.at(f"backups.{backup.name}"),
        )
        for backup in inputs.system.backups
    ]
    head = ("Job", "Named for", "Really saves", "Lies in", "Every\t", "Destination", "Weak", "Read from")
    return table(head, rows) if rows else Md("")


def _weaknesses(backup: Backup) -> Iterator[str]:
    if backup.content not in _HOLDS_DATA:
        yield "holds no data"
    if backup.errors_swallowed:
        yield "errors ignored"
    if backup.optional_upload:
        yield "upload skipped without a credential"
    if not backup.restore_tested:
        yield "never restored"


def _hazards(inputs: Inputs) -> Md:
    worst = [h for h in inputs.hazards if h.severity in (Severity.FATAL, Severity.HIGH) and not h.waived]
    return bullets(_hazard(hazard, inputs) for hazard in worst)


def _hazard(hazard: Hazard, inputs: Inputs) -> Md:
    endangers = f" Endangers {joined(map(code, hazard.contract.split(', ')))}." if hazard.contract else ""
    where = inputs.place(hazard.place)
    return Md(f"{strong(hazard.severity)}: {prose(hazard.message)} ({where}).{endangers} {prose(hazard.remedy)}")


def _assumptions(inputs: Inputs) -> Md:
    assumptions = [(path, mark) for path, mark in inputs.system.marks.items() if mark.origin is Knowledge.ASSUMED]
    rows = [
        (code(path), mark.why, inputs.place(mark.place) if mark.place else inputs.at(path.partition(".")[0]))
        for path, mark in assumptions
    ]
    return table(("Value", "Why it was assumed", "Where it would stand"), rows) if rows else Md("")
