"""The TSIG key of docs/rights.md on a real Knot DNS: it changes one record, and nothing else there."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.zone
import pytest
from nats_world import free_port, wait_until
from needed import missing
from rights_page import block

ZONE = "example.io"
SECRET = base64.b64encode(b"of nobody, and thirty-two bytes.").decode()
KEYS = dns.tsigkeyring.from_text({"secondsite.": SECRET})
OTHER = dns.tsigkeyring.from_text({"secondsite.": base64.b64encode(b"another one, of the same length.").decode()})
RECORDS = f"""\
$ORIGIN {ZONE}.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
api A 192.0.2.1
www A 192.0.2.2
"""


@pytest.fixture
def knot(tmp_path: Path) -> Iterator[int]:
    """The port of a server with the zone, and the rule as the page has it."""
    binary = shutil.which("knotd", path="/usr/sbin:/usr/bin") or missing("knot is not installed: apt-get install knot")
    port = free_port()
    zones = tmp_path / "zones"
    zones.mkdir()
    (zones / f"{ZONE}.zone").write_text(RECORDS)
    conf = tmp_path / "knot.conf"
    conf.write_text(
        f"server:\n  rundir: {tmp_path}\n  listen: 127.0.0.1@{port}\ndatabase:\n  storage: {tmp_path}\n"
        f"{block('yaml knot').replace('SECRET', SECRET)}"
        f"zone:\n  - domain: {ZONE}\n    storage: {zones}\n    acl: one-record\n"
    )
    with (tmp_path / "knot.log").open("wb") as log:
        process = subprocess.Popen([binary, "-c", str(conf)], stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(port))
        yield port
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0 and bool(address(port, "api"))


def address(port: int, name: str) -> list[str]:
    try:
        reply = dns.query.tcp(dns.message.make_query(f"{name}.{ZONE}", "A"), "127.0.0.1", port=port, timeout=2)
    except (OSError, EOFError, dns.exception.DNSException):
        return []
    return [str(value) for rrset in reply.answer for value in rrset]


def taken(port: int, name: str, kind: str, value: str, keys: Mapping[Any, Any] | None) -> bool:
    update = dns.update.UpdateMessage(ZONE, keyring=keys)
    update.replace(name, 60, kind, value)
    try:
        return dns.query.tcp(update, "127.0.0.1", port=port, timeout=5).rcode() == dns.rcode.NOERROR
    except dns.tsig.PeerError:  # how it says that this key may not
        return False


def test_it_moves_one_record_and_nothing_else(knot: int) -> None:
    assert taken(knot, "api", "A", "192.0.2.9", KEYS)
    assert address(knot, "api") == ["192.0.2.9"]
    for name, kind, value in (("www", "A", "192.0.2.9"), ("new", "A", "192.0.2.9"), ("x.api", "A", "192.0.2.9")):
        assert not taken(knot, name, kind, value, KEYS)
    assert not taken(knot, "api", "TXT", '"x"', KEYS)
    assert not taken(knot, "api", "A", "192.0.2.8", None)
    assert not taken(knot, "api", "A", "192.0.2.8", OTHER)
    assert address(knot, "www") == ["192.0.2.2"]
    assert address(knot, "new") == []
    assert address(knot, "api") == ["192.0.2.9"]
    with pytest.raises(dns.exception.DNSException):
        dns.zone.from_xfr(dns.query.xfr("127.0.0.1", ZONE, port=knot, keyring=KEYS, timeout=2))
