"""What an operator does to streams: look, create, change, delete, ask whether one takes writes, read and republish.

Every call is one request. A refusal is a RefusedError with the server's code; anything else that fails is a
MachineError and means *unknown*: the request may have been carried out, so look before asking again.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any

from attrs import frozen

from nats import errors
from secondsite.model.errors import MachineError
from secondsite.model.jetstream_config import is_internal
from secondsite.nats.connection import DeniedError
from secondsite.nats.direct import direct_messages
from secondsite.nats.jetstream import JetStream, Json, RefusedError, insisted
from secondsite.nats.publishing import Outgoing, acknowledgements
from secondsite.nats.reading import pulled_messages
from secondsite.nats.stored import StoredMessage, parse_headers
from secondsite.nats.understood import an_object, count, texts, understood

NO_MESSAGE = 10037
NO_CONSUMER = 10014
WRONG_LAST_SEQUENCE = (10070, 10071)

_WINDOW = 64
_NEVER = str(2**63)
_NANOSECONDS = 1_000_000_000


@frozen
class StreamState:
    """One stream as its leader shows it. ``mirror_silent_s``: since it heard from its origin; -1 for never.

    ``follows``: it heard from each of its sources and lacks nothing of them; None where it has none.
    ``answered_at`` is the leader's own clock as it answered; RFC 3339, as all times are. ``created`` tells one life of
    a name from the next.
    """

    name: str
    config: Json
    messages: int
    first_seq: int
    last_seq: int
    last_at: str
    leader: str
    mirror_lag: int | None = None
    mirror_silent_s: float | None = None
    follows: bool | None = None
    answered_at: str = ""
    created: str = ""

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(self.config.get("subjects") or ())

    @property
    def metadata(self) -> Mapping[str, str]:
        metadata: Mapping[str, str] = self.config.get("metadata") or {}
        return metadata

    @property
    def is_mirror(self) -> bool:
        return bool(self.config.get("mirror"))


@frozen
class ConsumerState:
    """``floor`` is the stream sequence up to which everything is acknowledged. ``untouched``: nothing was delivered
    since it was made or its position was set. ``unacknowledged``: delivered, and not yet acknowledged.
    """

    name: str
    config: Json
    floor: int
    delivered: int
    pending: int
    untouched: bool = False
    unacknowledged: int = 0


@frozen
class PublishAnswer:
    """What came back on a publish; ``code`` is 0 where it was stored."""

    stream: str
    domain: str
    sequence: int
    duplicate: bool = False
    code: int = 0
    why: str = ""


@frozen
class StreamApi:
    """The streams of one account, as the servers behind this connection see them."""

    jetstream: JetStream

    @property
    def shown(self) -> str:
        return self.jetstream.shown

    @property
    def version(self) -> str:
        return self.jetstream.version

    async def stream(self, name: str) -> StreamState | None:
        info = await self.jetstream.stream(name)
        with understood(self.shown, f"STREAM.INFO.{name}"):
            return None if info is None else _look(info)

    async def create(self, config: Json) -> None:
        await self.jetstream.ask(f"STREAM.CREATE.{config['name']}", config)

    async def update(self, config: Json) -> None:
        await self.jetstream.ask(f"STREAM.UPDATE.{config['name']}", config)

    async def delete(self, name: str) -> None:
        await self.jetstream.ask(f"STREAM.DELETE.{name}")

    async def purge(self, name: str, *, below: int, subject: str = "") -> None:
        """Remove what lies below the sequence, of one subject or of all."""
        request: dict[str, Any] = {"seq": below}
        await self.jetstream.ask(f"STREAM.PURGE.{name}", request | ({"filter": subject} if subject else {}))

    async def reaches(self, domain: str, *, insist: bool = True) -> bool:
        """Whether the JetStream API of another domain answers here, through the links as they are now.

        ``insist``: that nobody is there is asked again for a moment, as of a server that reads its configuration anew.
        Raises DeniedError for a login that may not ask: that is no silence.
        """
        try:
            await JetStream(self.jetstream.connection, f"$JS.{domain}.API").ask("INFO", timeout_s=1.0, insist=insist)
        except RefusedError:
            return True  # somebody answers there
        except DeniedError:
            raise
        except MachineError:
            return False
        return True

    async def holders(self, subject: str) -> tuple[str, ...]:
        """Names of the streams that are assigned this subject; asks the meta leader."""
        page = await self.jetstream.ask("STREAM.NAMES", {"subject": subject})
        with understood(self.shown, "STREAM.NAMES"):
            return texts(page.get("streams"))

    async def consumers(self, stream: str) -> tuple[ConsumerState, ...]:
        """Those of clients: what servers make for mirrors and sources is nobody's position."""
        listed = await self.jetstream.pages(f"CONSUMER.LIST.{stream}", "consumers")
        with understood(self.shown, f"CONSUMER.LIST.{stream}"):
            return tuple(_consumer(info) for info in listed if not is_internal(str(info["name"])))

    async def consumer(self, stream: str, name: str) -> ConsumerState | None:
        try:
            with understood(self.shown, f"CONSUMER.INFO.{stream}.{name}"):
                return _consumer(await self.jetstream.ask(f"CONSUMER.INFO.{stream}.{name}"))
        except RefusedError as refused:
            if refused.code == NO_CONSUMER:
                return None
            raise

    async def create_consumer(self, stream: str, config: Json) -> None:
        request = {"stream_name": stream, "config": config}
        await self.jetstream.ask(f"CONSUMER.CREATE.{stream}.{config['name']}", request)

    async def reset_consumer(self, stream: str, name: str, sequence: int) -> None:
        """The next message it delivers; its configuration stays (2.14 and later)."""
        await self.jetstream.ask(f"CONSUMER.RESET.{stream}.{name}", {"seq": sequence})

    async def pause_consumer(self, stream: str, name: str, until: str) -> None:
        """Until then (RFC 3339) it delivers nothing; empty: it goes on (2.11 and later)."""
        await self.jetstream.ask(f"CONSUMER.PAUSE.{stream}.{name}", {"pause_until": until} if until else {})

    async def delete_consumer(self, stream: str, name: str) -> None:
        with suppress_refusal(NO_CONSUMER):
            await self.jetstream.ask(f"CONSUMER.DELETE.{stream}.{name}")

    async def probe(self, subject: str, *, within_s: float = 2.0) -> PublishAnswer | None:
        """Whether a stream takes writes on the subject, without a write: the condition it bears can never hold.

        The stream's leader refuses it with "wrong last sequence", and by that shows itself. None: nobody listens.
        """
        try:
            answer = await self.publish(
                subject, b"", {"Nats-Expected-Last-Sequence": _NEVER}, within_s=within_s, insist=False
            )
        except NoStreamListensError:
            return None
        return answer

    async def publish(
        self, subject: str, data: bytes, headers: Mapping[str, str], *, within_s: float = 5.0, insist: bool = True
    ) -> PublishAnswer:
        """Raises NoStreamListensError where no stream takes it; a MachineError means that it may have been stored.

        ``insist``: what no stream takes is sent again for a moment, as other servers hear of a new stream only then.
        """
        client = self.jetstream.connection.client

        async def sent() -> bytes:
            reply = await client.request(subject, data, timeout=within_s, headers=dict(headers) or None)
            return bytes(reply.data)

        try:
            answer = json.loads(await (insisted(sent) if insist else sent()))
        except errors.NoRespondersError:
            remedy = "add this subject to a stream, or connect to the right server"
            raise NoStreamListensError.at(self.shown, f"no stream listens on {subject}", remedy) from None
        except (TimeoutError, errors.TimeoutError):
            remedy = "check that the stream has a leader"
            raise MachineError.at(self.shown, f"no acknowledgement on {subject} in {within_s:g} s", remedy) from None
        except (errors.Error, OSError, ValueError, RecursionError) as error:
            what = f"a publish on {subject} failed ({type(error).__name__})"
            raise MachineError.at(self.shown, what, "check the server's log") from None
        with understood(self.shown, f"a publish on {subject}"):
            return _answer(answer)

    async def publish_all(self, messages: Sequence[Outgoing]) -> list[PublishAnswer | None]:
        """In their order; None where no stream listens. A MachineError means that any of them may have been stored."""
        answers = await acknowledgements(self.jetstream, messages)
        with understood(self.shown, "an acknowledgement"):
            return [None if answer is None else _answer(answer) for answer in answers]

    async def message(self, stream: str, sequence: int) -> StoredMessage | None:
        try:
            with understood(self.shown, f"STREAM.MSG.GET.{stream}"):
                return _stored(await self.jetstream.ask(f"STREAM.MSG.GET.{stream}", {"seq": sequence}))
        except RefusedError as refused:
            if refused.code == NO_MESSAGE:
                return None
            raise

    async def newest(self, stream: str, subject: str) -> StoredMessage | None:
        """The last message on a subject."""
        try:
            with understood(self.shown, f"STREAM.MSG.GET.{stream}"):
                return _stored(await self.jetstream.ask(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject}))
        except RefusedError as refused:
            if refused.code == NO_MESSAGE:
                return None
            raise

    async def messages(self, stream: str, first: int, last: int) -> AsyncIterator[StoredMessage]:
        """All that is there between two sequences, both included, in their order."""
        for begin in range(first, last + 1, _WINDOW):
            end = min(begin + _WINDOW, last + 1)
            messages = await asyncio.gather(*(self.message(stream, sequence) for sequence in range(begin, end)))
            for message in messages:
                if message is not None:
                    yield message

    async def many(self, stream: str, first: int, last: int, *, bodies: bool = True) -> AsyncIterator[StoredMessage]:
        """The same, fast; ``bodies`` only where they are asked for, if the stream can be read so."""
        look = await self.stream(stream)
        if look is not None and look.config.get("retention", "limits") == "limits":
            try:
                async with aclosing(pulled_messages(self.jetstream, stream, first, last, bodies=bodies)) as messages:
                    async for message in messages:
                        first = message.sequence + 1
                        yield message
            except RefusedError:
                pass  # one that allows no more consumers is read as any other
        while (left := await self._from(stream, first, last)) is not None:  # also what a replica that lags left out
            first = min(left.sequence + _WINDOW, last + 1)
            async for message in self.messages(stream, left.sequence, first - 1):
                yield message

    async def _from(self, stream: str, first: int, last: int) -> StoredMessage | None:
        """The first message from there on, as the leader has it."""
        if first > last:
            return None
        try:
            with understood(self.shown, f"STREAM.MSG.GET.{stream}"):
                asked = {"seq": first, "next_by_subj": ">"}
                message = _stored(await self.jetstream.ask(f"STREAM.MSG.GET.{stream}", asked))
        except RefusedError as refused:
            if refused.code == NO_MESSAGE:
                return None
            raise
        return message if message.sequence <= last else None

    def copied(self, stream: str, first: int, last: int) -> AsyncIterator[StoredMessage]:
        """The same as replicas have it, also without a meta leader; one that lags may lack the newest."""
        return direct_messages(self.jetstream, stream, first, last)


