"""The meta group and its elections: give it back its majority, free the subjects of lost origins, wait for leaders.

A request to a group that is losing its leader may time out and be carried out all the same: every timeout here is
unknown, and the answer to unknown is to look.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from functools import partial
from typing import Any

from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.model.nats_release import Feature, Support, since, supports
from secondsite.model.procedure import QuorumMethod, Step
from secondsite.nats.jetstream import STREAM_NOT_FOUND, RefusedError
from secondsite.nats.meta import MetaServer
from secondsite.operate.action import ANSWER_S, Context, Facts, Guard, ManualContext, Prospect, Scope, failed, until
from secondsite.operate.layout import StreamFamily, StreamPlacement, fenced_subject, probe_subject
from secondsite.operate.shell import changed, nats, read, word
from secondsite.operate.world import MetaDoor, StreamsDoor
from secondsite.strategies.server_config import servers_of
from secondsite.strategies.stream_config import stream_config

_UNANSWERED_S = 0.7


@frozen
class RestoreQuorum:
    async def look(self, context: Context, step: Step) -> Prospect:
        region = step.region or context.away
        guards: list[Guard] = []
        if step.method not in (QuorumMethod.RESCUE, QuorumMethod.REMOVE_PEERS):
            what = f"{step.method or 'no method'} cannot restore the majority of a meta group, or destroys it"
            guards.append(
                Guard("no-quorum-method", what, "rescue it (2.15), or remove the lost servers", absolute=True)
            )
        async with context.reached(region) as door:
            rescues = supports(door.version, Feature.META_RESCUE) if door else Support.UNKNOWN
        if step.method is QuorumMethod.RESCUE and rescues is Support.NO:
            what = f"nats-server in {region} has no rescue; {since(Feature.META_RESCUE)} has"
            guards.append(Guard("server-too-old", what, "upgrade first, or restore from a backup", absolute=True))
        lost = ", ".join(sorted(lost_servers(context)))
        change = (
            f"remove from the meta group those of {lost} that do not answer; if they return, they join as new servers"
        )
        return Prospect(changes=(change,), guards=tuple(guards))

    async def run(self, context: Context, step: Step) -> Facts:
        """Remove the lost servers where a leader survived; rescue the group where none did.

        A region that is alive and useless still votes: the group then has its leader, a rescue is refused, and a
        server that answers is not removed, as its streams would be deleted under it.
        """
        region, lost = step.region or context.away, lost_servers(context)
        rescued: list[str] = []
        removed: set[str] = set()
        heard: set[str] = set()
        begun = context.world.clock.monotonic()
        async with context.world.meta(region) as door:

            async def restored() -> bool:
                servers = await door.servers()
                heard.update(server.name for server in servers)
                leader = next((server for server in servers if server.leader == server.name), None)
                if leader is None:
                    rescued.extend(await self._rescue(step, door, servers, lost))
                    return False
                silent = {member for member in leader.members if member in lost} - heard
                if silent and context.world.clock.monotonic() - begun >= context.world.reach_s:
                    await self._remove(door, silent, removed)
                return not silent

            await until(context, restored)
        facts = {"region": region, "removed": sorted(removed), "rescued_by": sorted(set(rescued))}
        return facts | {"still_voting": sorted(heard & lost)}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        system = nats(context.region_of(step), system=True)
        lost = lost_servers(context)
        yield f"{system} server report jetstream"
        if step.method is QuorumMethod.RESCUE:
            left = sum(1 for server in servers_of(context.deployment) if server.name not in lost)
            yield "# refused while the group has a leader: then it has its majority and needs no rescue"
            body = word(f'{{"quorum_needed": {left}}}')
            yield f"{system} request --raw --replies 0 {word('$JS.API.META.RESCUE')} {body}"
        yield "# only servers that do not answer: data that only their disks hold is erased when they rejoin"
        for name in sorted(lost):
            body = word(json.dumps({"peer": name}))
            yield f"{system} request --raw {word('$JS.API.SERVER.REMOVE')} {body} | jq .success"

    async def _rescue(
        self, step: Step, door: MetaDoor, servers: tuple[MetaServer, ...], lost: frozenset[str]
    ) -> list[str]:
        """Refused while a leader is thought to be known, which passes: it is asked again."""
        survivors = [server for server in servers if server.name not in lost]
        if step.method is not QuorumMethod.RESCUE or not survivors:
            return []
        return [one.server for one in await door.rescue(len(survivors)) if not one.why]

    async def _remove(self, door: MetaDoor, silent: set[str], removed: set[str]) -> None:
        for name in sorted(silent):
            await door.remove(name)
            removed.add(name)


def lost_servers(context: Scope) -> frozenset[str]:
    return frozenset(server.name for server in servers_of(context.deployment) if server.region == context.home)


@frozen
class FreeSubjects:
    async def look(self, context: Context, step: Step) -> Prospect:
        changes = [
            f"{family.name}: the lost origin's subjects {', '.join(family.subjects)} -> {fenced_subject(family.origin)}"
            for family in context.chosen(step)
        ]
        return Prospect(changes=tuple(changes))

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.away
        chosen = context.chosen(step)
        async with context.world.streams(region) as door:
            for family in chosen:
                await self._free(context, door, family, region)
        return {"region": region, "freed": [family.name for family in chosen]}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        region = context.region_of(step)
        yield "# no answer does not mean it was refused: check whether it was applied before you retry"
        for family in context.chosen(step):
            yield changed(region, f"STREAM.UPDATE.{family.origin.name}", _freed_config(family))
            for subject in family.subjects:
                yield read(region, "STREAM.NAMES", "{total, streams}", {"subject": subject})

    async def _free(self, context: Context, door: StreamsDoor, family: StreamFamily, region: str) -> None:
        copy = family.at(region)
        if copy is None:
            raise failed(f"{region} has no copy of {family.name}", "create the mirror, or restore it from a backup")
        await until(context, lambda: _freed(door, family, copy))


async def _freed(door: StreamsDoor, family: StreamFamily, copy: StreamPlacement) -> bool:
    """Whether no stream but the copy is assigned the subjects; asks for it where one is.

    The answer would come from the lost stream's own leader, so it never comes: soon the next look tells.
    """
    if not await _taken(door, family, copy):
        return True
    try:
        async with asyncio.timeout(_UNANSWERED_S):
            await door.update(_freed_config(family))
    except RefusedError as refused:
        if refused.code == STREAM_NOT_FOUND:
            return True
        if refused.passing:
            raise
        what = f"{family.origin.name} keeps its subjects: {refused.problems[0].what}"
        raise failed(what, "retrying does not help: fix what the server names, then resume") from None
    except (MachineError, TimeoutError):
        return False
    return False


def _freed_config(family: StreamFamily) -> dict[str, Any]:
    origin = family.origin
    return {**stream_config(origin.stream, origin.cluster), "subjects": [fenced_subject(origin)]}


async def _taken(door: StreamsDoor, family: StreamFamily, copy: StreamPlacement) -> bool:
    """Whether the lost origin still holds a subject of its family; nobody else may."""
    others = {name for subject in family.subjects for name in await door.holders(subject) if name != copy.name}
    if others - {family.origin.name}:
        what = f"the subjects of {family.name} belong to {', '.join(sorted(others))}"
        raise failed(what, "it is not the lost origin: find out who created it, then resume")
    return bool(others)


@frozen
class Elect:
    """Every stream that should go on by itself has a leader and takes writes."""

    async def look(self, context: Context, step: Step) -> Prospect:
        return Prospect(changes=("wait until every stream has a leader and answers a probe",))

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.away
        leaders: dict[str, str] = {}

        async def elected(family: StreamFamily) -> bool:
            """A group without a leader keeps silent: it is asked again, not waited for. What has no subject of its own
            is asked for its leader alone."""
            placement = family.at(region) or family.origin
            written = () if family.origin.stream.only_sources else family.subjects
            try:
                async with asyncio.timeout(ANSWER_S), context.world.streams(region) as door:
                    state = await door.stream(placement.name)
                    answers = [await door.probe(probe_subject(subject)) for subject in written]
            except TimeoutError:
                return False
            if state is None or any(answer is None or answer.stream != placement.name for answer in answers):
                return False
            if not state.leader and not written:
                return False
            leaders[family.name] = state.leader
            return True

        chosen = context.chosen(step)
        for family in chosen:
            await until(context, partial(elected, family))
        return {"region": region, "leaders": leaders}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        region = context.region_of(step)
        for family in context.chosen(step):
            placement = family.at(region) or family.origin
            yield read(region, f"STREAM.INFO.{placement.name}", "{name: .config.name, leader: .cluster.leader}")
