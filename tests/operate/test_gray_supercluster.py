"""A super-cluster whose first region is alive and useless: it votes, so nothing is rescued and nobody removed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from attrs import evolve, field, frozen
from region_pair import AWAY, BY_HAND, HOME, FileDns, SameSecrets

from secondsite.drill.play.lab_world import LabPlaces, place
from secondsite.lab.options import LabOptions
from secondsite.lab.world import Lab
from secondsite.model.fault import Fault
from secondsite.model.strategy import Strategy
from secondsite.nats.meta import Meta
from secondsite.nats.streams import StreamApi
from secondsite.operate.actions.fence import takes_writes
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.layout import families
from secondsite.operate.live import LiveWorld, ReportedManualSteps
from secondsite.operate.plan import make_plan
from secondsite.operate.world import Decision, PathWrite
from secondsite.strategies.compose import failover, lay_out
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
SUPER = "warm-standby/supercluster-mirror"
MESSAGES = 5


@frozen
class PathOfAClient:
    """A client that publishes in the region the record names."""

    lab: Lab
    dns: FileDns
    subject: str
    made: list[str] = field(factory=list)

    async def write(self) -> PathWrite:
        async with place(self.lab, self.dns.read()).open() as opened:
            answer = await StreamApi(opened).publish(self.subject, b"path", {"Nats-Msg-Id": "path"})
        return PathWrite(200, "path", answer.stream, answer.sequence)


def test_a_region_that_votes_is_left_in_the_group(kit: Kit, tmp_path: Path) -> None:
    deployment = lay_out(Strategy.parse(SUPER), kit)
    procedure = failover(deployment, evolve(kit, system=deployment.system), Fault.GRAY)
    (family, *_) = families(deployment)
    subject = family.subjects[0].replace(">", "x")

    async def fail_over(lab: Lab, dns: FileDns) -> OperationOutcome:
        world = LiveWorld(
            regions=LabPlaces(lab, AWAY),
            system=LabPlaces(lab, AWAY, system=True),
            decision=Decision("tester", time.time(), "nobody gets an acknowledgement"),
            dns=dns,
            secrets=SameSecrets(),
            path=PathOfAClient(lab, dns, subject),
            manual_steps=ReportedManualSteps(dict.fromkeys((*BY_HAND, "approve"), "tester")),
        )
        plan = await make_plan(procedure, deployment, world)
        with Journal(tmp_path / "journal", world.clock) as journal:
            return await execute(procedure, deployment, world, journal, options=Options(plan.hash, patience=5.0))

    async def run() -> None:
        async with Lab.up(deployment, LabOptions(services=False)) as lab:
            async with place(lab, HOME).open() as opened:
                for number in range(MESSAGES):
                    await StreamApi(opened).publish(subject, b"", {"Nats-Msg-Id": str(number)})
            outcome = await fail_over(lab, FileDns(tmp_path / "record"))
            assert outcome.finished, [str(problem) for problem in outcome.problems]
            facts = outcome.steps["restore-quorum"].facts
            assert (facts["removed"], facts["rescued_by"]) == ([], [])
            assert facts["still_voting"] == sorted(server.name for server in lab.servers(HOME))
            async with place(lab, HOME, system=True).open() as opened:
                assert len(await Meta(opened).servers(listen_s=1.0)) == len(lab.servers())
            await _check_streams(lab)

    async def _check_streams(lab: Lab) -> None:
        """What home holds is untouched, and only the other side takes writes."""
        copy = family.at(AWAY)
        assert copy
        async with place(lab, AWAY).open() as opened:
            away = StreamApi(opened)
            old, new = await away.stream(family.name), await away.stream(copy.name)
            assert old
            assert new
            assert old.messages == MESSAGES
            assert new.messages == MESSAGES + 1
            assert await takes_writes(away, family, copy)
            assert not await takes_writes(away, family, family.origin)

    asyncio.run(run())