class NoStreamListensError(MachineError):
    """No stream has the subject: nothing was stored, for certain."""


class suppress_refusal(suppress):  # noqa: N801 # used as a verb, like the one it extends
    """Takes a refusal with this code for success."""

    def __init__(self, code: int) -> None:
        super().__init__(RefusedError)
        self.code = code

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        return isinstance(error, RefusedError) and error.code == self.code


def _look(info: Json) -> StreamState:
    state, mirror, config = info["state"], an_object(info.get("mirror")), an_object(info["config"])
    texts(config.get("subjects"))
    an_object(config.get("metadata"))
    return StreamState(
        name=_text(config["name"]),
        config=config,
        messages=count(state["messages"]),
        first_seq=count(state["first_seq"]),
        last_seq=count(state["last_seq"]),
        last_at=_text(state.get("last_ts", "")),
        leader=_text(an_object(info.get("cluster")).get("leader", "")),
        mirror_lag=count(mirror.get("lag", 0)) if mirror else None,
        mirror_silent_s=_seconds(int(mirror.get("active", -1))) if mirror else None,
        follows=_follows(info.get("sources") or ()),
        answered_at=_text(info.get("ts", "")),
        created=_text(info.get("created", "")),
    )


def _follows(sources: Sequence[Any]) -> bool | None:
    states = [an_object(source) for source in sources]
    return all(int(one.get("active", -1)) >= 0 and not count(one.get("lag", 0)) for one in states) if states else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _seconds(nanoseconds: int) -> float:
    return -1.0 if nanoseconds < 0 else nanoseconds / _NANOSECONDS


