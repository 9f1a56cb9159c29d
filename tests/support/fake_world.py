"""Regions in memory: enough of JetStream to run every strategy's procedure, with its refusals and its meta groups.

After each change it is checked that of no stream two copies take writes; before a stream is deleted, that whoever
deletes it has looked since it last changed, and that each of its messages is somewhere else.
"""

from __future__ import annotations

import copy
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, evolve, field

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.procedure import Step
from secondsite.model.strategy import Link
from secondsite.nats.connection import RejectedError
from secondsite.nats.jetstream import RefusedError
from secondsite.nats.meta import MetaServer, Rescued
from secondsite.nats.publishing import Outgoing
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import ConsumerState, PublishAnswer, StreamState
from secondsite.operate.layout import Reach, families, is_writable
from secondsite.operate.positions import STREAM
from secondsite.operate.world import Decision, PathWrite, Replicas
from secondsite.secrets.door import UnrefreshedSecrets
from secondsite.strategies.server_config import servers_of
from secondsite.strategies.stream_config import consumer_config, stream_config

NO_LEADER, OVERLAP, NOT_FOUND = 10008, 10065, 10059


def refused(code: int) -> RefusedError:
    error = RefusedError.at("fake", f"refused ({code})", "none")
    assert isinstance(error, RefusedError)
    error.code = code
    return error


@define
class FakeStream:
    config: dict[str, Any]
    messages: list[StoredMessage]
    last_seq: int
    consumers: dict[str, dict[str, Any]] = field(factory=dict)
    floors: dict[str, int] = field(factory=dict)
    created: str = "first"


