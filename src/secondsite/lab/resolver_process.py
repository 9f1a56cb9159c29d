"""A caching resolver that keeps an answer exactly as long as its TTL says, and tells clients what is left of it.

``python -m secondsite.lab.resolver_process HOST PORT UPSTREAM_HOST UPSTREAM_PORT SEED``. The order of several
addresses in an answer is drawn anew each time, by the seed.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from contextlib import suppress
from typing import Any, cast

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from secondsite.model.endpoint import Endpoint

_UPSTREAM_TIMEOUT_S = 2.0
Question = tuple[dns.name.Name, dns.rdatatype.RdataType]


class Cache:
    """Answers by question, with the monotonic time at which each ends."""

    def __init__(self) -> None:
        self._kept: dict[Question, tuple[float, list[dns.rrset.RRset]]] = {}

    def put(self, question: Question, answer: list[dns.rrset.RRset], now_s: float) -> None:
        """An answer without a TTL, or with 0, is not kept."""
        ttl_s = min((rrset.ttl for rrset in answer), default=0)
        if ttl_s > 0:
            self._kept[question] = (now_s + ttl_s, answer)

    def get(self, question: Question, now_s: float) -> list[dns.rrset.RRset] | None:
        """With the TTL that is left, rounded up: a client is never told 0 for what is still good."""
        ends_s, answer = self._kept.get(question, (0.0, []))
        left_s = ends_s - now_s
        if left_s <= 0:
            self._kept.pop(question, None)
            return None
        return [dns.rrset.from_rdata_list(rrset.name, int(-(-left_s // 1)), list(rrset)) for rrset in answer]


class Resolver(asyncio.DatagramProtocol):
    def __init__(self, upstream: Endpoint) -> None:
        self._upstream = upstream
        self._cache = Cache()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, client: tuple[str | Any, int]) -> None:
        with suppress(dns.exception.DNSException):
            request = dns.message.from_wire(data)
            if request.question:
                task = asyncio.ensure_future(self._answer(request, client))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: dns.message.Message, client: tuple[str | Any, int]) -> None:
        response = dns.message.make_response(request, recursion_available=True)
        question = (request.question[0].name, request.question[0].rdtype)
        cached = self._cache.get(question, time.monotonic())
        if cached is None:
            cached = await self._ask(request.question[0], response)
            self._cache.put(question, cached, time.monotonic())
        response.answer = cached
        self._transport.sendto(response.to_wire(), client)

    async def _ask(self, question: dns.rrset.RRset, response: dns.message.Message) -> list[dns.rrset.RRset]:
        query = dns.message.make_query(question.name, question.rdtype)
        try:
            answer = await dns.asyncquery.udp(
                query, self._upstream.host, timeout=_UPSTREAM_TIMEOUT_S, port=self._upstream.port
            )
        except (dns.exception.DNSException, OSError):
            response.set_rcode(dns.rcode.SERVFAIL)
            return []
        response.set_rcode(answer.rcode())
        return answer.answer


async def _run(at: Endpoint, upstream: Endpoint) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Resolver(upstream), local_addr=(at.host, at.port))
    await asyncio.Event().wait()


def main() -> None:
    host, port, upstream, upstream_port, seed = sys.argv[1:]
    random.seed(seed)
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(Endpoint(host, int(port)), Endpoint(upstream, int(upstream_port))))


if __name__ == "__main__":
    main()
