"""Digests an archive from its standard input in a process of its own: decoding is work, and must not hold up the copy.

The first line is the request, ``{"width": 1024, "upto": null, "only": null, "sources": false, "tar": null}``; the
answer is JSON. ``upto`` ends the digest at a sequence; ``only`` lists the messages of these ranges one by one instead;
``sources`` asks how far each source had come, ``schedules`` which schedules fire once. ``tar`` is for archives of
servers before 2.15:
``{"first": 1, "gone": null}`` asks what is gone; with its spans the rest is digested.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import asdict

from secondsite.backup.archive import ArchivedMessage, ArchiveError, ArchiveReader, open_message
from secondsite.backup.digest import Digester, runs
from secondsite.backup.s2 import S2Error
from secondsite.backup.scheduled import ScheduledOnce, noting_schedules
from secondsite.backup.sourcing import Position, noting
from secondsite.backup.tar_archive import messages as tar_messages
from secondsite.backup.tar_archive import tombstones

READ_BYTES = 256 * 1024
MAX_LISTED = 200_000


def main() -> None:
    request = json.loads(sys.stdin.buffer.readline())
    response = answer(request, _pieces())
    while sys.stdin.buffer.read(READ_BYTES):  # so that the writer never meets a closed pipe
        pass
    json.dump(response, sys.stdout)


def answer(request: dict[str, Any], pieces: Iterable[bytes]) -> dict[str, Any]:
    """What the request asks of an archive; ``error`` says why it cannot be told."""
    try:
        return _work(request, pieces)
    except (S2Error, ArchiveError) as error:
        return {"error": str(error)}
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # in a part that is JSON
        return {"error": f"the archive contains invalid data ({type(error).__name__})"}


def _work(request: dict[str, Any], pieces: Iterable[bytes]) -> dict[str, Any]:
    tar = request["tar"]
    if tar and tar["gone"] is None:
        return {"gone": runs(tombstones(pieces))}
    width, upto = int(request["width"]), None if request["upto"] is None else int(request["upto"])
    reader = ArchiveReader(framed=request.get("framed", True))
    positions: dict[Position, int] = {}
    once: list[ScheduledOnce] = []
    if tar or request["sources"] or request.get("schedules") or request["only"] is not None:
        messages = _messages(reader, pieces, tar)
        messages = messages if upto is None else (each for each in messages if each.sequence <= upto)
        messages = noting(messages, positions) if request["sources"] else messages
        messages = noting_schedules(messages, once) if request.get("schedules") else messages
        answered = _by_message(messages, width, request["only"])
    else:
        answered = _by_runs(reader, pieces, width, upto)
    if not tar:
        reader.close()
    sources = [[name, pattern, last] for (name, pattern), last in positions.items()]
    return {"consumers": None if tar else reader.consumers, "sources": sources, "schedules": once, **answered}


def _messages(reader: ArchiveReader, pieces: Iterable[bytes], tar: dict[str, Any] | None) -> Iterable[ArchivedMessage]:
    if not tar:
        return (message for piece in pieces for message in reader.feed(piece))
    gone = {sequence for first, last in tar["gone"] for sequence in range(first, last + 1)}
    return tar_messages(pieces, int(tar["first"]), gone)


def _by_runs(reader: ArchiveReader, pieces: Iterable[bytes], width: int, upto: int | None) -> dict[str, Any]:
    digester = Digester(width)
    digester.add_runs(run for piece in pieces for run in reader.runs(piece, width, upto))
    return {"digest": asdict(digester.result())}


def _by_message(messages: Iterable[ArchivedMessage], width: int, only: list[int] | None) -> dict[str, Any]:
    if only is None:
        digester = Digester(width)
        digester.add(messages)
        return {"digest": asdict(digester.result())}
    wanted = set(only)
    listed: list[tuple[int, int, str, str]] = []
    for message in messages:
        if message.sequence // width in wanted and len(listed) < MAX_LISTED:
            listed.append(_listed(message))
    return {"listed": listed}


def _pieces() -> Iterator[bytes]:
    while piece := sys.stdin.buffer.read(READ_BYTES):
        yield piece


def _listed(message: ArchivedMessage) -> tuple[int, int, str, str]:
    """Sequence, time, checksum, and how long it stays: its TTL, or when it fires, as its header says it."""
    opened = open_message(message.raw)
    lines = (line.split(b":", 1) for line in opened.headers.split(b"\r\n") if b":" in line)
    named = {name.lower(): value.strip() for name, value in lines}
    stays = named.get(b"nats-schedule") or named.get(b"nats-ttl") or b""
    return opened.sequence, opened.time_ns, hashlib.sha256(message.raw).hexdigest(), stays.decode("ascii", "replace")


if __name__ == "__main__":
    main()
