"""The metrics endpoint: on loopback unless told, and silent about versions."""

from __future__ import annotations

import http.client
import inspect

import pytest

from secondsite.backup.metrics import BackupMetrics
from secondsite.cli.backup import Daemon
from secondsite.model.errors import MachineError


def asked(port: int, method: str, path: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, str(answer.headers), body


def test_it_listens_on_loopback_unless_told() -> None:
    assert inspect.signature(Daemon).parameters["metrics_host"].default == "127.0.0.1"


def test_strangers_learn_no_version() -> None:
    port = BackupMetrics(60.0).serve("127.0.0.1", 0)
    status, headers, body = asked(port, "GET", "/metrics")
    assert (status, "secondsite_backup_age_seconds NaN" in body) == (200, True)
    for method, path in (("GET", "/"), ("POST", "/metrics"), ("BREW", "/metrics"), ("GET", "/metrics/../x")):
        status, headers, body = asked(port, method, path)
        assert status in (404, 501)
        assert not any(name in headers + body for name in ("Python", "WSGI", "secondsite/"))
    assert "python_info" not in body


def test_a_port_that_is_taken_is_named() -> None:
    port = BackupMetrics(60.0).serve("127.0.0.1", 0)
    with pytest.raises(MachineError, match="cannot listen for metrics"):
        BackupMetrics(60.0).serve("127.0.0.1", port)
