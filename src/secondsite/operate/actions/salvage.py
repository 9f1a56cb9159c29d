"""What the old primary stored and nobody else has, brought to the stream that serves.

A message counts as there already when the serving stream has, after the sequence at which the two parted, its message
id or the mark of its salvage: so nothing is stored twice, however often this is interrupted, and whatever clients sent
again themselves. What would do harm there, or is refused, is saved whole in a stream of its own before anything is
deleted: an old value of a key that has a newer one, a rollup, what the stream's limits forbid.

The old primary is read twice, in windows: once for the identities of what it has, once for the messages themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

from attrs import define, field, frozen

from secondsite.model.nats import StreamKind
from secondsite.model.procedure import Step
from secondsite.nats.stored import StoredMessage
from secondsite.operate.action import Context, Facts, ManualContext, Prospect, Scope, failed
from secondsite.operate.actions.unplaced import UNPLACED, make_room, save_unplaced
from secondsite.operate.layout import DIVERGED, Reach, StreamFamily, StreamPlacement, is_writable
from secondsite.operate.shell import file_word, read, word
from secondsite.operate.world import StreamsDoor

MARK = "Secondsite-Salvaged"
ID = "Nats-Msg-Id"
_ROLLUP = "Nats-Rollup"
_OF_THE_OLD_STREAM = ("Nats-Expected-",)
LISTED = 1000
_WINDOW = 64


@frozen
class Refusal:
    sequence: int
    subject: str
    why: str


@define
class Salvaged:
    """Of one stream, up to ``last`` of the old primary. ``present`` were there already.

    ``saved`` were refused by the serving stream and are in the stream for what has no place; ``refused`` lists the
    first thousand of them.
    """

    diverged: int
    last: int
    read: int = 0
    republished: int = 0
    present: int = 0
    saved: int = 0
    refusals: Counter[str] = field(factory=Counter)
    refused: list[Refusal] = field(factory=list)

    def refuse(self, message: StoredMessage, why: str) -> None:
        self.saved += 1
        self.refusals[why] += 1
        if len(self.refused) < LISTED:
            self.refused.append(Refusal(message.sequence, message.subject, why))

    def facts(self, region: str) -> dict[str, Any]:
        return {
            "diverged": self.diverged,
            "last": self.last,
            "found": self.read,
            "republished": self.republished,
            "present": self.present,
            "saved": self.saved,
            "saved_in": f"{UNPLACED} in {region}" if self.saved else "",
            "refusals": dict(self.refusals),
            "refused": [{"sequence": r.sequence, "subject": r.subject, "why": r.why} for r in self.refused],
        }


@frozen
class Salvage:
    async def look(self, context: Context, step: Step) -> Prospect:
        pairs = _pairs(context, step)
        if not pairs:
            return Prospect(now=("no stream has a copy that can have parted from it",))
        async with context.reached(context.home) as old, context.reached(context.away) as serving:
            if old is None or serving is None:
                what = f"{context.home if old is None else context.away} cannot be reached"
                return Prospect(changes=(f"salvage what {context.home} has and nobody else",), now=(what,))
            extents = [await _extent(old, serving, *pair) for pair in pairs]
        return Prospect(changes=(f"salvage what {context.home} has and nobody else",), now=tuple(extents))

    async def run(self, context: Context, step: Step) -> Facts:
        done: dict[str, Any] = {}
        pairs = _pairs(context, step)
        if not pairs:
            return {"streams": done}
        async with context.world.streams(context.home) as old, context.world.streams(context.away) as serving:
            for family, source, target in pairs:
                salvaged = await salvage_stream(old, serving, family, source, target)
                if salvaged is not None:
                    done[family.name] = salvaged.facts(target.region)
        return {"streams": done}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """Saved whole, and shown how much of it nobody else has: what to republish is for a person to decide."""
        for family, source, target in _pairs(context, step):
            yield read(target.region, f"STREAM.INFO.{target.name}", f".config.metadata[{json.dumps(DIVERGED)}]")
            yield read(source.region, f"STREAM.INFO.{source.name}", "{name: .config.name, last: .state.last_seq}")
            to = word(f"salvage/{file_word(family.name)}")
            backup = f"secondsite backup --context {word(source.region)} --stream {word(source.name)}"
            yield f'{backup} --to "file://$PWD/"{to}'
        yield "# `secondsite failback` republishes what is after that sequence; the backup keeps it in any case"


def _pairs(context: Scope, step: Step) -> list[tuple[StreamFamily, StreamPlacement, StreamPlacement]]:
    mirrored = [family for family in context.chosen(step) if family.reach is Reach.MIRRORED]
    pairs = [(family, family.at(context.home), family.at(context.away)) for family in mirrored]
    return [(family, old, new) for family, old, new in pairs if old and new]


async def _extent(
    old: StreamsDoor, serving: StreamsDoor, family: StreamFamily, source: StreamPlacement, target: StreamPlacement
) -> str:
    there, here = await old.stream(source.name), await serving.stream(target.name)
    if there is None or here is None or DIVERGED not in here.metadata:
        return f"{family.name}: nothing parted"
    return f"{family.name}: parted after {here.metadata[DIVERGED]}, the old primary ends at {there.last_seq}"


async def salvage_stream(
    old: StreamsDoor, serving: StreamsDoor, family: StreamFamily, source: StreamPlacement, target: StreamPlacement
) -> Salvaged | None:
    """None where the old primary's stream is gone or is a mirror already. Raises FinalError without a parting."""
    there, here = await old.stream(source.name), await serving.stream(target.name)
    if there is None or there.is_mirror:
        return None
    if is_writable(there.config, family):
        what = f"{source.name} in {source.region} takes writes, so what it has is not all it will have"
        raise failed(what, "fence it first: begin a new failback")
    if here is None or DIVERGED not in here.metadata:
        what = f"nobody wrote down where {target.name} parted from its origin"
        raise failed(what, f"find it by comparing both sides, and put {DIVERGED} into the stream's metadata")
    done = Salvaged(int(here.metadata[DIVERGED]), there.last_seq)
    known = await _known_since(old, serving, source, target, (done.diverged, there.last_seq, here.last_seq))
    if known is None:
        return done
    await make_room(serving, target)
    async for window in _windows(old.messages(source.name, done.diverged + 1, there.last_seq)):
        await asyncio.gather(*(_place(serving, family, source, target, message, known, done) for message in window))
    if done.read != done.present + done.republished + done.saved:
        what = f"{family.name}: of {done.read} messages {done.present + done.republished + done.saved} were placed"
        raise failed(what, "keep the old primary's disks, and resume")
    return done


