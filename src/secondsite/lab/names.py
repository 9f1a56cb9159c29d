"""The names of a lab: look one up as a client does, change one as its owner does, or make it impossible to change."""

from __future__ import annotations

from collections.abc import Sequence

from secondsite.dns.lookup import Resolved, look_up
from secondsite.lab.control import ask
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError

KEY_NAME = "lab."
_TIMEOUT_S = 2.0


class Names:
    """``key`` signs updates (TSIG, hmac-sha256, named ``lab.``); it is the lab's own and worth nothing elsewhere."""

    def __init__(self, server: Endpoint, control: Endpoint, zone: str, key: str) -> None:
        self.server, self.control, self.zone, self.key = server, control, zone, key

    async def set(self, name: str, addresses: Sequence[str], ttl_s: float) -> None:
        """Replace the record, by a dynamic update; raises MachineError where the server refuses."""
        import dns.asyncquery
        import dns.exception
        import dns.rcode
        import dns.tsigkeyring
        import dns.update

        update = dns.update.UpdateMessage(self.zone, keyring=dns.tsigkeyring.from_text({KEY_NAME: self.key}))
        host = f"{name.rstrip('.')}."
        update.delete(host, "A")
        for address in addresses:
            update.add(host, round(ttl_s), "A", address)
        try:
            answer = await dns.asyncquery.udp(update, self.server.host, port=self.server.port, timeout=_TIMEOUT_S)
        except (dns.exception.DNSException, OSError) as error:
            what = f"the update of {name} was not answered ({type(error).__name__})"
            raise MachineError.at(str(self.server), what, "see dns.log") from None
        if answer.rcode() != dns.rcode.NOERROR:
            what = f"the update of {name} was refused: {dns.rcode.to_text(answer.rcode())}"
            raise MachineError.at(str(self.server), what, "retry, or change the record in another way")

    async def get(self, name: str) -> Resolved | None:
        """As the authoritative server has it."""
        return await look_up(self.server, name)

    async def declare_bad(self, addresses: Sequence[str]) -> None:
        """Their checks fail from now on, and those of all others are what they find; MachineError where it is stuck."""
        if (await ask(self.control, {"bad": list(addresses)}, process="dns"))["stuck"]:
            what = "health checks cannot be changed: the provider's control plane does not answer"
            raise MachineError.at(str(self.server), what, "retry, or move the clients in another way")

    async def stick(self, stuck: bool = True) -> None:
        """From now on the server answers queries and fails every update (SERVFAIL)."""
        await ask(self.control, {"stuck": stuck}, process="dns")
