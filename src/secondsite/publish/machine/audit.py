"""Hazards for machines: the shape is stable, fields are added and never renamed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from secondsite.model.hazard import Hazard

SCHEMA = "secondsite/audit/1"


def render(hazards: Iterable[Hazard]) -> str:
    return json.dumps(
        {"schema": SCHEMA, "hazards": [entry(hazard) for hazard in hazards]}, indent=2, ensure_ascii=False
    )


def entry(hazard: Hazard) -> dict[str, object]:
    """``waived`` is there only where the hazard was waived; ``line`` is 0 where it is not known."""
    shown: dict[str, object] = {
        "rule": hazard.rule,
        "severity": str(hazard.severity),
        "file": hazard.place.file,
        "line": hazard.place.line,
        "message": hazard.message,
        "contract": hazard.contract,
        "source": hazard.source,
        "remedy": hazard.remedy,
    }
    return {**shown, "waived": hazard.waived} if hazard.waived else shown
