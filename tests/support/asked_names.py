"""A lab's name server, asked and updated as by its clients, without a socket."""

from __future__ import annotations

import dns.message
import dns.rcode
import dns.tsigkeyring
import dns.update

from secondsite.lab.dns_server import Zone
from secondsite.lab.names import KEY_NAME

KEY = "c2VjcmV0LW9mLXRoZS1sYWItd29ydGgtbm90aGluZw=="
HOST = "api.example.io."


def asked(server: Zone, name: str = HOST) -> dns.message.Message:
    wire = server.answer(dns.message.make_query(name, "A").to_wire())
    assert wire
    return dns.message.from_wire(wire)


def update(server: Zone, address: str, key: str | None = KEY, name: str = HOST) -> dns.rcode.Rcode:
    keyring = dns.tsigkeyring.from_text({KEY_NAME: key}) if key else None
    request = dns.update.UpdateMessage("example.io.", keyring=keyring)
    request.delete(name, "A")
    request.add(name, 5, "A", address)
    wire = server.answer(request.to_wire())
    assert wire
    return dns.message.from_wire(wire, keyring=keyring if key == KEY else None, continue_on_error=True).rcode()


def addresses(message: dns.message.Message) -> list[str]:
    return [str(value) for rrset in message.answer for value in rrset]