@define
class FakeWorld:
    """``dead`` regions do not answer. Streams by region; regions in one ``group`` share a meta leader."""

    deployment: Deployment
    dead: set[str]
    regions: dict[str, dict[str, FakeStream]] = field(factory=dict)
    removed: set[str] = field(factory=set)
    apart: set[str] = field(factory=set)
    """Regions that were started without a way to the others."""
    refusing: dict[str, int] = field(factory=dict)
    """Streams that refuse what is published, with the code."""
    quorum: int | None = None
    record: str = ""
    scaled: dict[str, int] = field(factory=dict)
    carried_out: list[str] = field(factory=list)
    decision: Decision = Decision("tester", 1.0, "a test")
    reach_s: float = 0.0
    slept_s: float = 0.0
    """What was slept passes on this world's clock alone."""
    made: int = 0
    refusing_us: set[str] = field(factory=set)
    refusing_updates: set[str] = field(factory=set)
    seen: dict[tuple[str, str], object] = field(factory=dict)
    bound: Mapping[str, Any] = {}
    dns: Any = None
    services: Any = None
    secrets: Any = None
    path: Any = None
    sites: Any = None
    restorer: Any = None
    origins: Any = None
    stores: Any = None
    record_look: Any = None
    manual_steps: Any = None

    def __attrs_post_init__(self) -> None:
        self.record = self.deployment.primary.region.name
        self.regions = {site.region.name: {} for site in self.deployment.sites}
        for cluster in self.deployment.clusters:
            region = cluster.region or self.record
            for stream in cluster.streams:
                config = copy.deepcopy(dict(stream_config(stream, cluster)))
                messages = [StoredMessage(n, "any", {"Nats-Msg-Id": str(n)}, b"", "") for n in range(1, 4)]
                made = FakeStream(config, messages, 3)
                made.consumers = {c.name: dict(consumer_config(c)) for c in stream.consumers}
                self.regions.setdefault(region, {})[stream.name] = made
        if self.deployment.strategy.link is Link.STRETCH:
            self.regions = dict.fromkeys(self.regions, self.regions[self.record])
        doors = FakeDoors(self)
        self.dns = self.services = self.secrets = self.path = self.sites = self.restorer = self.origins = (
            self.manual_steps
        ) = doors

    @property
    def clock(self) -> FakeWorld:
        return self

    def monotonic(self) -> float:
        return time.monotonic() + self.slept_s

    def wall(self) -> float:
        return time.time() + self.slept_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds

    @asynccontextmanager
    async def streams(self, region: str, within_s: float | None = None) -> AsyncIterator[FakeRegion]:
        del within_s
        if region in self.refusing_us:
            raise RejectedError.at(region, "the server does not know these credentials", "check them")
        if region in self.dead or region not in self.regions:
            raise MachineError.at(region, "no connection", "none")
        yield FakeRegion(self, region)

    @asynccontextmanager
    async def meta(self, region: str) -> AsyncIterator[FakeRegion]:
        async with self.streams(region) as found:
            yield found

    def joined(self) -> bool:
        """Whether all regions share one meta group."""
        return not any(cluster.domain for cluster in self.deployment.clusters)

    def has_leader(self, region: str) -> bool:
        if not self.joined():
            return True
        members = [server for server in servers_of(self.deployment) if server.name not in self.removed]
        beside = {region} if region in self.apart else {one.region for one in members} - self.apart
        alive = [server for server in members if server.region in beside - self.dead]
        return len(alive) >= (self.quorum if self.quorum is not None else len(members) // 2 + 1)

    def check_one_writer(self, name: str = "") -> None:
        """Of one stream, or of all."""
        for family in families(self.deployment):
            mine = not name or name in [one.name for one in (family.origin, *family.copies)]
            if family.reach is not Reach.MIRRORED or not mine:
                continue
            held = [one for one in (family.origin, *family.copies) if one.region not in self.dead]
            found = [(one, self.regions[one.region].get(one.name)) for one in held]
            writable = [one.region for one, stream in found if stream and is_writable(stream.config, family)]
            assert len(writable) <= 1, f"{family.name} is writable in {writable}"

    def check_conserved(self, region: str, gone: FakeStream) -> None:
        """Each message of a stream that is no mirror is in another one: by its id, its salvage's mark, its data.

        Of a work queue what is done may be gone.
        """
        if gone.config.get("mirror") or gone.config.get("retention") == "workqueue":
            return
        kept = {value for held in self.regions.values() for stream in held.values() for value in _names(stream)}
        name = gone.config["name"]
        lost = [m.sequence for m in gone.messages if not _identities(region, str(name), m) & kept]
        assert not lost, f"{name}: the only copies of {lost} are gone"

    def check_somebody_writes(self) -> None:
        """Of every stream with copies, one copy that answers takes writes."""
        for family in families(self.deployment):
            if family.reach is not Reach.MIRRORED:
                continue
            held = [one for one in (family.origin, *family.copies) if one.region not in self.dead]
            found = [self.regions[one.region].get(one.name) for one in held]
            assert any(stream and is_writable(stream.config, family) for stream in found), (
                f"nobody writes {family.name}"
            )

    def end(self) -> Any:
        """What has to be the same however often it was interrupted; a position that is copied twice is the same."""
        streams = {
            (region, name): (_settled(stream.config), name == STREAM or stream.last_seq, sorted(stream.floors.items()))
            for region, held in self.regions.items()
            if region not in self.dead
            for name, stream in held.items()
        }
        return streams, self.record, sorted(self.removed), sorted(self.scaled.items()), set(self.carried_out)


def _as_seen(stream: FakeStream) -> object:
    return stream.created, stream.last_seq, copy.deepcopy(stream.config)


def _identities(region: str, name: str, message: StoredMessage) -> set[object]:
    found: set[object] = {
        message.headers.get("Nats-Msg-Id"),
        f"{region}/{name}/{message.sequence}",
        message.data or None,
    }
    return found - {None}


def _names(stream: FakeStream) -> set[object]:
    found: set[object] = {m.headers.get(key) for m in stream.messages for key in ("Nats-Msg-Id", "Secondsite-Salvaged")}
    return found | {m.data for m in stream.messages}


def _settled(config: Mapping[str, Any]) -> tuple[Any, ...]:
    subjects = tuple(config.get("subjects") or ())
    return bool(config.get("mirror")), subjects, tuple(sorted((config.get("metadata") or {}).items()))


@define
class FakeRegion:
    """The streams and the system account of one region."""

    world: FakeWorld
    region: str
    version: str = "2.15.1"

    @property
    def held(self) -> dict[str, FakeStream]:
        return self.world.regions[self.region]

    def _led(self) -> None:
        if not self.world.has_leader(self.region):
            raise refused(NO_LEADER)

    def _everywhere(self) -> dict[str, tuple[str, FakeStream]]:
        joined = self.world.joined()
        regions = self.world.regions if joined else {self.region: self.held}
        return {name: (region, stream) for region, held in regions.items() for name, stream in held.items()}

    async def stream(self, name: str) -> StreamState | None:
        found = self.held.get(name)
        if found is None and name in self._everywhere():
            raise MachineError.at(self.region, "no answer", "none")
        if found is None:
            return None
        mirror = found.config.get("mirror")
        first = found.messages[0].sequence if found.messages else 1
        silent = 0.0 if mirror else None
        config = copy.deepcopy(found.config)
        self.world.seen[self.region, name] = _as_seen(found)
        look = StreamState(name, config, len(found.messages), first, found.last_seq, "", "leader", 0, silent)
        return evolve(look, created=found.created)

    async def create(self, config: Mapping[str, Any]) -> None:
        self._led()
        self.world.made += 1
        made = FakeStream(copy.deepcopy(dict(config)), [], 0, created=str(self.world.made))
        origin = (config.get("mirror") or {}).get("name")
        for region, held in self.world.regions.items():
            if origin in held and region != self.region and region not in self.world.dead:
                made.messages, made.last_seq = list(held[origin].messages), held[origin].last_seq
        self.held[str(config["name"])] = made
        self.world.check_one_writer(str(config["name"]))

    async def update(self, config: Mapping[str, Any]) -> None:
        self._led()
        name = str(config["name"])
        everywhere = self._everywhere()
        if name not in everywhere:
            raise refused(NOT_FOUND)
        wanted = set(config.get("subjects") or ())
        for other, (_, stream) in everywhere.items():
            if other != name and wanted & set(stream.config.get("subjects") or ()):
                raise refused(OVERLAP)
        region, stream = everywhere[name]
        if region in self.world.refusing_updates:
            raise refused(NO_LEADER)
        stream.config = copy.deepcopy(dict(config))
        self.world.check_one_writer(name)
        if region in self.world.dead:
            raise MachineError.at(self.region, "no answer within 5 s", "none")

    async def delete(self, name: str) -> None:
        self._led()
        found = self.held.get(name)
        if found is None:
            raise refused(NOT_FOUND)
        seen = self.world.seen.get((self.region, name))
        assert seen == _as_seen(found), f"{name} in {self.region} is deleted without a look at it as it is"
        del self.held[name]
        self.world.check_conserved(self.region, found)

    async def purge(self, name: str, *, below: int, subject: str = "") -> None:
        del subject
        stream = self.held[name]
        stream.messages = [m for m in stream.messages if m.sequence >= below]

    async def reaches(self, domain: str, *, insist: bool = True) -> bool:
        regions = [c.region or self.world.record for c in self.world.deployment.clusters if c.domain == domain]
        return any(region not in self.world.dead for region in regions)

    async def holders(self, subject: str) -> tuple[str, ...]:
        self._led()
        return tuple(n for n, (_, s) in self._everywhere().items() if subject in (s.config.get("subjects") or ()))

    async def consumers(self, stream: str) -> tuple[ConsumerState, ...]:
        held = self.held[stream]
        return tuple(_consumer(name, config, held.floors.get(name, 2)) for name, config in held.consumers.items())

    async def consumer(self, stream: str, name: str) -> ConsumerState | None:
        found = self.held[stream].consumers.get(name)
        return None if found is None else _consumer(name, found, self.held[stream].floors.get(name, 2))

    async def create_consumer(self, stream: str, config: Mapping[str, Any]) -> None:
        self._led()
        held, name = self.held[stream], str(config["name"])
        if name not in held.consumers:
            held.floors[name] = int(config.get("opt_start_seq", 1)) - 1
        held.consumers[name] = dict(config)

    async def reset_consumer(self, stream: str, name: str, sequence: int) -> None:
        self._led()
        self.held[stream].floors[name] = sequence - 1

    async def pause_consumer(self, stream: str, name: str, until: str) -> None:
        self._led()
        config = self.held[stream].consumers[name]
        config.pop("pause_until", None)
        if until:
            config["pause_until"] = until

    async def delete_consumer(self, stream: str, name: str) -> None:
        self.held[stream].consumers.pop(name, None)

    async def probe(self, subject: str) -> PublishAnswer | None:
        for name, (region, stream) in self._everywhere().items():
            takes = any(_matches(one, subject) for one in stream.config.get("subjects") or ())
            if takes and not stream.config.get("mirror") and region not in self.world.dead:
                return PublishAnswer(name, self._domain(region), 0, code=10071)
        return None

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> PublishAnswer:
        answer = await self.probe(subject)
        if answer is None:
            raise MachineError.at(self.region, "nobody listens", "none")
        if answer.stream in self.world.refusing:
            return PublishAnswer(answer.stream, answer.domain, 0, code=self.world.refusing[answer.stream], why="full")
        _, stream = self._everywhere()[answer.stream]
        expected = headers.get("Nats-Expected-Last-Subject-Sequence")
        newest = max((m.sequence for m in stream.messages if m.subject == subject), default=0)
        if expected is not None and int(expected) != newest:
            return PublishAnswer(answer.stream, answer.domain, 0, code=10071, why="wrong last sequence")
        stream.last_seq += 1
        stream.messages.append(StoredMessage(stream.last_seq, subject, dict(headers), data, ""))
        return PublishAnswer(answer.stream, answer.domain, stream.last_seq)

    async def publish_all(self, messages: Sequence[Outgoing]) -> list[PublishAnswer | None]:
        answers: list[PublishAnswer | None] = []
        for one in messages:
            listens = await self.probe(one.subject) is not None
            answers.append(await self.publish(one.subject, one.data, one.headers) if listens else None)
        return answers

    async def newest(self, stream: str, subject: str) -> StoredMessage | None:
        found = [m for m in self.held[stream].messages if m.subject == subject]
        return found[-1] if found else None

    async def messages(self, stream: str, first: int, last: int) -> AsyncIterator[StoredMessage]:
        for message in list(self.held[stream].messages):
            if first <= message.sequence <= last:
                yield message

    copied = messages

    def many(self, stream: str, first: int, last: int, *, bodies: bool = True) -> AsyncIterator[StoredMessage]:
        del bodies
        return self.messages(stream, first, last)

    async def servers(self) -> tuple[MetaServer, ...]:
        members = tuple(s.name for s in servers_of(self.world.deployment) if s.name not in self.world.removed)
        alive = [s for s in servers_of(self.world.deployment) if s.region not in self.world.dead]
        leader = alive[0].name if alive and self.world.has_leader(self.region) else ""
        return tuple(
            MetaServer(s.name, s.cluster.name, leader, len(members), 0, members if s.name == leader else ())
            for s in alive
        )

    async def remove(self, server: str) -> None:
        self._led()
        self.world.removed.add(server)
        self.world.quorum = None

    async def rescue(self, quorum: int) -> tuple[Rescued, ...]:
        if self.world.has_leader(self.region):
            return (Rescued("fake", "a leader is known"),)
        self.world.quorum = quorum
        return (Rescued("fake"),)

    def _domain(self, region: str) -> str:
        return next((c.domain for c in self.world.deployment.clusters if c.region == region), "")


def _consumer(name: str, config: Mapping[str, Any], floor: int) -> ConsumerState:
    return ConsumerState(name, {"durable_name": name, **config}, floor, floor, 0, untouched=True)


def _matches(pattern: str, subject: str) -> bool:
    wanted, found = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(found) >= len(wanted) and all(w in (f, "*") for w, f in zip(wanted[:-1], found, strict=False))
    return len(wanted) == len(found) and all(w in (f, "*") for w, f in zip(wanted, found, strict=True))


@define
class FakeDoors(UnrefreshedSecrets):
    """All the other doors: they only remember."""

    world: FakeWorld

    async def authoritative(self) -> Mapping[str, tuple[str, ...]]:
        return {"ns": tuple(self.world.record.split(","))}

    async def resolved(self) -> Mapping[str, tuple[str, ...]]:
        return {"resolver": tuple(self.world.record.split(","))}

    async def addresses(self, region: str) -> tuple[str, ...]:
        return (region,)

    async def owner(self) -> str:
        return ""

    async def may(self) -> str:
        return ""

    async def change(self, addresses: tuple[str, ...]) -> None:
        self.world.record = ",".join(addresses)

    def reaches(self, region: str) -> bool:
        return region in self.world.regions

    async def replicas(self, region: str) -> Mapping[str, Replicas]:
        del region
        return {"api": Replicas(self.world.scaled.get("api", 0), self.world.scaled.get("api", 0))}

    async def rehearse(self, _region: str, _service: str, _replicas: int) -> str:
        return ""

    async def crowded(self, _region: str, _more: Mapping[str, int]) -> str:
        return ""

    async def scale(self, region: str, service: str, replicas: int) -> None:
        del region
        self.world.scaled[service] = replicas

    async def reference(self, key: bytes) -> Mapping[str, str]:
        return {secret.name: key.hex() for secret in self.world.deployment.system.secrets}

    async def fingerprints(self, region: str, key: bytes) -> Mapping[str, str]:
        del region
        return await self.reference(key)

    async def write(self) -> PathWrite:
        return PathWrite(200, "probe")

    async def isolate(self, region: str) -> None:
        self.world.apart.add(region)
        self.world.carried_out.append(f"isolate {region}")

    async def join(self, region: str) -> None:
        self.world.check_one_writer()
        self.world.apart.discard(region)
        self.world.carried_out.append(f"join {region}")

    async def restore(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
        home = self.world.deployment.primary.region.name
        for name in streams:
            self.world.regions[region].setdefault(name, copy.deepcopy(self.world.regions[home][name]))
        return dict.fromkeys(streams, "")

    chosen = ("EVENTS",)
    moment = "before"
    replaced = "replaced"

    async def put_back(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
        for name in streams:
            self.world.made += 1
            self.world.regions[region][name].created = f"restored {self.world.made}"
        return dict.fromkeys(streams, "")

    async def save(self, region: str, stream: str) -> str:
        return f"{region}/{stream}"

    async def carry_out(self, step: Step) -> str | None:
        self.world.carried_out.append(step.id)
        return "tester"

    def has_command(self, _step: Step) -> bool:
        return False
