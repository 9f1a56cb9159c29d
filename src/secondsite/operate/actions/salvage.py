"""What the old primary stored and nobody else has, brought to the stream that serves.

A message counts as there already when the serving stream has, after the sequence at which the two parted, its message
id or the mark of its salvage: so nothing is stored twice, however often this is interrupted, and whatever clients sent
again themselves. What would do harm is refused and listed: an old value of a key that has a newer one, a rollup.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.model.nats import StreamKind
from secondsite.model.procedure import Step
from secondsite.nats.stored import StoredMessage
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, Scope, failed
from secondsite.operate.layout import DIVERGED, Reach, StreamFamily, StreamPlacement
from secondsite.operate.shell import file_word, read, word
from secondsite.operate.world import StreamsDoor

MARK = "Secondsite-Salvaged"
ID = "Nats-Msg-Id"
_ROLLUP = "Nats-Rollup"
_OF_THE_OLD_STREAM = ("Nats-Expected-",)
LISTED = 1000


@frozen
class Refusal:
    sequence: int
    subject: str
    why: str


@frozen
class Salvaged:
    """``present`` were there already. ``refused`` lists the first thousand of ``refusals``."""

    diverged: int
    found: int
    republished: int
    present: int
    refusals: Mapping[str, int]
    refused: tuple[Refusal, ...]

    def facts(self) -> dict[str, Any]:
        return {
            "diverged": self.diverged,
            "found": self.found,
            "republished": self.republished,
            "present": self.present,
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
            told = [await _extent(old, serving, *pair) for pair in pairs]
        return Prospect(changes=(f"salvage what {context.home} has and nobody else",), now=tuple(told))

    async def run(self, context: Context, step: Step) -> Facts:
        done: dict[str, Any] = {}
        pairs = _pairs(context, step)
        if not pairs:
            return {"streams": done}
        async with context.world.streams(context.home) as old, context.world.streams(context.away) as serving:
            for family, source, target in pairs:
                salvaged = await salvage_stream(old, serving, family, source, target)
                if salvaged is not None:
                    done[family.name] = salvaged.facts()
        return {"streams": done}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """Saved whole, and shown how much of it nobody else has: what to republish is for a person to decide."""
        for family, source, target in _pairs(context, step):
            yield read(target.region, f"STREAM.INFO.{target.name}", f".config.metadata[{json.dumps(DIVERGED)}]")
            yield read(source.region, f"STREAM.INFO.{source.name}", "{name: .config.name, last: .state.last_seq}")
            where = f"salvage/{file_word(family.name)}"
            yield f'secondsite backup --context {word(source.region)} --stream {word(source.name)} --to "file://$PWD/{where}"'
        yield "# `secondsite failback` republishes what is after that sequence; the backup keeps it in any case"


def _pairs(context: Scope, step: Step) -> list[tuple[StreamFamily, StreamPlacement, StreamPlacement]]:
    mirrored = [family for family in context.chosen(step) if family.reach is Reach.MIRRORED]
    found = [(family, family.at(context.home), family.at(context.away)) for family in mirrored]
    return [(family, old, new) for family, old, new in found if old and new]


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
    if here is None or DIVERGED not in here.metadata:
        what = f"nobody wrote down where {target.name} parted from its origin"
        raise failed(what, f"find it by comparing both sides, and put {DIVERGED} into the stream's metadata")
    diverged = int(here.metadata[DIVERGED])
    candidates = [message async for message in old.messages(source.name, diverged + 1, there.last_seq)]
    marks, subjects = await _there_since(serving, target.name, diverged, here.last_seq, source, candidates)
    republished = present = 0
    refusals: list[Refusal] = []
    for message in candidates:
        if _identities(source, message) & marks:
            present += 1
        elif (why := _harm(family, message, subjects)) or (why := await _republish(serving, source, target, message)):
            refusals.append(Refusal(message.sequence, message.subject, why))
        else:
            republished += 1
    counted = Counter(refusal.why for refusal in refusals)
    return Salvaged(diverged, len(candidates), republished, present, counted, tuple(refusals[:LISTED]))


async def _there_since(
    serving: StreamsDoor, name: str, diverged: int, last: int, source: StreamPlacement, candidates: list[StoredMessage]
) -> tuple[set[str], set[str]]:
    """Of the candidates: identities that the serving stream has, and subjects on which it has something newer."""
    wanted = {identity for message in candidates for identity in _identities(source, message)}
    keys = {message.subject for message in candidates}
    found: set[str] = set()
    newer: set[str] = set()
    if not candidates:
        return found, newer
    async for message in serving.messages(name, diverged + 1, last):
        found |= wanted & {message.headers.get(MARK, ""), _named(message)}
        if message.subject in keys and MARK not in message.headers:
            newer.add(message.subject)
    return found, newer


def _identities(source: StreamPlacement, message: StoredMessage) -> set[str]:
    return {mark_of(source, message), *filter(None, [_named(message)])}


def _named(message: StoredMessage) -> str:
    name = message.headers.get(ID, "")
    return f"id:{name}" if name else ""


def mark_of(source: StreamPlacement, message: StoredMessage) -> str:
    return f"{source.region}/{source.name}/{message.sequence}"


def _harm(family: StreamFamily, message: StoredMessage, newer: set[str]) -> str:
    if _ROLLUP in message.headers:
        return "a rollup: it would delete what was written since"
    keyed = family.origin.stream.kind is StreamKind.KV or family.origin.stream.max_messages_per_subject == 1
    if keyed and message.subject in newer:
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


def salvage_guard(facts: Facts, family: StreamFamily) -> tuple[Guard, ...]:
    """Nothing of the old primary is wiped before it was salvaged."""
    if family.name in (facts.get("streams") or {}):
        return ()
    what = f"{family.name} of the old primary was not salvaged"
    return (Guard("not-salvaged", what, "salvage first, or give it up: --allow not-salvaged"),)
