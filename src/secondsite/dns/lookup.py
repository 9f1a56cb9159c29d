"""One question to one DNS server, asked as a client asks it."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError

_TIMEOUT_S = 2.0


@frozen
class Resolved:
    """``ttl_s`` is what is left of it where a cache answered."""

    addresses: tuple[str, ...]
    ttl_s: float


async def look_up(server: Endpoint, name: str, timeout_s: float = _TIMEOUT_S) -> Resolved | None:
    """None where no such name; raises MachineError where the server does not answer or cannot."""
    import dns.asyncquery
    import dns.exception
    import dns.message
    import dns.rcode
    import dns.rdataclass
    import dns.rdatatype

    try:
        answer = await dns.asyncquery.udp(
            dns.message.make_query(name, "A"), server.host, port=server.port, timeout=timeout_s
        )
    except (dns.exception.DNSException, OSError) as error:
        raise MachineError.at(str(server), f"no answer for {name} ({type(error).__name__})", "see dns.log") from None
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise MachineError.at(
            str(server), f"{name}: {dns.rcode.to_text(answer.rcode())}", "check resolver.log and dns.log"
        )
    # An alias comes before what it leads to, and a record of another class or type is no address.
    sets = [rrset for rrset in answer.answer if (rrset.rdclass, rrset.rdtype) == (dns.rdataclass.IN, dns.rdatatype.A)]
    if not sets:
        return None
    return Resolved(
        tuple(str(value) for rrset in sets for value in rrset), float(min(each.ttl for each in answer.answer))
    )


async def addresses_of(name: str, servers: tuple[Endpoint, ...] = ()) -> tuple[str, ...]:
    """What a client of this machine gets for a name, through every CNAME; an address is its own. ``servers`` instead of
    the resolvers of this machine. Raises MachineError where nobody answers."""
    import dns.asyncresolver
    import dns.exception
    import dns.inet
    import dns.resolver

    if dns.inet.is_address(name):
        return (name,)
    resolver = dns.asyncresolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [server.host for server in servers]
        resolver.nameserver_ports = {server.host: server.port for server in servers}
    try:
        answer = await resolver.resolve(name, "A", lifetime=_TIMEOUT_S, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except (dns.exception.DNSException, OSError) as error:
        what = f"no answer for {name} ({type(error).__name__})"
        raise MachineError.at("DNS", what, "check the resolvers of this machine") from None
    return tuple(sorted(str(value) for value in answer))
