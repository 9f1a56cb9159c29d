"""A Grafana dashboard that draws what the alerts watch, each panel with its threshold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from secondsite.publish.documents.alerts import AlertRule
from secondsite.publish.text.markdown import plain

_WIDTH, _HEIGHT = 12, 8
_SOURCE = {"type": "prometheus", "uid": "${source}"}


def dashboard(system: str, alert_rules: Sequence[AlertRule]) -> str:
    """JSON that Grafana 9 and newer imports; the data source is asked for."""
    panels = [_panel(number, alert) for number, alert in enumerate(alert_rules)]
    return (
        json.dumps(
            {
                "uid": hashlib.sha256(f"secondsite {system}".encode()).hexdigest()[:14],
                "title": f"{plain(system)}: ready to fail over?",
                "tags": ["disaster-recovery", "secondsite"],
                "schemaVersion": 39,
                "editable": True,
                "timezone": "utc",
                "refresh": "1m",
                "time": {"from": "now-24h", "to": "now"},
                "templating": {
                    "list": [{"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}]
                },
                "annotations": {"list": []},
                "panels": panels,
            },
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def _panel(number: int, alert: AlertRule) -> dict[str, Any]:
    limit = alert.threshold
    below = alert.fires.startswith("<") or alert.fires == "== 0"
    good, bad = ("red", "green") if below else ("green", "red")
    steps = [{"color": good, "value": None}, *([] if limit is None else [{"color": bad, "value": limit}])]
    return {
        "id": number + 1,
        "title": alert.name,
        "description": _without_template(f"Fires when {alert.fires} for {alert.hold_s} s. {alert.remedy}"),
        "type": "timeseries",
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": _WIDTH * (number % 2), "y": _HEIGHT * (number // 2)},
        "fieldConfig": {
            "defaults": {
                "unit": alert.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "off" if limit is None else "line"}},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        "targets": [{"refId": "A", "datasource": _SOURCE, "expr": alert.value}],
    }


def _without_template(template: str) -> str:
    return template.replace("${", "$ {")
