"""A real Knot DNS with one zone, its rules as docs/rights.md has them; gone after the test."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
from nats_world import free_port, wait_until
from needed import missing
from rights_page import block

ZONE = "example.io"
SECRET = base64.b64encode(b"of nobody, and thirty-two bytes.").decode()
RECORDS = f"""\
$ORIGIN {ZONE}.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
api A 192.0.2.1
www A 192.0.2.2
"""


@contextmanager
def knot(folder: Path, more: str = "", records: str = RECORDS) -> Iterator[int]:
    """The port of a server with the zone; ``more`` are lines after its ``records``."""
    binary = shutil.which("knotd", path="/usr/sbin:/usr/bin") or missing("knot is not installed: apt-get install knot")
    port = free_port()
    zones = folder / "zones"
    zones.mkdir()
    (zones / f"{ZONE}.zone").write_text(records + more)
    conf = folder / "knot.conf"
    conf.write_text(
        f"server:\n  rundir: {folder}\n  listen: 127.0.0.1@{port}\ndatabase:\n  storage: {folder}\n"
        f"{block('yaml knot').replace('SECRET', SECRET)}"
        f"zone:\n  - domain: {ZONE}\n    storage: {zones}\n    acl: one-record\n"
    )
    with (folder / "knot.log").open("wb") as log:
        process = subprocess.Popen([binary, "-c", str(conf)], stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(port))
        yield port
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0 and bool(values(port, "api"))


def values(port: int, name: str, kind: str = "A") -> list[str]:
    """In the order of the answer, aliases among them."""
    try:
        reply = dns.query.tcp(dns.message.make_query(f"{name}.{ZONE}", kind), "127.0.0.1", port=port, timeout=2)
    except (OSError, EOFError, dns.exception.DNSException):
        return []
    return [str(value) for rrset in reply.answer for value in rrset]
