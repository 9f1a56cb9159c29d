"""Hazards of backups: what they save, where they lie, how old they are, and whether anyone ever read one back.

Where a Deployment keeps another good copy of the same data, the backup is not what the contract hangs on.
"""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited, lacks, listed, promises_rpo
from secondsite.audit.rule import Finding, Rule
from secondsite.model.backup import Backup, Content, Where
from secondsite.model.contract import Contract, Subject
from secondsite.model.fault import DESTROYS_DATA, EVERY_FAULT, LOSES_REGION, Fault
from secondsite.model.hazard import Severity
from secondsite.model.nats_release import Feature
from secondsite.model.store import Loss
from secondsite.model.wording import duration

SNAPSHOTS = "nats-server issue 7829, fixed in 2.15; measured 2026-11"
WELL_ARCHITECTED = "AWS Well-Architected, reliability pillar: back up data"
SAVES = {Subject.NATS: (Content.MESSAGES, Content.VOLUMES), Subject.STATE: (Content.DATA, Content.VOLUMES)}


def _nats_services(audited: Audited) -> frozenset[str]:
    return frozenset(cluster.service or cluster.name for cluster in audited.clusters)


def subjects_of(audited: Audited, backup: Backup) -> tuple[Subject, ...]:
    """What the backup is there for. Kubernetes objects are state, also where they describe a NATS cluster."""
    if backup.content is Content.RESOURCES:
        return (Subject.STATE,)
    nats = _nats_services(audited)
    streams = any(name in nats for name in backup.covers)
    state = not streams or any(name not in nats for name in backup.covers)
    return (*((Subject.NATS,) if streams else ()), *((Subject.STATE,) if state else ()))


def _saved(audited: Audited, service: str, subject: Subject) -> bool:
    """Whether a backup, or a copy that a Deployment adds, gives the data back after somebody deleted it."""
    by_backup = any(service in backup.covers and backup.content in SAVES[subject] for backup in audited.system.backups)
    return by_backup or audited.copy_survives((subject,), Fault.DELETION)


def _needed_for(audited: Audited, subjects: tuple[Subject, ...]) -> tuple[str, ...]:
    return audited.endangered(subjects, LOSES_REGION | DESTROYS_DATA, promises_rpo)


