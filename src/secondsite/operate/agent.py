"""Keeps the positions of consumers where they are needed: beside the mirrors, in the region that may have to take over.

One agent runs in every region, through that region's own servers, from a file that `secondsite render` wrote. For a
stream here that is a mirror it copies the positions of its origin's consumers through the link; for one that takes
writes itself, none. So the roles are never told to an agent: they are seen, and change with a failover or a failback.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

from attrs import asdict, define, evolve, field, frozen

from secondsite.backup.strict import parse, structure
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.nats.jetstream import api_prefix
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import StreamApi
from secondsite.operate.layout import Reach, StreamPlacement, families
from secondsite.operate.positions import copy_positions, make_positions

SCHEMA = "secondsite/agent/1"
EVERY_S = 5.0
_ANSWER_S = 10.0


@frozen
class CopiedStream:
    """A stream of this region and its origin elsewhere: ``prefix`` is the JetStream API through which it is asked."""

    family: str
    here: str
    there: str
    prefix: str


@frozen
class AgentConfig:
    """``replicas`` and ``cluster`` are of the stream that holds the positions; no cluster where none is to be named."""

    region: str
    streams: tuple[CopiedStream, ...]
    replicas: int = 1
    cluster: str = ""


def agent_config(deployment: Deployment, region: str) -> AgentConfig | None:
    """None for a region without streams that are mirrored."""
    mirrored = [family for family in families(deployment) if family.reach is Reach.MIRRORED]
    placements = [(family, here) for family in mirrored if (here := family.at(region))]
    pairs = [(family, here, next(iter(family.others(region)), None)) for family, here in placements]
    streams = tuple(
        CopiedStream(family.name, here.name, there.name, _prefix(here, there)) for family, here, there in pairs if there
    )
    if not streams:
        return None
    clusters = [here.cluster.name for _, here in placements if here.cluster.gateways]
    replicas = max(here.stream.replicas for _, here in placements)
    return AgentConfig(region, streams, replicas, clusters[0] if clusters else "")


def _prefix(here: StreamPlacement, there: StreamPlacement) -> str:
    foreign = there.cluster.domain and there.cluster.domain != here.cluster.domain
    return api_prefix(there.cluster.domain if foreign else None)


def agent_text(config: AgentConfig) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(config)}, indent=2, ensure_ascii=False) + "\n"


def read_agent(path: Path) -> AgentConfig:
    """Raises InputError for what `secondsite render` did not write."""
    try:
        config = parse(path.read_bytes())
        if config["schema"] != SCHEMA:
            raise ValueError(config["schema"])  # noqa: TRY301 # told like everything else that does not fit
        return structure(config, AgentConfig)
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"not an agent configuration ({type(error).__name__})"
        raise InputError.at(str(path), what, "use REGION/agent.json from `secondsite render`") from None


@define
class Agent:
    """``alive`` is a file that is written after every round, whatever came of it: an old one means a stuck agent."""

    config: AgentConfig
    place: NatsPlace
    every_s: float
    report: Callable[[str], None]
    alive: Path | None = None
    _reported: dict[str, str] = field(factory=dict)

    async def keep(self) -> None:
        """Until cancelled. Servers that do not answer are asked again: the positions grow older meanwhile."""
        while True:
            try:
                async with self.place.open() as jetstream:
                    while True:
                        await self.round(StreamApi(jetstream))
                        self._lives()
                        await asyncio.sleep(self.every_s)
            except (MachineError, TimeoutError) as error:
                self._say("servers", str(error) or "no answer in time")
            self._lives()
            await asyncio.sleep(self.every_s)

    async def round(self, streams: StreamApi) -> int:
        """How many positions were copied."""
        self._say("servers", "")
        count = 0
        for stream in self.config.streams:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    count += await self._copy(streams, stream)
            except (MachineError, TimeoutError) as error:
                self._say(stream.family, f"not copied: {str(error) or 'no answer in time'}")
        return count

    async def _copy(self, streams: StreamApi, stream: CopiedStream) -> int:
        here = await streams.stream(stream.here)
        if here is None or not here.is_mirror:
            self._say(stream.family, "takes writes here" if here else "is not here")
            return 0
        await make_positions(streams, self.config.replicas, self.config.cluster)
        origin = StreamApi(evolve(streams.jetstream, prefix=stream.prefix))
        copied = await copy_positions(origin, streams, stream.family, stream.there, time.time())
        self._say(stream.family, f"positions of {copied} consumers are copied")
        return copied

    def _say(self, about: str, what: str) -> None:
        """Once, until it is something else."""
        if self._reported.get(about, "") != what:
            self._reported[about] = what
            if what:
                self.report(f"{about}: {what}")

    def _lives(self) -> None:
        if self.alive is not None:
            self.alive.write_text(f"{time.time():.0f}\n", encoding="utf-8")
