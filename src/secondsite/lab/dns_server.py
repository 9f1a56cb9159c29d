"""The authoritative name server of a lab: A records, changed by signed dynamic updates (RFC 2136) as in production, and
records that follow their health checks, which no update changes.

``python -m secondsite.lab.dns_server FILE``. FILE holds the address, the control address, the zone, the records
and the key. Orders: ``stuck`` refuses updates as a provider's impaired control plane does, ``bad`` names addresses
whose checks are to fail; an empty one counts.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import dns.update

from secondsite.lab.checked_records import checked_records
from secondsite.lab.control import serve_orders
from secondsite.lab.names import KEY_NAME
from secondsite.model.endpoint import Endpoint


class Zone:
    """The A records of one zone. An update is applied as a whole or not at all."""

    def __init__(
        self, origin: str, records: Mapping[str, Mapping[str, Any]], key: str, checked: Mapping[str, Any] = {}
    ) -> None:
        self.origin = dns.name.from_text(origin)
        self.keyring = dns.tsigkeyring.from_text({KEY_NAME: key})
        self.stuck = False
        self.queries = self.updates = 0
        self._records = {
            dns.name.from_text(name): dns.rrset.from_text_list(name, record["ttl_s"], "IN", "A", record["addresses"])
            for name, record in records.items()
        }
        self.checked = {dns.name.from_text(name): checked_records(each) for name, each in checked.items()}

    def answer(self, wire: bytes) -> bytes | None:
        """None for what is no DNS at all."""
        try:
            request = dns.message.from_wire(wire, keyring=self.keyring)
        except dns.exception.DNSException:
            return self._unreadable(wire)
        if request.opcode() == dns.opcode.UPDATE:
            response = dns.message.make_response(request)
            response.set_rcode(self._update(cast(dns.update.UpdateMessage, request)))
        else:
            response = self._query(request)
        return response.to_wire()

    def _unreadable(self, wire: bytes) -> bytes | None:
        """A wrong signature is told so; the client must not take silence for an outage."""
        try:
            request = dns.message.from_wire(wire, keyring=self.keyring, continue_on_error=True, ignore_trailing=True)
        except dns.exception.DNSException:
            return None
        response = dns.message.QueryMessage(id=request.id)
        response.flags = dns.flags.QR
        response.set_opcode(request.opcode())
        response.set_rcode(dns.rcode.NOTAUTH)
        return response.to_wire()

    def _query(self, request: dns.message.Message) -> dns.message.Message:
        self.queries += 1
        response = dns.message.make_response(request)
        response.flags |= dns.flags.AA
        question = request.question[0]
        record = self._record(question.name)
        if record is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            response.answer.append(record)  # dnspython shuffles the addresses of each answer
        return response

    def _record(self, name: dns.name.Name) -> dns.rrset.RRset | None:
        if checked := self.checked.get(name):
            return dns.rrset.from_text_list(name, checked.ttl_s, "IN", "A", checked.answered())
        return self._records.get(name)

    def _update(self, request: dns.update.UpdateMessage) -> dns.rcode.Rcode:
        self.updates += 1
        refusal = self._refusal(request)
        if refusal is None:
            self._apply(request)
        return refusal or dns.rcode.NOERROR

    def _refusal(self, request: dns.update.UpdateMessage) -> dns.rcode.Rcode | None:
        if not request.had_tsig:
            return dns.rcode.REFUSED
        if self.stuck:
            return dns.rcode.SERVFAIL
        if request.prerequisite:
            return dns.rcode.NOTIMP
        if not all(rrset.name.is_subdomain(self.origin) for rrset in request.update):
            return dns.rcode.NOTZONE
        if any(rrset.name in self.checked for rrset in request.update):
            return dns.rcode.REFUSED
        return None if all(_known(rrset) for rrset in request.update) else dns.rcode.NOTIMP

    def _apply(self, request: dns.update.UpdateMessage) -> None:
        for rrset in request.update:
            if rrset.deleting == dns.rdataclass.ANY:
                self._records.pop(rrset.name, None)
            else:
                values = [*self._records.get(rrset.name, ()), *rrset]
                self._records[rrset.name] = dns.rrset.from_rdata_list(rrset.name, rrset.ttl, values)

    def obey(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        self.stuck = bool(order.get("stuck", self.stuck))
        if "bad" in order and not self.stuck:
            for checked in self.checked.values():
                checked.declare(order["bad"])
        return {"stuck": self.stuck, "queries": self.queries, "updates": self.updates}


def _known(rrset: dns.rrset.RRset) -> bool:
    """Add an address, or delete all that a name has."""
    return rrset.rdtype == dns.rdatatype.A and rrset.deleting in (None, dns.rdataclass.ANY)


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, client: tuple[str | Any, int]) -> None:
        answer = self._zone.answer(data)
        if answer is not None:
            self._transport.sendto(answer, client)


async def _run(config: Mapping[str, Any]) -> None:
    random.seed(config["seed"])
    zone = Zone(config["zone"], config["records"], config["key"], config["checked"])
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Datagrams(zone), local_addr=tuple(config["at"]))
    server = await serve_orders(Endpoint(*config["control"]), zone.obey)
    checks = [each.watch() for records in zone.checked.values() for each in records.addresses]
    await asyncio.gather(server.serve_forever(), *checks)


def main() -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
