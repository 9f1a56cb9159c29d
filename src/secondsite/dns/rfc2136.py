"""A record changed by dynamic update (RFC 2136): prerequisites make it compare and swap, TSIG says who we are.

Over TCP, so that an update is not carried out twice by a datagram that came late.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from attrs import field, frozen

from secondsite.dns.asking import TIMEOUT_S, address_of, state_at, texts_at
from secondsite.dns.record import HostRecord, RecordConflictError, RecordRefusedError, WantedRecord
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError, MachineError

if TYPE_CHECKING:
    import dns.rcode
    import dns.update

_KEY = re.compile(r'key\s+"?([^"\s{]+)"?\s*\{(.*?)\}', re.DOTALL)
_PART = re.compile(r'(algorithm|secret)\s+"?([^";\s]+)"?\s*;')


@frozen
class TsigKey:
    name: str
    algorithm: str
    secret: str = field(repr=False)


def tsig_key(text: str, place: str) -> TsigKey:
    """``ALGORITHM:NAME:SECRET`` as nsupdate -y takes it, or a file as tsig-keygen writes it. Raises InputError."""
    match = _KEY.search(text)
    if match:
        parts = dict(_PART.findall(match[2]))
        name, algorithm, secret = match[1], parts.get("algorithm", ""), parts.get("secret", "")
    else:
        algorithm, _, rest = text.strip().partition(":")
        name, _, secret = rest.partition(":")
    if not (name and algorithm and secret):
        remedy = "give ALGORITHM:NAME:SECRET, or a file written by tsig-keygen"
        raise InputError.at(place, "is not a TSIG key", remedy)
    return TsigKey(name, algorithm, secret)


@frozen
class DynamicRecord:
    """``server`` is the zone's primary."""

    host: str
    zone: str
    server: Endpoint
    key: TsigKey | None = None
    timeout_s: float = TIMEOUT_S

    @property
    def shown(self) -> str:
        return f"{self.server} (zone {self.zone})"

    async def look(self) -> HostRecord | None:
        return await state_at(self.server, self.host, self.timeout_s)

    async def texts(self, name: str) -> tuple[str, ...]:
        return await texts_at(self.server, name, self.timeout_s)

    async def change(self, expected: HostRecord | None, wanted: WantedRecord, ttl_s: int) -> None:
        update = self._update()
        name = f"{self.host.rstrip('.')}."
        if expected is None:
            update.absent(name)
        else:
            update.present(name, expected.kind, *(_spelt(expected.kind, value) for value in expected.values))
            update.delete(name, expected.kind)
        for value in wanted.values:
            update.add(name, ttl_s, wanted.kind, _spelt(wanted.kind, value))
        await self._send(update)

    async def may(self) -> str:
        """The record is replaced by what it is, if it still is that: our right is checked, and nothing changes."""
        state = await self.look()
        if state is None:
            return ""
        try:
            await self.change(state, WantedRecord(state.values), state.ttl_s)
        except RecordRefusedError as error:
            return error.problems[0].what
        except RecordConflictError:
            return ""
        return ""

    def _update(self) -> dns.update.UpdateMessage:
        import dns.exception
        import dns.name
        import dns.tsig
        import dns.update

        if self.key is None:
            return dns.update.UpdateMessage(self.zone)
        try:
            key = dns.tsig.Key(self.key.name, self.key.secret, self.key.algorithm)
            return dns.update.UpdateMessage(self.zone, keyring={key.name: key}, keyalgorithm=key.algorithm)
        except (dns.exception.DNSException, ValueError):
            raise InputError.at("operate.dns.key", "is not a TSIG key", "give its name, algorithm and base64") from None

    async def _send(self, update: dns.update.UpdateMessage) -> None:
        import dns.exception
        import dns.rcode
        import dns.tsig

        try:
            async with asyncio.timeout(self.timeout_s):
                wire = await self._exchanged(update.to_wire())
            code = self._answered(update, wire)
        except (dns.tsig.PeerError, dns.tsig.BadSignature) as error:
            raise self._refused(type(error).__name__) from None
        except (dns.exception.DNSException, TimeoutError, OSError, EOFError) as error:
            what = f"no answer to the update ({type(error).__name__})"
            raise MachineError.at(self.shown, what, "check whether it was applied") from None
        if code in (dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.YXDOMAIN, dns.rcode.NXDOMAIN):
            what = f"{self.host} changed in the meantime ({dns.rcode.to_text(code)})"
            raise RecordConflictError.at(self.shown, what, "somebody else changed it; read it again")
        if code in (dns.rcode.REFUSED, dns.rcode.NOTAUTH):
            raise self._refused(dns.rcode.to_text(code))
        if code != dns.rcode.NOERROR:
            what = f"the update of {self.host} failed: {dns.rcode.to_text(code)}"
            raise MachineError.at(self.shown, what, "check the log of the server")

    async def _exchanged(self, wire: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(await address_of(self.server.host), self.server.port)
        try:
            writer.write(len(wire).to_bytes(2, "big") + wire)
            return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        finally:
            writer.close()

    def _answered(self, update: dns.update.UpdateMessage, wire: bytes) -> dns.rcode.Rcode:
        """The code of an answer to this update. A server may refuse a key without a signature, as PowerDNS does; that
        something was done is believed of a signed answer only."""
        import dns.exception
        import dns.message
        import dns.rcode

        try:
            answer = dns.message.from_wire(wire, keyring=update.keyring, request_mac=update.mac)
        except dns.exception.FormError:
            answer = dns.message.from_wire(wire)
            if answer.rcode() not in (dns.rcode.REFUSED, dns.rcode.NOTAUTH):
                raise
        if not update.is_response(answer):
            raise EOFError
        return answer.rcode()

    def _refused(self, why: str) -> RecordRefusedError:
        remedy = "give the key that may change this record in `operate: dns: key:` (docs/rights.md)"
        return RecordRefusedError.at(self.shown, f"no permission to change {self.host}: {why}", remedy)


def _spelt(kind: str, value: str) -> str:
    return f"{value.rstrip('.')}." if kind == "CNAME" else value
