"""The TSIG key of docs/rights.md on a real Knot DNS: it changes one record, and nothing else there."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dns.exception
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.zone
import knot_server
import pytest
from knot_server import SECRET, ZONE, values

KEYS = dns.tsigkeyring.from_text({"secondsite.": SECRET})
OTHER = dns.tsigkeyring.from_text({"secondsite.": base64.b64encode(b"another one, of the same length.").decode()})


@pytest.fixture
def knot(tmp_path: Path) -> Iterator[int]:
    """The port of a server with the zone, and the rule as the page has it."""
    with knot_server.knot(tmp_path) as port:
        yield port


def taken(port: int, name: str, kind: str, value: str, keys: Mapping[Any, Any] | None) -> bool:
    update = dns.update.UpdateMessage(ZONE, keyring=keys)
    update.replace(name, 60, kind, value)
    try:
        return dns.query.tcp(update, "127.0.0.1", port=port, timeout=30).rcode() == dns.rcode.NOERROR
    except dns.tsig.PeerError:  # how it says that this key may not
        return False


def test_it_moves_one_record_and_nothing_else(knot: int) -> None:
    assert taken(knot, "api", "A", "192.0.2.9", KEYS)
    assert values(knot, "api") == ["192.0.2.9"]
    for name, kind, value in (("www", "A", "192.0.2.9"), ("new", "A", "192.0.2.9"), ("x.api", "A", "192.0.2.9")):
        assert not taken(knot, name, kind, value, KEYS)
    assert not taken(knot, "api", "TXT", '"x"', KEYS)
    assert not taken(knot, "api", "A", "192.0.2.8", None)
    assert not taken(knot, "api", "A", "192.0.2.8", OTHER)
    assert values(knot, "www") == ["192.0.2.2"]
    assert values(knot, "new") == []
    assert values(knot, "api") == ["192.0.2.9"]
    with pytest.raises(dns.exception.DNSException):
        dns.zone.from_xfr(dns.query.xfr("127.0.0.1", ZONE, port=knot, keyring=KEYS, timeout=30))
