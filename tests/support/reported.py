"""Drills as a report shows them: one that held, one that did not, and what the first looked like from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from secondsite.model.contract import Subject, Verdict
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.measurement import DataLoss, Measurement
from secondsite.publish.content.drill_timeline import DrillTimeline, Slice, TimelineSpan

PARTS = {"detect": 21.0, "decide": 30.0, "execute": 9.5, "converge": 70.0, "first_ack": 0.5, "sustained": 3.0}
SEEN = DrillTimeline(
    tuple(
        Slice(at, 40 if at < 0 or at > 130 else 0, 0 if at < 0 or at > 130 else 40, 7 * (at == -1))
        for at in range(-9, 150)
    ),
    (TimelineSpan("fault", 0), TimelineSpan("promote-streams", 51, 51.01), TimelineSpan("change-traffic", 53, 60.5)),
)


def drilled(**more: Any) -> Measurement:
    known: dict[str, Any] = {
        "subject": Subject.API,
        "fault": Fault.REGION,
        "drill": "region-loss",
        "strategy": "warm-standby/leafnode-mirror/failover-record",
        "profile": "quick",
        "verdict": Verdict.MET,
        "rto_s": {**PARTS, "total": sum(PARTS.values())},
        "loss": DataLoss(7, 7168, 0.041),
        "runs": 1,
        "seed": 11,
        "at": "2026-11-20T10:00:00+00:00",
        "versions": {"nats-server": "2.15.1"},
        "evidence": "evidence/one",
        "fingerprint": "f00d",
    }
    return Measurement(**{**known, **more})


BREACHED = drilled(
    strategy="warm-standby/supercluster-mirror",
    subject=Subject.NATS,
    verdict=Verdict.BREACHED,
    rto_s=None,
    why="503/10008: no meta leader",
    evidence="evidence/two",
)


def read(folder: Path) -> DrillTimeline:
    if folder.name.startswith("one"):
        return SEEN
    raise InputError.at(str(folder), "is not an evidence folder", "name another")
