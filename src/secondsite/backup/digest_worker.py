"""Digests an archive from its standard input in a process of its own: decoding is work, and must not hold up the copy.

Run as ``python -m secondsite.backup.digest_worker '{"width": 1024, "upto": null, "only": null}'``; answers in JSON.
``upto`` ends the digest at a sequence; ``only`` lists the messages of these ranges one by one instead.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import asdict

from secondsite.backup.archive import ArchiveError, ArchiveReader, Message, open_message
from secondsite.backup.digest import Digester
from secondsite.backup.s2 import S2Error

READ_BYTES = 256 * 1024
MAX_LISTED = 200_000


def main() -> None:
    request = json.loads(sys.argv[1])
    try:
        answer = _work(request)
    except (S2Error, ArchiveError) as error:
        answer = {"error": str(error)}
    while sys.stdin.buffer.read(READ_BYTES):  # so that the writer never meets a closed pipe
        pass
    json.dump(answer, sys.stdout)


def _work(request: dict[str, Any]) -> dict[str, Any]:
    reader, width, upto = ArchiveReader(), int(request["width"]), request["upto"]
    only = None if request["only"] is None else set(request["only"])
    digester, listed = Digester(width), []
    while piece := sys.stdin.buffer.read(READ_BYTES):
        messages: Iterable[Message] = reader.feed(piece)
        if upto is not None:
            messages = _until(messages, int(upto))
        if only is None:
            digester.add(messages)
        else:
            listed += [_listed(message) for message in messages if message.sequence // width in only]
            del listed[MAX_LISTED:]
    reader.close()
    head = {"state": reader.state, "consumers": reader.consumers}
    return {**head, "listed": listed} if only is not None else {**head, "digest": asdict(digester.result())}


def _until(messages: Iterable[Message], upto: int) -> Iterator[Message]:
    return (message for message in messages if message.sequence <= upto)


def _listed(message: Message) -> tuple[int, int, str, str]:
    """Sequence, time, checksum, and the per-message TTL as its header says it."""
    opened = open_message(message.raw)
    ttl = next(
        (
            line.split(b":", 1)[1].strip()
            for line in opened.headers.split(b"\r\n")
            if line.lower().startswith(b"nats-ttl:")
        ),
        b"",
    )
    return opened.sequence, opened.time_ns, hashlib.sha256(message.raw).hexdigest(), ttl.decode("ascii", "replace")


if __name__ == "__main__":
    main()
