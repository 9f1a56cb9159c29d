"""Names: an answer lives exactly as long as its TTL, and only signed updates change one."""

from __future__ import annotations

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from asked_names import HOST, KEY, addresses, asked, update
from hypothesis import given
from hypothesis import strategies as st

from secondsite.lab.dns_server import Zone
from secondsite.lab.resolver_process import Cache


def zone() -> Zone:
    return Zone("example.io.", {HOST: {"ttl_s": 60, "addresses": ["127.1.0.81", "127.2.0.81"]}}, KEY)


def test_addresses_take_turns() -> None:
    server = zone()
    assert {addresses(asked(server))[0] for _ in range(64)} == {"127.1.0.81", "127.2.0.81"}


def test_a_signed_update_replaces_the_record() -> None:
    server = zone()
    assert update(server, "127.9.0.1") == dns.rcode.NOERROR
    answer = asked(server)
    assert addresses(answer) == ["127.9.0.1"]
    assert answer.answer[0].ttl == 5


def test_unsigned_wrongly_signed_foreign_and_stuck_updates_change_nothing() -> None:
    server = zone()
    assert update(server, "127.9.0.1", key=None) == dns.rcode.REFUSED
    assert update(server, "127.9.0.1", key=KEY.replace("c2", "d2")) == dns.rcode.NOTAUTH
    assert update(server, "127.9.0.1", name="api.other.io.") == dns.rcode.NOTZONE
    server.obey({"stuck": True})
    assert update(server, "127.9.0.1") == dns.rcode.SERVFAIL
    assert len(addresses(asked(server))) == 2
    server.obey({"stuck": False})
    assert update(server, "127.9.0.1") == dns.rcode.NOERROR


def test_an_unknown_name_is_told_so_and_noise_is_not_answered() -> None:
    assert asked(zone(), "nobody.example.io.").rcode() == dns.rcode.NXDOMAIN
    assert zone().answer(b"\x00") is None


@given(st.integers(1, 300), st.floats(0, 400))
def test_cache_keeps_for_the_ttl_and_not_longer(ttl_s: int, later_s: float) -> None:
    cache = Cache()
    question = (dns.message.make_query(HOST, "A").question[0].name, dns.rdatatype.A)
    cache.put(question, [dns.rrset.from_text(HOST, ttl_s, "IN", "A", "127.1.0.81")], 1000.0)
    found = cache.get(question, 1000.0 + later_s)
    if later_s >= ttl_s:
        assert found is None
    else:
        assert found
        assert 0 < found[0].ttl <= ttl_s
        assert found[0].ttl - 1 < ttl_s - later_s <= found[0].ttl + 1e-6


def test_no_ttl_is_not_kept() -> None:
    cache = Cache()
    question = (dns.message.make_query(HOST, "A").question[0].name, dns.rdatatype.A)
    cache.put(question, [dns.rrset.from_text(HOST, 0, "IN", "A", "127.1.0.81")], 0.0)
    assert cache.get(question, 0.0) is None