@define
class _Known:
    """``marks`` of messages that the serving stream has; ``newer``: subjects on which it has something of its own."""

    marks: set[bytes] = field(factory=set)
    newer: set[bytes] = field(factory=set)


async def _known_since(
    old: StreamsDoor, serving: StreamsDoor, source: StreamPlacement, target: StreamPlacement, ends: tuple[int, int, int]
) -> _Known | None:
    """Of what the old primary has after the parting; None where it has nothing."""
    diverged, old_last, serving_last = ends
    wanted: set[bytes] = set()
    async for message in old.messages(source.name, diverged + 1, old_last):
        wanted |= {*_identities(source, message), _digest(message.subject)}
    if not wanted:
        return None
    known = _Known()
    async for message in serving.messages(target.name, diverged + 1, serving_last):
        known.marks |= wanted & {_digest(message.headers.get(MARK, "")), _digest(_named(message))}
        subject = _digest(message.subject)
        if subject in wanted and MARK not in message.headers:
            known.newer.add(subject)
    return known


async def _windows(messages: AsyncIterator[StoredMessage]) -> AsyncIterator[list[StoredMessage]]:
    """So many are on their way at once, and no more in memory."""
    window: list[StoredMessage] = []
    async for message in messages:
        window.append(message)
        if len(window) == _WINDOW:
            yield window
            window = []
    if window:
        yield window


async def _place(
    serving: StreamsDoor,
    family: StreamFamily,
    source: StreamPlacement,
    target: StreamPlacement,
    message: StoredMessage,
    known: _Known,
    done: Salvaged,
) -> None:
    done.read += 1
    if _identities(source, message) & known.marks:
        done.present += 1
    elif why := (_harm(family, message, known.newer) or await _republish(serving, source, target, message)):
        await save_unplaced(serving, mark_of(source, message), source, message, why)
        done.refuse(message, why)
    else:
        done.republished += 1


def _identities(source: StreamPlacement, message: StoredMessage) -> set[bytes]:
    return {_digest(mark_of(source, message)), *([_digest(_named(message))] if _named(message) else [])}


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _named(message: StoredMessage) -> str:
    name = message.headers.get(ID, "")
    return f"id:{name}" if name else ""


def mark_of(source: StreamPlacement, message: StoredMessage) -> str:
    return f"{source.region}/{source.name}/{message.sequence}"


def _harm(family: StreamFamily, message: StoredMessage, newer: set[bytes]) -> str:
    if _ROLLUP in message.headers:
        return "a rollup: it would delete what was written since"
    keyed = family.origin.stream.kind is StreamKind.KV or family.origin.stream.max_messages_per_subject == 1
    if keyed and _digest(message.subject) in newer:
        return "the key has a newer value"
    return ""


async def _republish(
    serving: StreamsDoor, source: StreamPlacement, target: StreamPlacement, message: StoredMessage
) -> str:
    """Why the stream refused it; "" where it is there now, stored or recognised by its id."""
    kept = {key: value for key, value in message.headers.items() if not key.startswith(_OF_THE_OLD_STREAM)}
    mark = mark_of(source, message)
    headers = {ID: f"secondsite-{mark}", **kept, MARK: mark}
    answer = await serving.publish(message.subject, message.data, headers)
    if answer.code:
        return f"refused by the server: {answer.why} ({answer.code})"
    if answer.stream != target.name:
        return f"stored by another stream: {answer.stream}"
    return ""
