"""What a monitoring system should know about backups, in Prometheus's form.

The age is computed when it is asked for, so it grows while nothing happens: that is what an alert needs. It grows also
while the clock of the wall is set back, as another one goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import ThreadingWSGIServer

from secondsite.backup.manifest import BackupManifest
from secondsite.model.errors import MachineError

_NAME = "metrics"


class BackupMetrics:
    """A registry of its own. ``age`` is NaN until there is a good backup."""

    def __init__(self, interval_s: float) -> None:
        self.registry = CollectorRegistry()
        self._newest_s = self._recorded_s = float("nan")
        age = self._gauge("secondsite_backup_age_seconds", "Age of the newest good backup")
        age.set_function(self._age_s)
        self._gauge("secondsite_backup_interval_seconds", "Interval of the schedule").set(interval_s)
        self._bytes = self._gauge("secondsite_backup_size_bytes", "Size of the last good backup in the store")
        self._seconds = self._gauge("secondsite_backup_duration_seconds", "Duration of the last good backup")
        self._messages = self._gauge("secondsite_backup_messages", "Messages in the last good backup")
        self._good = Counter("secondsite_backups", "Good backups", registry=self.registry)
        self._suspicious = Counter(
            "secondsite_backup_suspicious", "Backups that hold less than the last good one", registry=self.registry
        )
        self._clock = Counter(
            "secondsite_backup_clock_problems",
            "Times that cannot be right, here or in the store",
            registry=self.registry,
        )
        self._failed = Counter("secondsite_backup_failures", "Backups that failed", registry=self.registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, registry=self.registry)

    def _age_s(self) -> float:
        return max(time.time() - self._newest_s, time.monotonic() - self._recorded_s)

    def newest(self, finished: datetime) -> None:
        if finished.timestamp() != self._newest_s:
            self._newest_s, self._recorded_s = finished.timestamp(), time.monotonic()

    def good(self, manifest: BackupManifest) -> None:
        self.newest(manifest.finished)
        self._good.inc()
        self._bytes.set(manifest.size_bytes)
        self._messages.set(manifest.messages)
        self._seconds.set((manifest.finished - datetime.fromisoformat(manifest.started_at)).total_seconds())

    def suspicious(self) -> None:
        self._suspicious.inc()

    def clock_problem(self) -> None:
        self._clock.inc()

    def failed(self) -> None:
        self._failed.inc()

    def serve(self, host: str, port: int) -> int:
        """Answer on http://host:port/metrics; the port, which 0 lets the system choose."""
        return serve_registry(self.registry, host, port)


def serve_registry(registry: CollectorRegistry, host: str, port: int) -> int:
    """Metrics to whoever asks to read them, from a thread of its own; nothing else is there. Raises MachineError."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics" or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("404 Not Found", [("Server", _NAME), ("Content-Type", "text/plain")])
            return [b"metrics are at /metrics\n"]
        start_response("200 OK", [("Server", _NAME), ("Content-Type", CONTENT_TYPE_LATEST)])
        return [generate_latest(registry)]

    try:
        server = make_server(host, port, answer, ThreadingWSGIServer, handler_class=_Handler)
    except OSError as error:
        what = f"cannot listen for metrics ({error.strerror})"
        raise MachineError.at(f"{host}:{port}", what, "give a free port: --metrics-port") from None
    Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_port)


class _Handler(WSGIRequestHandler):
    """Tells strangers no version of anything, logs no request, and waits for none for long."""

    timeout = 5

    def version_string(self) -> str:
        return _NAME

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the name that it overrides
        del format, args
