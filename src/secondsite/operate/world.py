"""What an executor may touch, as small protocols: the lab and production are two worlds with the same doors.

A door that a world does not have is None; what it would have done is then done by hand, or refused by the plan:
`secondsite.operate.action.through` alone asks which, and no action.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from secondsite.model.procedure import Step
from secondsite.nats.meta import MetaServer, Rescued
from secondsite.nats.publishing import Outgoing
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import ConsumerState, PublishAnswer, StreamState
from secondsite.secrets.fingerprints import RunKey
from secondsite.stores.postgres_host import Followed
from secondsite.stores.server import StoreServer

Json = Mapping[str, Any]


@frozen
class LeaseReading:
    """The record of the writers' lease with this sequence was there at ``since_s``, on the controller's own clock."""

    sequence: int
    since_s: float


@frozen
class Decision:
    """Who declared the failover, when (seconds since the epoch), and why.

    ``fault_at`` and ``detected_at`` are 0 where they are unknown. ``lease``: what this process saw last of it.
    """

    who: str
    at: float
    why: str
    fault_at: float = 0.0
    detected_at: float = 0.0
    lease: LeaseReading | None = None


class Clock(Protocol):
    """``wall`` is seconds since the epoch; only ``monotonic`` is ever compared within a run."""

    def monotonic(self) -> float: ...

    def wall(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class StreamsDoor(Protocol):
    """The streams of one region; `secondsite.nats.streams.Streams` says what each call means."""

    @property
    def version(self) -> str: ...

    async def stream(self, name: str) -> StreamState | None: ...

    async def create(self, config: Json) -> None: ...

    async def update(self, config: Json) -> None: ...

    async def delete(self, name: str) -> None: ...

    async def purge(self, name: str, *, below: int, subject: str = "") -> None: ...

    async def reaches(self, domain: str, *, insist: bool = True) -> bool: ...

    async def holders(self, subject: str) -> tuple[str, ...]: ...

    async def consumers(self, stream: str) -> tuple[ConsumerState, ...]: ...

    async def consumer(self, stream: str, name: str) -> ConsumerState | None: ...

    async def create_consumer(self, stream: str, config: Json) -> None: ...

    async def reset_consumer(self, stream: str, name: str, sequence: int) -> None: ...

    async def pause_consumer(self, stream: str, name: str, until: str) -> None: ...

    async def delete_consumer(self, stream: str, name: str) -> None: ...

    async def probe(self, subject: str) -> PublishAnswer | None: ...

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> PublishAnswer: ...

    async def publish_all(self, messages: Sequence[Outgoing]) -> list[PublishAnswer | None]: ...

    async def newest(self, stream: str, subject: str) -> StoredMessage | None: ...

    def messages(self, stream: str, first: int, last: int) -> AsyncIterator[StoredMessage]: ...

    def many(self, stream: str, first: int, last: int, *, bodies: bool = True) -> AsyncIterator[StoredMessage]: ...

    def copied(self, stream: str, first: int, last: int) -> AsyncIterator[StoredMessage]: ...


class MetaDoor(Protocol):
    """The meta group as the system account of one region sees it."""

    async def servers(self) -> tuple[MetaServer, ...]: ...

    async def remove(self, server: str) -> None: ...

    async def rescue(self, quorum: int) -> tuple[Rescued, ...]: ...


class Dns(Protocol):
    """The record of the service."""

    async def authoritative(self) -> Mapping[str, tuple[str, ...]]:
        """By authoritative server, the addresses it answers with now."""
        ...

    async def resolved(self) -> Mapping[str, tuple[str, ...]]:
        """By resolver, the addresses that clients behind it get now."""
        ...

    async def addresses(self, region: str) -> tuple[str, ...]:
        """Where the service is in a region."""
        ...

    async def change(self, addresses: tuple[str, ...]) -> None:
        """From what it is a moment before, and from nothing else: what somebody else changed is not overrun."""
        ...

    async def owner(self) -> str:
        """What keeps the record and would revert it; empty where nothing does."""
        ...

    async def may(self) -> str:
        """Why no permission to change it; empty where nothing speaks against it."""
        ...


class RecordDoor(Protocol):
    """The record of the service, only to look at."""

    @property
    def host(self) -> str: ...

    async def now(self) -> tuple[str, ...]:
        """Where it leads clients."""
        ...

    async def of(self, region: str) -> tuple[str, ...]:
        """Where it should lead them for a region; empty where nobody said."""
        ...


@frozen
class Replicas:
    """``floor``: the least that an autoscaler keeps, None without one. ``holds`` are held still by scaling, ``unheld``
    would put it back and are out of reach. ``lacking``: rights that scaling takes and that we do not have.
    """

    wanted: int
    ready: int
    floor: int | None = None
    holds: tuple[str, ...] = ()
    unheld: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    there: bool = True


class Workloads(Protocol):
    def reaches(self, region: str) -> bool: ...

    async def replicas(self, region: str) -> Mapping[str, Replicas]:
        """By service, for those that this world runs."""
        ...

    async def scale(self, region: str, service: str, replicas: int) -> None: ...

    async def rehearse(self, region: str, service: str, replicas: int) -> str:
        """Why scaling would be refused now, as its own server says; empty where it would not. Changes nothing."""
        ...

    async def crowded(self, region: str, more: Mapping[str, int]) -> str:
        """Which of so many further pods, by service, have no place there; empty where all have, or nobody can say."""
        ...


class Secrets(Protocol):
    """Hands out fingerprints, never values."""

    @property
    def refreshes(self) -> bool:
        """Whether it can have a region read its secrets anew."""
        ...

    def run_key(self) -> RunKey:
        """Of one comparison."""
        ...

    async def reference(self, key: bytes) -> Mapping[str, str]:
        """By secret, HMAC-SHA256 under the key of what it should be: the primary's, or the store's."""
        ...

    async def fingerprints(self, region: str, key: bytes) -> Mapping[str, str]: ...

    async def refresh(self, region: str, names: Sequence[str]) -> None:
        """Returns when the region has read each anew; raises MachineError where it has not."""
        ...


@frozen
class PathWrite:
    """One write through the clients' own path. Only status 200 is an acknowledgement of a stored write."""

    status: int
    message_id: str
    stream: str = ""
    sequence: int = 0
    why: str = ""