def _consumer(info: Json) -> ConsumerState:
    """Of one that delivered nothing yet, older servers tell the position only where delivery begins, and floor 0."""
    delivered, untouched = count(info["delivered"]["stream_seq"]), not count(info["delivered"]["consumer_seq"])
    floor = count(info["ack_floor"]["stream_seq"])
    return ConsumerState(
        name=_text(info["name"]),
        config=an_object(info["config"]),
        floor=max(floor, delivered) if untouched else floor,
        delivered=delivered,
        pending=count(info.get("num_pending", 0)),
        untouched=untouched,
        unacknowledged=count(info.get("num_ack_pending", 0)),
    )


def _answer(answer: Json) -> PublishAnswer:
    error = an_object(answer.get("error"))
    return PublishAnswer(
        stream=_text(answer.get("stream", "")),
        domain=_text(answer.get("domain", "")),
        sequence=count(answer.get("seq", 0)),
        duplicate=bool(answer.get("duplicate")),
        code=count(error.get("err_code", 0)),
        why=_text(error.get("description", "")),
    )


def _stored(answer: Json) -> StoredMessage:
    message = answer["message"]
    return StoredMessage(
        sequence=count(message["seq"]),
        subject=_text(message["subject"]),
        headers=parse_headers(base64.b64decode(message.get("hdrs") or "")),
        data=base64.b64decode(message.get("data") or ""),
        at=_text(message.get("time", "")),
    )
