"""All rules by theme, and the audit itself: a pure function from what is audited to its hazards.

The result is sorted (severity, file, line, rule) and holds each hazard once, so that the same input always
gives the same output and two outputs can be compared line by line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from secondsite.audit import (
    alerts,
    autoscaling,
    backups,
    clients,
    consumers,
    durability,
    images,
    links,
    meta_quorum,
    mirrors,
    promotion,
    reconcilers,
    replicas,
    secrets,
    stores,
    traffic,
    waivers,
)
from secondsite.audit.audited import Audited
from secondsite.audit.rule import Rule, rules_of
from secondsite.model.deployment import Deployment
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.procedure import Procedure
from secondsite.model.system import System

THEMES: Mapping[str, tuple[Rule, ...]] = {
    "Meta group": rules_of(meta_quorum),
    "Promotion and quorum": rules_of(promotion),
    "Links between servers and clusters": rules_of(links),
    "Mirrors": rules_of(mirrors),
    "Controllers that revert changes": rules_of(reconcilers),
    "Consumers and deduplication": rules_of(consumers),
    "Replicas and their spread": rules_of(replicas),
    "Autoscaling": rules_of(autoscaling),
    "Durability and storage": rules_of(durability),
    "Stores": rules_of(stores),
    "NATS clients": rules_of(clients),
    "Backups": rules_of(backups),
    "Alerts": rules_of(alerts),
    "Traffic": rules_of(traffic),
    "Secrets": rules_of(secrets),
    "Images": rules_of(images),
    "Waivers": rules_of(waivers),
}
RULES: tuple[Rule, ...] = tuple(rule for theme in THEMES.values() for rule in theme)


def rule(rule_id: str) -> Rule:
    return next(known for known in RULES if known.id == rule_id)


def audit(
    system: System,
    deployment: Deployment | None = None,
    procedures: tuple[Procedure, ...] = (),
    *,
    rules: Sequence[Rule] = RULES,
    known: Sequence[Rule] = RULES,
) -> tuple[Hazard, ...]:
    """Every hazard of what runs today, or of a strategy: then its Deployment's system, as prepared, is what counts.

    ``rules`` are those to apply, ``known`` all that a waiver may name.
    """
    audited = Audited(deployment.system if deployment else system, deployment, procedures)
    hazards = dict.fromkeys(_hazards(audited, rules))
    judged = waivers.apply(
        system, list(hazards), {one.id for one in rules}, {one.id for one in known}, whole=deployment is None
    )
    return tuple(sorted(judged, key=_order))


def _hazards(audited: Audited, rules: Iterable[Rule]) -> Iterator[Hazard]:
    for known in rules:
        for finding in known.check(audited):
            yield Hazard(
                known.id,
                known.severity,
                finding.place or audited.system.place(finding.subject),
                finding.subject,
                finding.message,
                ", ".join(audited.concerned(finding.subject, finding.contracts)),
                known.source,
                known.remedy,
            )


def _order(hazard: Hazard) -> tuple[object, ...]:
    return (hazard.severity.rank, hazard.place, hazard.rule, hazard.subject, hazard.message, hazard.waived)


def at_or_above(hazards: Iterable[Hazard], severity: Severity) -> tuple[Hazard, ...]:
    """The hazards that count against a limit: not waived, and at least this severe."""
    return tuple(hazard for hazard in hazards if not hazard.waived and hazard.severity.rank <= severity.rank)
