"""Hazards of controllers that put back what a failover changes."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.fault import LOSES_REGION
from secondsite.model.hazard import Severity
from secondsite.model.operate import ReconcilerKind, Writers


@rule(
    id="reconciler-undoes-fence",
    severity=Severity.HIGH,
    title="A controller that undoes a fence",
    why="A fence takes a stream's subjects away. A controller that owns the stream restores them within a minute.",
    source="observed with NACK: a changed stream is put back at the next reconciliation",
    remedy="Set `operate: writers: one`, so that writers need a lease; or pause it by the runbook's commands first.",
)
def reconciler_undoes_fence(audited: Audited) -> Iterator[Finding]:
    operate = audited.system.operate
    if operate is None or operate.writers is Writers.ONE:
        return
    streams = {stream.name for cluster in audited.system.nats for stream in cluster.streams}
    for one in operate.reconcilers:
        owned = sorted(streams & set(one.owns)) if one.owns else sorted(streams)
        if one.kind is ReconcilerKind.HPA or not owned:
            continue
        yield Finding(
            "operate.reconcilers",
            f"{one.kind} {one.namespace}/{one.name} in {one.region} restores {', '.join(owned)} after a fence",
            audited.endangered((Subject.NATS,), LOSES_REGION),
        )
