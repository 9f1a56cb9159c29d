"""What a server says of a record now: its addresses, or the name that it is an alias of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondsite.dns.record import HostRecord
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError, MachineError

if TYPE_CHECKING:
    import dns.message

TIMEOUT_S = 2.0
_PORT = 53


def endpoint_of(text: str, place: str) -> Endpoint:
    """HOST or HOST:PORT; raises InputError."""
    host, colon, port = text.rpartition(":")
    if not colon or ":" in host:  # an address with colons of its own is IPv6 without a port
        return Endpoint(text, _PORT)
    if not host or not port.isdigit():
        raise InputError.at(place, f"{text!r} is no server", "write HOST or HOST:PORT")
    return Endpoint(host, int(port))


async def state_at(server: Endpoint, host: str, timeout_s: float = TIMEOUT_S) -> HostRecord | None:
    """None where the server knows no such record; raises MachineError where it does not answer or cannot."""
    answer = await answered(server, host, "A", timeout_s)
    sets = {_kind(one): one for one in answer.answer if one.name.to_text(omit_final_dot=True) == host.rstrip(".")}
    for kind in ("CNAME", "A"):
        if kind in sets:
            values = sorted(value.to_text().rstrip(".") for value in sets[kind])
            return HostRecord(kind, tuple(values), sets[kind].ttl)
    return None


async def texts_at(server: Endpoint, name: str, timeout_s: float = TIMEOUT_S) -> tuple[str, ...]:
    answer = await answered(server, name, "TXT", timeout_s)
    return tuple(
        b"".join(value.strings).decode("utf-8", "replace")
        for one in answer.answer
        if _kind(one) == "TXT"
        for value in one
    )


async def answered(server: Endpoint, name: str, kind: str, timeout_s: float) -> dns.message.Message:
    """Over TCP where an answer does not fit."""
    import dns.asyncquery
    import dns.exception
    import dns.message
    import dns.rcode

    try:
        address = await address_of(server.host)
        question = dns.message.make_query(name, kind)
        answer, _ = await dns.asyncquery.udp_with_fallback(question, address, port=server.port, timeout=timeout_s)
    except (dns.exception.DNSException, OSError, EOFError) as error:
        what = f"no answer for {name} ({type(error).__name__})"
        raise MachineError.at(str(server), what, "check that the server is running and reachable") from None
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        what = f"{name}: {dns.rcode.to_text(answer.rcode())}"
        raise MachineError.at(str(server), what, "check whether it serves this zone") from None
    return answer


async def address_of(host: str) -> str:
    """dnspython asks addresses, not names."""
    from secondsite.dns.lookup import addresses_of

    addresses = await addresses_of(host)
    if not addresses:
        raise MachineError.at(host, "does not resolve to an address", "fix the server's name")
    return addresses[0]


def _kind(rrset: Any) -> str:
    import dns.rdatatype

    return dns.rdatatype.to_text(rrset.rdtype)