class ClientPath(Protocol):
    async def write(self) -> PathWrite: ...


class Sites(Protocol):
    """Starts a region's servers, apart from the others or joined with them. Doing it again changes nothing."""

    async def isolate(self, region: str) -> None: ...

    async def join(self, region: str) -> None: ...


class ManualSteps(Protocol):
    """Whoever does what no door can: a person, or a command that a person wrote."""

    async def carry_out(self, step: Step, /) -> str | None:
        """Who did it; None where it is not done, and the run has to wait for it."""
        ...

    def has_command(self, step: Step, /) -> bool:
        """Whether a command does it, so that nobody has to."""
        ...


class Stores(Protocol):
    """The databases that are replicated, in every region that has them."""

    def server(self, region: str, store: str) -> StoreServer:
        """Raises InputError where nobody said where it is."""
        ...

    def kept(self, region: str, store: str) -> Path:
        """A folder that is there and empty, for rows that only this server has."""
        ...

    def rewinds(self, region: str, store: str) -> bool:
        """Whether `follow` can be carried out here, without a person."""
        ...

    async def follow(self, region: str, store: str, serving: str) -> Followed | None:
        """Stop the server, let it follow that of ``serving``, start it; None where nobody here can."""
        ...


class Restorer(Protocol):
    async def restore(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
        """Bring streams back from the newest backup; by stream, "" or why it failed. What exists already is done."""
        ...


class OriginRestorer(Protocol):
    """For data that was destroyed. ``chosen`` are the streams that may be replaced; ``moment`` is from when, and
    ``replaced`` where it is saved what they held."""

    @property
    def chosen(self) -> tuple[str, ...]: ...

    @property
    def moment(self) -> str: ...

    @property
    def replaced(self) -> str: ...

    async def put_back(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
        """In its own place, as it was at the moment; what is there and chosen is saved first."""
        ...

    async def save(self, region: str, stream: str) -> str:
        """Where the stream is saved now, with its messages and consumers."""
        ...


class World(Protocol):
    """``reach_s`` is how long an answer is waited for before a region counts as unreachable."""

    @property
    def clock(self) -> Clock: ...

    @property
    def decision(self) -> Decision: ...

    @property
    def reach_s(self) -> float: ...

    @property
    def bound(self) -> Mapping[str, Any]:
        """What an approval is bound to beside the changes: servers, commands, the clients' path. No secret is in it."""
        ...

    @property
    def manual_steps(self) -> ManualSteps: ...

    @property
    def dns(self) -> Dns | None: ...

    @property
    def record_look(self) -> RecordDoor | None: ...

    @property
    def services(self) -> Workloads | None: ...

    @property
    def secrets(self) -> Secrets | None: ...

    @property
    def path(self) -> ClientPath | None: ...

    @property
    def sites(self) -> Sites | None: ...

    @property
    def restorer(self) -> Restorer | None: ...

    @property
    def origins(self) -> OriginRestorer | None: ...

    @property
    def stores(self) -> Stores | None: ...

    def streams(self, region: str, within_s: float | None = None) -> AbstractAsyncContextManager[StreamsDoor]:
        """Raises MachineError where the region cannot be reached in time, by default within ``reach_s``."""
        ...

    def meta(self, region: str) -> AbstractAsyncContextManager[MetaDoor]: ...
