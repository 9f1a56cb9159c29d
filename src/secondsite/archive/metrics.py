"""What a monitoring system should know about an archive, in Prometheus's form.

Ages are computed when they are asked for, by a clock that nobody sets: they grow while nothing happens.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric

from secondsite.archive.plan import Shipped
from secondsite.backup.metrics import serve_registry


class ArchiveMetrics:
    """A registry of its own. The age of a stream is the time since a checkpoint had all of it in the store."""

    def __init__(self, interval_s: float) -> None:
        self.registry = CollectorRegistry()
        self._whole_s: dict[str, float] = {}
        self._behind: dict[str, int] = {}
        self._newest_s = time.monotonic()
        self._gauge("secondsite_archive_interval_seconds", "Interval between two checkpoints").set(interval_s)
        self._gauge("secondsite_archive_age_seconds", "Time since the last checkpoint was in the store").set_function(
            lambda: time.monotonic() - self._newest_s
        )
        self._leading = self._gauge("secondsite_archive_shipping", "1 where this copy ships, 0 where it stands by")
        self._checkpoints = self._counter("secondsite_archive_looks", "Checkpoints that were shipped")
        self._messages = self._counter("secondsite_archive_messages", "Messages that were shipped")
        self._plain = self._counter("secondsite_archive_plain_bytes", "Bytes that were shipped, before compression")
        self._stored = self._counter("secondsite_archive_stored_bytes", "Bytes that went to the store")
        self._failed = self._counter("secondsite_archive_failures", "Checkpoints that failed")
        self.registry.register(_PerStream(self))

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, registry=self.registry)

    def _counter(self, name: str, what: str) -> Counter:
        return Counter(name, what, registry=self.registry)

    def shipped(self, outcome: Shipped) -> None:
        """A checkpoint of our own that is in the store, or found nothing to ship."""
        now = time.monotonic()
        self._newest_s = now
        self._leading.set(1)
        self._behind = dict(outcome.behind)
        for name in outcome.whole:
            self._whole_s[name] = now
        for name in self._whole_s.keys() - set(outcome.whole) - set(outcome.behind) - set(outcome.missing):
            del self._whole_s[name]
        for name in outcome.missing:
            self._whole_s.setdefault(name, now)
        if outcome.number:
            self._checkpoints.inc()
        self._messages.inc(outcome.messages)
        self._plain.inc(outcome.plain_bytes)
        self._stored.inc(outcome.stored_bytes)

    def standing_by(self, age_s: float) -> None:
        """Another copy ships; its newest checkpoint came so long ago."""
        self._leading.set(0)
        self._newest_s = time.monotonic() - age_s
        self._whole_s.clear()
        self._behind.clear()

    def failed(self) -> None:
        self._failed.inc()

    def ages_s(self) -> dict[str, float]:
        now = time.monotonic()
        return {name: now - at for name, at in sorted(self._whole_s.items())}

    def behind_bytes(self) -> dict[str, int]:
        return {name: self._behind.get(name, 0) for name in sorted(self._whole_s.keys() | self._behind.keys())}

    def serve(self, host: str, port: int) -> int:
        """Answer on http://host:port/metrics; the port, which 0 lets the system choose."""
        return serve_registry(self.registry, host, port)


class _PerStream:
    def __init__(self, metrics: ArchiveMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        age = GaugeMetricFamily(
            "secondsite_archive_stream_age_seconds", "Time since all of a stream was in the store", labels=["stream"]
        )
        for name, value in self._metrics.ages_s().items():
            age.add_metric([name], value)
        behind = GaugeMetricFamily(
            "secondsite_archive_stream_behind_bytes",
            "Bytes of a stream that the last checkpoint left",
            labels=["stream"],
        )
        for name, size in self._metrics.behind_bytes().items():
            behind.add_metric([name], size)
        yield from (age, behind)
