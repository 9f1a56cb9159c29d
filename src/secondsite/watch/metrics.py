"""What a monitoring system should know of a watch, in Prometheus's form, from the same plain data as the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

_FINDINGS = ("lost", "gray", "nothing")


class WatchMetrics:
    """``status`` hands out the newest plain data."""

    def __init__(self, status: Callable[[], Mapping[str, Any]]) -> None:
        self._status = status
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def collect(self) -> Iterable[Metric]:
        status = self._status()
        yield from _of_regions(status)
        yield from _of_plans(status)
        yield from _of_copies(status)
        yield _one("secondsite_watch_asks", "1 while an approval is requested", status["ask"] is not None)
        yield _one("secondsite_watch_acts", "1 while this watch carries out an operation", status["acts"])
        open_ = status["operation"] is not None and status["operation"]["is_open"]
        yield _one("secondsite_operation_open", "1 while an operation is not ended", open_)
        yield _one(
            "secondsite_watch_journal_known", "1 where the shared journal can be read", status["journal"]["known"]
        )
        yield _one("secondsite_watch_maintenance_seconds", "Time left of maintenance", status["maintenance_s"])


def _one(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=float(value))


def _of_regions(status: Mapping[str, Any]) -> Iterable[Metric]:
    finding = GaugeMetricFamily(
        "secondsite_watch_finding", "1 for the state that a region is judged to be in", labels=["region", "finding"]
    )
    votes = GaugeMetricFamily(
        "secondsite_watch_observer_counts", "1 where the reports of an observer count", labels=["region", "observer"]
    )
    silent = GaugeMetricFamily(
        "secondsite_watch_signal", "1 yes, 0 no, -1 unknown", labels=["region", "observer", "signal"]
    )
    for region in status["regions"]:
        for each in _FINDINGS:
            finding.add_metric([region["region"], each], float(region["now"] == each))
        for one in region["observers"]:
            votes.add_metric([region["region"], one["observer"]], float(one["vote"] != "none"))
            for signal, sight in one["signals"].items():
                value = {"yes": 1.0, "no": 0.0}.get(sight["now"], -1.0)
                silent.add_metric([region["region"], one["observer"], signal], value)
    return finding, votes, silent


def _of_copies(status: Mapping[str, Any]) -> Iterable[Metric]:
    """Nothing is told of what was not read."""
    behind = GaugeMetricFamily("secondsite_copy_behind_seconds", "How far the copy is behind", labels=["stream"])
    missing = GaugeMetricFamily("secondsite_copy_missing_messages", "Messages that the copy lacks", labels=["stream"])
    copies = status["copies"] or {"streams": ()}
    for one in copies["streams"]:
        for family, value in ((behind, one["behind_s"]), (missing, one["missing_messages"])):
            if value is not None:
                family.add_metric([one["stream"]], float(value))
    yield behind
    yield missing
    for name, what in (
        ("backup", "Age of the newest good backup"),
        ("archive", "Time since the archive was shipped to"),
    ):
        if (age_s := copies.get(f"{name}_age_s")) is not None:
            yield _one(f"secondsite_watch_{name}_age_seconds", what, age_s)


def _of_plans(status: Mapping[str, Any]) -> Iterable[Metric]:
    ready = GaugeMetricFamily("secondsite_plan_ready", "1 where the failover could run now", labels=["fault"])
    age = GaugeMetricFamily("secondsite_plan_age_seconds", "Time since the plan was made", labels=["fault"])
    refused = GaugeMetricFamily(
        "secondsite_plan_refused", "1 for each guard that blocks the failover now", labels=["fault", "step", "guard"]
    )
    for plan in status["readiness"]:
        ready.add_metric([plan["fault"]], float(plan["ready"]))
        age.add_metric([plan["fault"]], plan["made_s"])
        for step, guard in sorted({(one["step"], one["guard"]) for one in plan["refusals"]}):
            refused.add_metric([plan["fault"], step, guard], 1.0)
    return ready, age, refused
