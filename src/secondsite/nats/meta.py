"""JetStream's meta group, seen and changed through the system account: who votes, who leads, and what to do without.

Removing servers and rescuing the quorum cannot be undone: when a removed server returns, its streams are deleted
from its disks (nats-server 2.15.1, measured 2026-11).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from secondsite.nats.jetstream import JetStream, RefusedError
from secondsite.nats.servers import ask_all
from secondsite.nats.understood import an_object, count, understood

NOT_A_MEMBER = 10044
_LISTEN_S = 0.3


@frozen
class MetaServer:
    """One server that answered; ``leader`` is whom it believes to lead, "" for nobody."""

    name: str
    cluster: str
    leader: str
    size: int
    quorum: int
    members: tuple[str, ...] = ()


@frozen
class Rescued:
    """What one server answered to the rescue; ``why`` is its refusal."""

    server: str
    why: str = ""


@frozen
class Meta:
    """Of the system account's connection."""

    jetstream: JetStream

    async def servers(self, *, listen_s: float = _LISTEN_S) -> tuple[MetaServer, ...]:
        """All servers with JetStream that answer in time."""
        replies = await ask_all(self.jetstream, "$SYS.REQ.SERVER.PING.JSZ", b"", listen_s)
        with understood(self.jetstream.shown, "$SYS.REQ.SERVER.PING.JSZ"):
            return tuple(_server(reply) for reply in replies if an_object(reply.get("data")).get("meta_cluster"))

    async def remove(self, server: str) -> None:
        """Take a server out of the group; raises RefusedError, or MachineError for unknown. Gone already is done."""
        try:
            await self.jetstream.ask("SERVER.REMOVE", {"peer": server}, timeout_s=2.0)
        except RefusedError as refused:
            if refused.code != NOT_A_MEMBER:
                raise

    async def rescue(self, quorum: int, *, listen_s: float = _LISTEN_S) -> tuple[Rescued, ...]:
        """Ask every server that is left to go on with so many votes; for five minutes (nats-server 2.15)."""
        request = json.dumps({"quorum_needed": quorum}).encode()
        replies = await ask_all(self.jetstream, "$JS.API.META.RESCUE", request, listen_s)
        with understood(self.jetstream.shown, "$JS.API.META.RESCUE"):
            return tuple(
                Rescued(str(reply.get("server", "")), str(an_object(reply.get("error")).get("description", "")))
                for reply in replies
            )


def _server(reply: Mapping[str, Any]) -> MetaServer:
    server, meta = an_object(reply.get("server")), an_object(reply["data"]["meta_cluster"])
    members = [str(peer.get("name", "")) for peer in meta.get("replicas") or ()]
    return MetaServer(
        name=str(server.get("name", "")),
        cluster=str(server.get("cluster", "")),
        leader=str(meta.get("leader") or ""),
        size=count(meta.get("cluster_size") or 0),
        quorum=count(meta.get("quorum_needed") or 0),
        members=tuple(members),
    )
