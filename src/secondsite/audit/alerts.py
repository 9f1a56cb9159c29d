"""Hazards of alerts: those that come after the promise is broken, and those that cannot see."""

from __future__ import annotations

import re
from collections.abc import Iterator

from secondsite.audit.audited import Audited, rpo_below, rto_below
from secondsite.audit.backups import subjects_of
from secondsite.audit.rule import Finding, rule
from secondsite.model.alert import Alert
from secondsite.model.contract import Subject
from secondsite.model.fault import DESTROYS_DATA, LOSES_REGION, Fault
from secondsite.model.hazard import Severity
from secondsite.model.wording import duration

LAG = re.compile(r"(mirror|source)\w*lag", re.IGNORECASE)
SEES = re.compile(r"active|last_?seq|sequence|heartbeat", re.IGNORECASE)
GUARDED = {
    "backup-age": ((Subject.NATS, Subject.STATE), LOSES_REGION | DESTROYS_DATA),
    "mirror-lag": ((Subject.NATS,), LOSES_REGION),
}


def _guarded(audited: Audited, alert: Alert) -> tuple[tuple[Subject, ...], frozenset[Fault]]:
    """What the alert is about: the backups that its expression names, or all that such an alert could guard."""
    subjects, faults = GUARDED[alert.guards]
    named = [backup for backup in audited.system.backups if backup.name in alert.expression]
    if alert.guards != "backup-age" or not named:
        return subjects, faults
    return tuple(dict.fromkeys(subject for backup in named for subject in subjects_of(audited, backup))), faults


@rule(
    id="alert-after-rpo",
    severity=Severity.HIGH,
    title="An alert that fires after the RPO it guards",
    why="When it fires, more is lost already than was promised.",
    source="arithmetic on the rule's threshold and `for`",
    remedy="Set the threshold below the RPO, less the time to react.",
)
def alert_after_rpo(audited: Audited) -> Iterator[Finding]:
    for alert in audited.system.alerts:
        earliest_s = alert.earliest_s
        if earliest_s is None or alert.guards not in GUARDED:
            continue

        subjects, faults = _guarded(audited, alert)
        contracts = audited.contracts(subjects, faults, rpo_below(earliest_s))
        if contracts:
            tightest = min(contract.rpo_s or 0.0 for contract in contracts)
            yield Finding(
                f"alerts.{alert.name}.threshold",
                f"{alert.name} fires after {duration(earliest_s)} at the earliest, the RPO it guards is "
                f"{duration(tightest)}",
                audited.endangered(subjects, faults, rpo_below(earliest_s)),
            )


@rule(
    id="alert-after-rto",
    severity=Severity.MEDIUM,
    title="An alert that fires after the RTO",
    why="People hear of the outage when it should be over.",
    source="arithmetic on the rule's threshold and `for`",
    remedy="Shorten `for`, or let the failover start without people.",
)
def alert_after_rto(audited: Audited) -> Iterator[Finding]:
    for alert in audited.system.alerts:
        earliest_s = alert.earliest_s
        if earliest_s is None or alert.guards != "availability":
            continue

        contracts = audited.endangered((Subject.API,), LOSES_REGION | {Fault.GRAY}, rto_below(earliest_s))
        if contracts:
            yield Finding(
                f"alerts.{alert.name}.threshold",
                f"{alert.name} fires after {duration(earliest_s)} at the earliest, when the RTO has passed",
                contracts,
            )


@rule(
    id="alert-on-mirror-lag",
    severity=Severity.HIGH,
    title="An alert on the mirror's own lag",
    why="While the link is cut or the origin is dead the mirror reports lag 0; only `active` grows.",
    source="nats-server 2.15.1, measured 2026-11",
    remedy="Compare the last sequences of both sides and alert on `active`, or send heartbeats through the stream.",
)
def alert_on_mirror_lag(audited: Audited) -> Iterator[Finding]:
    for alert in audited.system.alerts:
        watches_lag = alert.guards == "mirror-lag" or LAG.search(alert.expression)
        if watches_lag and not SEES.search(alert.expression):
            yield Finding(
                f"alerts.{alert.name}.expression",
                f"{alert.name} watches the lag that the mirror itself reports ({alert.expression})",
                audited.endangered((Subject.NATS,), LOSES_REGION),
            )
