"""One stream's salvage: what the old primary has after the parting, placed in the stream that serves or beside it.

A share of it at a time, so that memory does not grow with the stream: its identities are read first, then what the
serving stream has of them, then the messages themselves, which are published many at once and in their order. How far
it came is noted as it goes; whoever resumes goes on from there, and finds what was placed since by its mark.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from secondsite.model.errors import MachineError
from secondsite.model.nats import StreamKind
from secondsite.model.wording import counted
from secondsite.nats.publishing import Outgoing
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import WRONG_LAST_SEQUENCE, PublishAnswer, StreamState
from secondsite.operate.action import Facts, failed
from secondsite.operate.actions.unplaced import UNPLACED, make_room, save_unplaced
from secondsite.operate.layout import DIVERGED, StreamFamily, StreamPlacement, is_writable, matches
from secondsite.operate.world import StreamsDoor

MARK = "Secondsite-Salvaged"
ID = "Nats-Msg-Id"
CURSOR = "cursor"
_ROLLUP = "Nats-Rollup"
_OF_THE_OLD_STREAM = ("Nats-Expected-",)
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_HARM = "a rollup, which would delete newer writes"
_NEWER = "the key has a newer value"
LISTED = 1000


@frozen
class SalvagePace:
    """Messages: ``share`` is how many identities are in memory, ``window`` how many are on their way at once; a cursor
    is noted about every ``cursor``.
    """

    share: int = 250_000
    window: int = 1000
    window_bytes: int = 4 * 1024**2
    cursor: int = 20_000


PACE = SalvagePace()


@frozen
class Refusal:
    sequence: int
    subject: str
    why: str


@define
class Salvaged:
    """Of one stream, up to ``last`` of the old primary. ``present`` were there already; ``upto`` is how far it is.

    ``saved`` were refused by the serving stream and are in the stream for what has no place; ``refused`` lists the
    first thousand of them.
    """

    diverged: int
    last: int
    upto: int
    read: int = 0
    republished: int = 0
    present: int = 0
    saved: int = 0
    refusals: Counter[str] = field(factory=Counter)
    refused: list[Refusal] = field(factory=list)
    listed: int = 0

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

    @classmethod
    def of(cls, facts: Facts) -> Salvaged:
        """Without the list of what was refused."""
        names = ("diverged", "last", "upto", "republished", "present", "saved")
        numbers: dict[str, Any] = {name: int(facts[name]) for name in names}
        return cls(**numbers, read=int(facts["found"]), refusals=Counter(facts["refusals"]))


@define
class _Share:
    """Some messages of the old primary, up to ``end``, and their message ids. ``known`` are those that the serving
    stream has too, ``marked`` the sequences that were salvaged before.
    """

    begin: int
    end: int
    ids: set[bytes] = field(factory=set)
    known: set[bytes] = field(factory=set)
    marked: set[int] = field(factory=set)
    count: int = 0

    def has(self, message: StoredMessage) -> bool:
        """Whether the serving stream does."""
        if message.sequence in self.marked:
            return True
        name = message.headers.get(ID)
        return name is not None and _digest(name) in self.known


@frozen
class Salvaging:
    """One stream, from ``source`` to ``target``. ``note`` is called with each cursor."""

    old: StreamsDoor
    serving: StreamsDoor
    family: StreamFamily
    source: StreamPlacement
    target: StreamPlacement
    note: Callable[[Facts], None]
    pace: SalvagePace = PACE
    progressed: Callable[[], None] = lambda: None

    async def run(self, noted: Iterable[Facts] = ()) -> Salvaged | None:
        """None where the old primary's stream is gone or is a mirror already. Raises FinalError without a parting."""
        there, here = await self.old.stream(self.source.name), await self.serving.stream(self.target.name)
        if there is None or there.is_mirror:
            return None
        done = self._begun(there, self._parting(there, here), noted)
        while done.upto < done.last:
            await self._share(done, there.created)
        placed = done.present + done.republished + done.saved
        if done.read != placed:
            what = f"{self.family.name}: {placed} of {counted(done.read, 'messages')} were placed"
            raise failed(what, "keep the old primary's disks, then resume")
        return done

    def _parting(self, there: StreamState, here: StreamState | None) -> int:
        if is_writable(there.config, self.family):
            what = f"{self.source.name} in {self.source.region} still accepts writes, so a salvage would be incomplete"
            raise failed(what, "start a new failback, which fences it first")
        if here is None or DIVERGED not in here.metadata:
            what = f"it is not recorded where {self.target.name} diverged from its origin"
            raise failed(what, f"find it by comparing both sides, and write {DIVERGED} to the stream's metadata")
        return int(here.metadata[DIVERGED])

    def _begun(self, there: StreamState, diverged: int, noted: Iterable[Facts]) -> Salvaged:
        """How far earlier attempts came with this very stream; each cursor lists what was refused since the last."""
        done = Salvaged(diverged, there.last_seq, diverged)
        for facts in (one[CURSOR] for one in noted if CURSOR in one):
            attempt = (facts["stream"], facts["created"], facts["diverged"])
            if attempt == (self.family.name, there.created, diverged):
                refused = [*done.refused, *_refused(facts)]
                done = evolve(Salvaged.of(facts), last=there.last_seq, refused=refused, listed=len(refused))
        return done

    async def _share(self, done: Salvaged, created: str) -> None:
        share = await self._wanted(done)
        if share.count:
            await self._look_for(share, done.diverged)
            await make_room(self.serving, self.target)
            await self._place_all(share, done, created)
        done.upto = share.end
        self._noted(done, created)

    async def _wanted(self, done: Salvaged) -> _Share:
        share = _Share(done.upto + 1, done.last)
        async for message in self.old.many(self.source.name, share.begin, done.last, bodies=False):
            share.count += 1
            self._counted(share.count)
            if name := message.headers.get(ID):
                share.ids.add(_digest(name))
            if share.count == self.pace.share:
                share.end = message.sequence
                break
        return share

    def _counted(self, number: int) -> None:
        if number % self.pace.window == 0:
            self.progressed()

    async def _look_for(self, share: _Share, diverged: int) -> None:
        """What the serving stream has of it, up to where it is now."""
        prefix = mark_of(self.source, 0)[:-1]
        here = await self.serving.stream(self.target.name)
        last = here.last_seq if here else 0
        async for message in self.serving.many(self.target.name, diverged + 1, last, bodies=False):
            self._counted(message.sequence)
            mark = message.headers.get(MARK, "")
            if mark.startswith(prefix) and share.begin <= int(mark.removeprefix(prefix)) <= share.end:
                share.marked.add(int(mark.removeprefix(prefix)))
            if share.ids and (digest := _digest(message.headers.get(ID, ""))) in share.ids:
                share.known.add(digest)

    async def _place_all(self, share: _Share, done: Salvaged, created: str) -> None:
        noted_at = done.read
        async for window in self._windows(self.old.many(self.source.name, share.begin, share.end)):
            await self._place(window, share, done)
            done.upto = window[-1].sequence
            if done.read - noted_at >= self.pace.cursor:
                self._noted(done, created)
                noted_at = done.read

    def _noted(self, done: Salvaged, created: str) -> None:
        facts = done.facts(self.target.region)
        own = {"stream": self.family.name, "created": created, "upto": done.upto}
        self.note({**facts, **own, "refused": facts["refused"][done.listed :]})
        done.listed = len(done.refused)

    async def _windows(self, messages: AsyncIterator[StoredMessage]) -> AsyncIterator[list[StoredMessage]]:
        """So many are on their way at once, and no more in memory; of one key never two."""
        window: list[StoredMessage] = []
        size, subjects = 0, set[str]()
        async for message in messages:
            full = len(window) >= self.pace.window or size >= self.pace.window_bytes
            if window and (full or (self._keyed and message.subject in subjects)):
                yield window
                window, size = [], 0
                subjects.clear()
            window.append(message)
            size += len(message.data)
            subjects.add(message.subject)
        if window:
            yield window

    @property
    def _keyed(self) -> bool:
        stream = self.family.origin.stream
        return stream.kind is StreamKind.KV or stream.max_messages_per_subject == 1

    async def _place(self, window: list[StoredMessage], share: _Share, done: Salvaged) -> None:
        done.read += len(window)
        new = [message for message in window if not share.has(message)]
        done.present += len(window) - len(new)
        refused = {message.sequence: _HARM for message in new if _ROLLUP in message.headers}
        left = [message for message in new if message.sequence not in refused]
        expected = await self._newest(left, done.diverged, refused) if self._keyed else {}
        left = [message for message in left if message.sequence not in refused]
        outgoing = [self._outgoing(message, expected.get(message.subject)) for message in left]
        answers = await self.serving.publish_all(outgoing) if outgoing else []
        for message, answer in zip(left, answers, strict=True):
            if why := await self._why_not(message, answer):
                refused[message.sequence] = why
        kept = [message for message in new if message.sequence in refused]
        await asyncio.gather(*(self._save(message, refused[message.sequence]) for message in kept))
        for message in kept:
            done.refuse(message, refused[message.sequence])
        done.republished += len(new) - len(kept)

    async def _save(self, message: StoredMessage, why: str) -> None:
        await save_unplaced(self.serving, mark_of(self.source, message.sequence), self.source, message, why)

    async def _newest(self, messages: list[StoredMessage], diverged: int, refused: dict[int, str]) -> Mapping[str, int]:
        """By key the sequence of what it has now, where that is no newer value: nobody's value may be overwritten."""
        current = await asyncio.gather(*(self.serving.newest(self.target.name, one.subject) for one in messages))
        for message, newest in zip(messages, current, strict=True):
            if newest and newest.sequence > diverged and MARK not in newest.headers:
                refused[message.sequence] = _NEWER
        pairs = zip(messages, current, strict=True)
        return {message.subject: newest.sequence if newest else 0 for message, newest in pairs}

    def _outgoing(self, message: StoredMessage, expected: int | None) -> Outgoing:
        kept = {key: value for key, value in message.headers.items() if not key.startswith(_OF_THE_OLD_STREAM)}
        mark = mark_of(self.source, message.sequence)
        condition = {} if expected is None else {_EXPECTED: str(expected)}
        return Outgoing(message.subject, message.data, {ID: f"secondsite-{mark}", **kept, **condition, MARK: mark})

    async def _why_not(self, message: StoredMessage, answer: PublishAnswer | None) -> str:
        """Why the stream refused it; "" where it is there now, stored or recognised by its id."""
        if answer is None:
            here = await self.serving.stream(self.target.name)
            if here is None or any(matches(subject, message.subject) for subject in here.subjects):
                what = f"no answer on {message.subject}, which {self.target.name} listens on"
                raise MachineError.at("", what, f"check that {self.target.name} has a leader, then resume")
            return f"no stream listens on {message.subject}"
        if answer.code in WRONG_LAST_SEQUENCE and self._keyed:
            return _NEWER
        if answer.code:
            return f"refused by the server: {answer.why} ({answer.code})"
        return "" if answer.stream == self.target.name else f"stored by another stream: {answer.stream}"


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def mark_of(source: StreamPlacement, sequence: int) -> str:
    return f"{source.region}/{source.name}/{sequence}"


def _refused(facts: Facts) -> list[Refusal]:
    return [Refusal(int(one["sequence"]), str(one["subject"]), str(one["why"])) for one in facts["refused"]]