def _no_messages(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.system.nats:
        service = cluster.service or cluster.name
        covering = [backup for backup in audited.system.backups if service in backup.covers]
        meant = [backup for backup in covering if backup.content is not Content.RESOURCES]
        for backup in meant or covering:
            if cluster.streams and not _saved(audited, service, Subject.NATS):
                names = listed(stream.name for stream in cluster.streams)
                yield Finding(
                    f"backups.{backup.name}.content",
                    f"{backup.name} saves {_what(backup)} of {service} and no message of {names}",
                    _needed_for(audited, (Subject.NATS,)),
                )


def _what(backup: Backup) -> str:
    return "nothing known" if backup.content is Content.UNKNOWN else str(backup.content)


def _missing(audited: Audited) -> Iterator[Finding]:
    covered = {name for backup in audited.system.backups for name in backup.covers}
    for store in audited.system.stores:
        if store.loss is Loss.DATA and not _saved(audited, store.service, Subject.STATE):
            by = [backup for backup in audited.system.backups if store.service in backup.covers]
            only = "; ".join(f"{backup.name} saves {_what(backup)} only" for backup in by)
            yield Finding(
                f"stores.{store.name}",
                f"no backup saves the data of {store.name}" + (f" ({only})" if only else ""),
                _needed_for(audited, (Subject.STATE,)),
            )
    for cluster in audited.system.nats:
        service = cluster.service or cluster.name
        if cluster.streams and service not in covered and not _saved(audited, service, Subject.NATS):
            yield Finding(
                f"nats.{cluster.name}.streams",
                f"no backup saves {listed(stream.name for stream in cluster.streams)} of {cluster.name}",
                _needed_for(audited, (Subject.NATS,)),
            )


def _same_domain(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:
        subjects = subjects_of(audited, backup)
        if backup.where in (Where.CLUSTER, Where.REGION) and not audited.copy_survives(subjects, Fault.REGION):
            faults = LOSES_REGION | ({Fault.ZONE} if backup.where is Where.CLUSTER else set())
            lies = "Kubernetes cluster" if backup.where is Where.CLUSTER else "region"
            yield Finding(
                f"backups.{backup.name}.where",
                f"{backup.name} lies in the same {lies} as what it saves"
                + (f" ({backup.destination})" if backup.destination else ""),
                audited.endangered(subjects, faults, promises_rpo),
            )


def _interval(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:

        def too_rare(contract: Contract, backup: Backup = backup) -> bool:
            return (
                contract.rpo_s is not None
                and backup.interval_s > contract.rpo_s
                and not audited.copy_survives((contract.subject,), contract.fault)
                and not _more_often(audited, backup, contract)
            )

        subjects = subjects_of(audited, backup)
        contracts = audited.contracts(subjects, LOSES_REGION | DESTROYS_DATA, too_rare)
        if contracts:
            tightest = min(contract.rpo_s or 0.0 for contract in contracts)
            yield Finding(
                f"backups.{backup.name}.interval",
                f"{backup.name} runs every {duration(backup.interval_s)}, the RPO is {duration(tightest)}",
                audited.endangered(subjects, LOSES_REGION | DESTROYS_DATA, too_rare),
            )


def _more_often(audited: Audited, backup: Backup, contract: Contract) -> bool:
    """Whether another backup saves as much, often enough."""
    return any(
        set(backup.covers) <= set(other.covers)
        and other.content in SAVES.get(contract.subject, ())
        and contract.rpo_s is not None
        and other.interval_s <= contract.rpo_s
        for other in audited.system.backups
        if other is not backup
    )


def _never_restored(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:
        if not backup.restore_tested:
            yield Finding(
                f"backups.{backup.name}.restore_tested",
                f"nobody has restored {backup.name}, so nobody knows what is in it or how long that takes",
                _needed_for(audited, subjects_of(audited, backup)),
            )


def _optional_upload(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:
        if backup.optional_upload:
            yield Finding(
                f"backups.{backup.name}.optional_upload",
                f"{backup.name} skips its upload, and succeeds, when a credential is missing",
                _needed_for(audited, subjects_of(audited, backup)),
            )


def _swallowed(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:
        if backup.errors_swallowed:
            yield Finding(
                f"backups.{backup.name}.errors_swallowed",
                f"{backup.name} goes on after a failed command and ends with success",
                _needed_for(audited, subjects_of(audited, backup)),
            )


def _reduced_consumers(audited: Audited) -> Iterator[Finding]:
    messages = [backup for backup in audited.system.backups if backup.content is Content.MESSAGES]
    for cluster in audited.system.nats:
        reduced = [
            f"{stream.name}/{consumer.name}"
            for stream in cluster.streams
            for consumer in stream.consumers
            if 0 < consumer.replicas < stream.replicas
        ]
        for backup in messages if reduced and lacks(cluster, Feature.FULL_SNAPSHOT) else ():
            if (cluster.service or cluster.name) in backup.covers:
                yield Finding(
                    f"backups.{backup.name}",
                    f"a snapshot by NATS {cluster.version} may leave out {', '.join(reduced)}",
                    audited.endangered((Subject.NATS,), EVERY_FAULT),
                )


RULES = (
    Rule(
        "backup-no-messages",
        Severity.HIGH,
        "A backup that saves no messages",
        "Configuration brings back empty streams: every message in them is lost.",
        "NATS documentation, disaster recovery: `nats stream backup` saves messages, `nats stream info` does not",
        "Snapshot streams with their messages and consumers ($JS.API.STREAM.SNAPSHOT or `nats stream backup`).",
        _no_messages,
    ),
    Rule(
        "backup-missing",
        Severity.HIGH,
        "Data that no backup saves",
        "Replicas follow a deletion faithfully; only a backup does not.",
        WELL_ARCHITECTED,
        "Back the data up at least as often as its RPO, to another region.",
        _missing,
    ),
    Rule(
        "backup-same-domain",
        Severity.HIGH,
        "A backup in the failure domain of what it saves",
        "What takes the data takes the backup.",
        WELL_ARCHITECTED,
        "Copy it to an object store in another region, under another account.",
        _same_domain,
    ),
    Rule(
        "backup-interval",
        Severity.HIGH,
        "A backup that is rarer than the RPO",
        "What was written since the last one is lost.",
        "arithmetic; Keeton and Merchant, DSN 2004",
        "Run it more often than the RPO, or replicate instead.",
        _interval,
    ),
    Rule(
        "backup-never-restored",
        Severity.MEDIUM,
        "A backup that was never restored",
        "Until somebody has read one back it is a hope, and its restore time is unknown.",
        WELL_ARCHITECTED,
        "Restore it on a schedule, compare what came back, and record that with restore_tested.",
        _never_restored,
    ),
    Rule(
        "backup-optional-upload",
        Severity.HIGH,
        "An upload that may be skipped",
        "A missing or expired credential leaves the only copy beside the original, and no alert tells.",
        "Kubernetes documentation, CronJob: a job that exits with 0 has succeeded",
        "Fail the job when the credential is missing.",
        _optional_upload,
    ),
    Rule(
        "backup-errors-swallowed",
        Severity.HIGH,
        "Errors swallowed by a backup script",
        "An empty backup looks like a good one until it is needed.",
        "POSIX shell: `|| true` ends every failure with success",
        "Use `set -euo pipefail`, drop `|| true`, and check that the result is not empty.",
        _swallowed,
    ),
    Rule(
        "backup-reduced-consumers",
        Severity.MEDIUM,
        "Snapshots that leave consumers out",
        "Before 2.15 a snapshot missed consumers with fewer replicas than their stream on another node.",
        SNAPSHOTS,
        "Upgrade to 2.15, or give those consumers the stream's replicas.",
        _reduced_consumers,
    ),
)
