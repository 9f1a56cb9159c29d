"""The metrics endpoint: on loopback unless told, and silent about versions."""

from __future__ import annotations

import http.client
import inspect
import socket

import pytest

from secondsite.backup.metrics import BackupMetrics
from secondsite.cli.archive import Pace
from secondsite.cli.backup import Daemon
from secondsite.model.errors import MachineError


def asked(port: int, method: str, path: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, str(answer.headers), body


@pytest.mark.parametrize("options", [Daemon, Pace])
def test_it_listens_on_loopback_unless_told(options: type) -> None:
    assert inspect.signature(options).parameters["metrics_host"].default == "127.0.0.1"


def test_strangers_learn_no_version() -> None:
    port = BackupMetrics(60.0).serve("127.0.0.1", 0)
    status, headers, body = asked(port, "GET", "/metrics")
    assert (status, "secondsite_backup_age_seconds NaN" in body) == (200, True)
    assert "Python" not in headers
    for method, path in (("GET", "/"), ("POST", "/metrics"), ("BREW", "/metrics"), ("GET", "/metrics/../x")):
        status, headers, body = asked(port, method, path)
        assert status in (404, 501)
        assert not any(name in headers + body for name in ("Python", "WSGI", "secondsite/"))
    assert "python_info" not in body


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200, b"GET / HTTP/9.9", b"GET"])
def test_what_is_no_request_learns_no_version_either(line: bytes) -> None:
    port = BackupMetrics(60.0).serve("127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(line + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer
    assert not any(name in answer for name in (b"Python", b"WSGI", b"secondsite/"))


def test_a_port_that_is_taken_is_named() -> None:
    port = BackupMetrics(60.0).serve("127.0.0.1", 0)
    with pytest.raises(MachineError, match="cannot listen for metrics"):
        BackupMetrics(60.0).serve("127.0.0.1", port)
