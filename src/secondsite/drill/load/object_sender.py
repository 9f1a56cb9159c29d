"""Objects into an object store, as the clients of JetStream put them: the chunks, then the description.

The description's acknowledgement is the object's. A put that ends before it leaves chunks that nobody finds; old chunks
are left where they are, as nothing here reads them.
"""

from __future__ import annotations

import json

from secondsite.drill.ledger.object_names import digest_of, encoded, name_of
from secondsite.drill.load.nats_sender import NatsSender
from secondsite.drill.load.sending import Attempt, Write

CHUNK_BYTES = 100


class ObjectSender(NatsSender):
    async def send(self, message: Write, user: int) -> Attempt:
        """``message.subject`` is one of the store's; the object has the name of the key."""
        del user
        bucket, content, nuid = message.subject.split(".")[1], message.data.encode(), message.id.replace(".", "-")
        chunks = [content[begin : begin + CHUNK_BYTES] for begin in range(0, len(content), CHUNK_BYTES)]
        for number, chunk in enumerate(chunks):
            # With an id of its own a chunk that is sent again is stored once.
            headers = {"Nats-Msg-Id": f"{message.id}.{number}"}
            attempt = await self.publish(f"$O.{bucket}.C.{nuid}", chunk, headers)
            if not attempt.status.acknowledged:
                return attempt
        name = name_of(message.key)
        about = {
            "name": name,
            "bucket": bucket,
            "nuid": nuid,
            "size": len(content),
            "chunks": len(chunks),
            "digest": digest_of(content),
            "options": {"max_chunk_size": CHUNK_BYTES},
        }
        headers = {"Nats-Msg-Id": message.id, "Nats-Rollup": "sub"}
        return await self.publish(f"$O.{bucket}.M.{encoded(name)}", json.dumps(about).encode(), headers)
