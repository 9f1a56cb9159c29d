"""What strategies need first; each in one place, as several strategies need the same."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from secondsite.model.contract import Subject
from secondsite.model.deployment import Requirement
from secondsite.model.nats import NatsCluster
from secondsite.model.nats_release import CURRENT, Feature, Support, since, supports
from secondsite.model.service import Service
from secondsite.model.store import Loss
from secondsite.model.system import System
from secondsite.strategies.design import Kit


def without(clusters: Iterable[NatsCluster], feature: Feature) -> tuple[NatsCluster, ...]:
    """Those that are not known to have it: a plan does not hope."""
    return tuple(cluster for cluster in clusters if supports(cluster.version, feature) is not Support.YES)


def promotion(kit: Kit, feature: Feature = Feature.PROMOTION) -> tuple[Requirement, ...]:
    """Mirrors are promoted by updating the stream: refused below 2.12; lost meta quorum is rescued from 2.15."""
    behind = without(kit.system.nats, feature)
    if not behind:
        return ()
    versions = ", ".join(sorted({cluster.version or "unknown" for cluster in behind}))
    skipped = "the mirror cannot be promoted (400/10055): RTO unbounded"
    if feature is Feature.META_RESCUE:
        skipped += "; nor can the lost meta quorum be rescued (503/10008)"
    return (
        Requirement(
            "nats-upgrade",
            f"upgrade NATS {versions} to {CURRENT}",
            f"promotion by update needs {since(Feature.PROMOTION)}"
            + (f", rescue of the meta group {since(Feature.META_RESCUE)}" if feature is Feature.META_RESCUE else ""),
            kit.figures["work.upgrade"],
            "tried on nats-server 2.10.26, 2.11.11 (refused), 2.12.8, 2.14.6, 2.15.1 (done), 2026-11",
            skipped,
        ),
    )


def restorable(kit: Kit) -> tuple[Requirement, ...]:
    """An archive is brought back by servers that take a list of messages: from 2.15."""
    behind = without(kit.system.nats, Feature.MESSAGE_ARCHIVE)
    if not behind:
        return ()
    versions = ", ".join(sorted({cluster.version or "unknown" for cluster in behind}))
    return (
        Requirement(
            "nats-upgrade",
            f"upgrade NATS {versions} to {CURRENT}",
            f"an archive is brought back into servers from {since(Feature.MESSAGE_ARCHIVE)} on",
            kit.figures["work.upgrade"],
            "tried: nats-server 2.10.26 to 2.14.6 take only snapshots that their own kind wrote, 2026-11",
            "the archive is whole and no server of the second region takes it: RTO unbounded",
        ),
    )


def upgraded(system: System) -> System:
    """The system with every cluster on the current release, where it is older."""
    behind = without(system.nats, Feature.META_RESCUE)
    return evolve(
        system,
        nats=tuple(evolve(cluster, version=CURRENT) if cluster in behind else cluster for cluster in system.nats),
    )


def honest_acknowledgement(kit: Kit) -> tuple[Requirement, ...]:
    """An RPO for the API cannot hold while a 202 means "in the memory of one pod"."""
    buffering = [s for s in kit.system.services if s.ack_buffer and not s.ack_buffer.durable]
    promised = any(c.rpo_s is not None and c.subject in (Subject.API, Subject.NATS) for c in kit.system.contracts)
    if not buffering or not promised:
        return ()
    names = ", ".join(service.name for service in buffering)
    return (
        Requirement(
            "durable-acknowledgement",
            f"make the fallback queue of {names} durable, or answer 503 while NATS is away; answer 503, not 202, "
            "where no stream of the region takes the write",
            "a 202 from memory is an acknowledged write with no copy at all; one for a mirror or a fenced stream waits "
            "for ever",
            kit.figures["work.buffer"],
            "ack_buffer in secondsite.yaml",
            "acknowledged messages die with the pod whenever NATS went first",
        ),
    )


def with_durable_buffers(system: System) -> System:
    """The system after `honest_acknowledgement`."""

    def honest(service: Service) -> Service:
        buffer = service.ack_buffer
        return evolve(service, ack_buffer=evolve(buffer, durable=True)) if buffer else service

    return evolve(system, services=tuple(honest(service) for service in system.services))


def replicated_secrets(kit: Kit) -> tuple[Requirement, ...]:
    """The other region needs today's secrets before it is needed."""
    single = [secret.name for secret in kit.system.secrets if len(secret.regions) < 2]
    if not single:
        return ()
    return (
        Requirement(
            "replicated-secrets",
            f"replicate {len(single)} secret{'s' if len(single) > 1 else ''} to {kit.second.name}",
            f"only one region holds {', '.join(single[:3])}{' …' if len(single) > 3 else ''}",
            kit.figures["work.secrets"],
            "secrets in secondsite.yaml",
            "the standby starts with stale secrets or none",
        ),
    )


def store_replicas(kit: Kit, what: str) -> tuple[Requirement, ...]:
    """Databases and vector stores get to the second region on their own; NATS does not carry them."""
    if not any(store.loss is Loss.DATA for store in kit.system.stores):
        return ()
    return (
        Requirement(
            "store-copies",
            what,
            "databases and vector stores are one replica on one volume",
            kit.figures["work.stores"],
            "stores in secondsite.yaml",
            "state is lost with the region",
        ),
    )


def work(kit: Kit, requirement_id: str, figure: str, what: str, why: str, without: str = "") -> Requirement:
    """A requirement whose hours are a row of the catalogue."""
    return Requirement(requirement_id, what, why, kit.figures[figure], "catalogue: work", without)


POSITION_AGENT = "position-agent"


def position_agent(kit: Kit) -> Requirement:
    """Of every strategy whose streams are mirrors in another region."""
    return work(
        kit,
        POSITION_AGENT,
        "work.agent",
        f"`secondsite agent` in {kit.home.name} and {kit.second.name}: it copies consumers' positions to the mirrors",
        "a mirror has no consumers, and where they stood is not in it",
        "every durable consumer begins at the first message: finished work is repeated",
    )


def with_replicated_secrets(system: System, regions: tuple[str, ...]) -> System:
    """The system after `replicated_secrets`."""
    return evolve(
        system, secrets=tuple(evolve(s, regions=regions) if len(s.regions) < 2 else s for s in system.secrets)
    )
