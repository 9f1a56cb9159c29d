"""The servers of one region, as its system account sees them: which there are, and to read their configuration anew."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from nats import errors
from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import JetStream
from secondsite.nats.understood import an_object, understood

_LISTEN_S = 0.3


async def ask_all(
    jetstream: JetStream, subject: str, data: bytes, listen_s: float = _LISTEN_S
) -> list[Mapping[str, Any]]:
    """Every answer that comes in time; raises MachineError."""
    client = jetstream.connection.client
    inbox = client.new_inbox()
    replies: list[Mapping[str, Any]] = []
    try:
        subscription = await client.subscribe(inbox)
        await client.publish(subject, data, reply=inbox)
        end = time.monotonic() + listen_s
        while (left := end - time.monotonic()) > 0:
            try:
                message = await subscription.next_msg(timeout=left)
            except (TimeoutError, errors.TimeoutError):
                break
            if message.data:
                replies += [answer] if isinstance(answer := json.loads(message.data), dict) else []
        await subscription.unsubscribe()
    except (errors.Error, OSError, ValueError, RecursionError) as error:
        what = f"{subject} failed ({type(error).__name__})"
        raise MachineError.at(jetstream.shown, what, "connect as a user of the system account") from None
    return replies


@frozen
class Servers:
    """Of the system account's connection."""

    jetstream: JetStream

    async def running(self) -> dict[str, str]:
        """Names by id; a server that was started anew has a new id."""
        replies = await ask_all(self.jetstream, "$SYS.REQ.SERVER.PING", b"")
        with understood(self.jetstream.shown, "$SYS.REQ.SERVER.PING"):
            servers = [an_object(reply.get("server")) for reply in replies]
        return {str(server["id"]): str(server.get("name", "")) for server in servers if "id" in server}

    async def reload(self, server_id: str) -> None:
        """The server reads its configuration file anew; raises MachineError where it does not, or cannot."""
        subject = f"$SYS.REQ.SERVER.{server_id}.RELOAD"
        client = self.jetstream.connection.client
        try:
            answer = an_object(json.loads((await client.request(subject, b"", timeout=2)).data))
        except (errors.Error, OSError, ValueError, TypeError, RecursionError) as error:
            what = f"{subject} failed ({type(error).__name__})"
            raise MachineError.at(self.jetstream.shown, what, "connect as a user of the system account") from None
        if refusal := answer.get("error"):
            why = refusal.get("description", refusal) if isinstance(refusal, dict) else refusal
            what = f"the server rejects its configuration: {why}"
            raise MachineError.at(self.jetstream.shown, what, "check it with nats-server -t")
