"""Hazards of backups: what they save, where they lie, how old they are, and whether anyone ever read one back.

Where a Deployment keeps another good copy of the same data, the backup is not what the contract hangs on.
"""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited, lacks, listed, promises_rpo
from secondsite.audit.rule import Finding, rule
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


@rule(
    id="backup-no-messages",
    severity=Severity.HIGH,
    title="A backup that saves no messages",
    why="Configuration brings back empty streams: every message in them is lost.",
    source="NATS documentation, disaster recovery: `nats stream backup` saves messages, `nats stream info` does not",
    remedy="Snapshot streams with their messages and consumers ($JS.API.STREAM.SNAPSHOT or `nats stream backup`).",
)
def backup_no_messages(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.system.nats:
        service = cluster.service or cluster.name
        covering = [backup for backup in audited.system.backups if service in backup.covers]
        meant = [backup for backup in covering if backup.content is not Content.RESOURCES]
        for backup in meant or covering:
            alone = backup.content not in SAVES[Subject.NATS]  # whatever else saves them, this job is thought to
            if cluster.streams and alone and not audited.copy_survives((Subject.NATS,), Fault.DELETION):
                names = listed(stream.name for stream in cluster.streams)
                yield Finding(
                    f"backups.{backup.name}.content",
                    f"{backup.name} saves {_what(backup)} of {service} and no message of {names}",
                    _needed_for(audited, (Subject.NATS,)),
                )


def _what(backup: Backup) -> str:
    return "nothing known" if backup.content is Content.UNKNOWN else str(backup.content)


@rule(
    id="backup-missing",
    severity=Severity.HIGH,
    title="Data that no backup saves",
    why="Replicas follow a deletion faithfully; only a backup does not.",
    source=WELL_ARCHITECTED,
    remedy="Back the data up at least as often as its RPO, to another region.",
)
def backup_missing(audited: Audited) -> Iterator[Finding]:
    covered = {name for backup in audited.system.backups for name in backup.covers}
    for store in audited.system.stores:
        # What a provider runs is saved by the provider, or not: no manifest tells.
        if store.service and store.loss is Loss.DATA and not _saved(audited, store.service, Subject.STATE):
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


@rule(
    id="backup-same-domain",
    severity=Severity.HIGH,
    title="A backup in the failure domain of what it saves",
    why="What takes the data takes the backup.",
    source=WELL_ARCHITECTED,
    remedy="Copy it to an object store in another region, under another account.",
)
def backup_same_domain(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:
        subjects = subjects_of(audited, backup)
        if backup.where in (Where.CLUSTER, Where.REGION) and not audited.copy_survives(subjects, Fault.REGION):
            faults = LOSES_REGION | ({Fault.ZONE} if backup.where is Where.CLUSTER else set())
            lies = "Kubernetes cluster" if backup.where is Where.CLUSTER else "region"
            yield Finding(
                f"backups.{backup.name}.where",
                f"{backup.name} is stored in the same {lies} as what it saves"
                + (f" ({backup.destination})" if backup.destination else ""),
                audited.endangered(subjects, faults, promises_rpo),
            )


@rule(
    id="backup-interval",
    severity=Severity.HIGH,
    title="A backup that is rarer than the RPO",
    why="What was written since the last one is lost.",
    source="arithmetic; Keeton and Merchant, DSN 2004",
    remedy="Run it more often than the RPO, or replicate instead.",
)
def backup_interval(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:

        def too_rare(contract: Contract, backup: Backup = backup) -> bool:
            return (
                contract.rpo_s is not None
                and backup.interval_s > contract.rpo_s
                and not audited.copy_survives((contract.subject,), contract.fault)
                and not _more_often(audited, backup, contract)
                and bool(audited.concerned(f"backups.{backup.name}", (contract.name,)))
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


@rule(
    id="backup-never-restored",
    severity=Severity.MEDIUM,
    title="A backup that was never restored",
    why="Until somebody has read one back it is a hope, and its restore time is unknown.",
    source=WELL_ARCHITECTED,
    remedy="Restore it on a schedule, compare what came back, and record that with restore_tested.",
)
def backup_never_restored(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:
        if not backup.restore_tested:
            yield Finding(
                f"backups.{backup.name}.restore_tested",
                f"nobody has restored {backup.name}, so nobody knows what is in it or how long that takes",
                _needed_for(audited, subjects_of(audited, backup)),
            )


@rule(
    id="backup-optional-upload",
    severity=Severity.HIGH,
    title="An upload that may be skipped",
    why="A missing or expired credential leaves the only copy beside the original, and no alert tells.",
    source="Kubernetes documentation, CronJob: a job that exits with 0 has succeeded",
    remedy="Fail the job when the credential is missing.",
)
def backup_optional_upload(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:
        if backup.optional_upload:
            yield Finding(
                f"backups.{backup.name}.optional_upload",
                f"{backup.name} skips its upload, and succeeds, when a credential is missing",
                _needed_for(audited, subjects_of(audited, backup)),
            )


@rule(
    id="backup-errors-swallowed",
    severity=Severity.HIGH,
    title="Errors swallowed by a backup script",
    why="An empty backup looks like a good one until it is needed.",
    source="POSIX shell: `|| true` ends every failure with success",
    remedy="Use `set -euo pipefail`, drop `|| true`, and check that the result is not empty.",
)
def backup_errors_swallowed(audited: Audited) -> Iterator[Finding]:
    for backup in audited.system.backups:
        if backup.errors_swallowed:
            yield Finding(
                f"backups.{backup.name}.errors_swallowed",
                f"{backup.name} goes on after a failed command and ends with success",
                _needed_for(audited, subjects_of(audited, backup)),
            )


@rule(
    id="backup-reduced-consumers",
    severity=Severity.MEDIUM,
    title="Snapshots that leave consumers out",
    why="Before 2.15 a snapshot missed consumers with fewer replicas than their stream on another node.",
    source=SNAPSHOTS,
    remedy="Upgrade to 2.15, or give those consumers the stream's replicas.",
)
def backup_reduced_consumers(audited: Audited) -> Iterator[Finding]:
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
