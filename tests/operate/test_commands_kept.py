"""What a person types, word for word: a command that changes is seen in a review, as it is in the runbook.

After a change that is meant: `KEEP_COMMANDS=1 pytest tests/operate/test_commands_kept.py`, and read the difference.
That the commands do what they say is tested on real servers (`test_by_hand.py`, `test_runbook_typed.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve
from odd_world import AWAY, HOME

from secondsite.model.deployment import Deployment
from secondsite.model.nats import Consumer, Retention, Stream
from secondsite.model.operate import Operate, Writers
from secondsite.model.procedure import Procedure
from secondsite.model.strategy import Strategy
from secondsite.operate.action import ManualContext
from secondsite.operate.verbs import commands
from secondsite.strategies.compose import failback, lay_out, procedures
from secondsite.strategies.design import Kit

KEPT = Path(__file__).parent / "commands.txt"
STRATEGIES = (
    "warm-standby/leafnode-mirror",
    "warm-standby/supercluster-mirror",
    "warm-standby/supercluster-mirror-witness",
)
STREAMS = (
    Stream("EVENTS", subjects=("events.>",), replicas=3, consumers=(Consumer("metering"),)),
    Stream("JOBS", subjects=("jobs.*", "tasks"), retention=Retention.WORKQUEUE, consumers=(Consumer("worker"),)),
)


def layouts(kit: Kit) -> Iterator[tuple[str, Kit, Deployment]]:
    """Each strategy on the newest servers under one writer; the first on older ones, and available, as well."""
    for version, writers, strategies in (
        ("2.15.1", Writers.ONE, STRATEGIES),
        ("2.12.3", Writers.AVAILABLE, STRATEGIES[:1]),
    ):
        (cluster,) = kit.system.nats
        nats = (evolve(cluster, version=version, streams=STREAMS),)
        ready = evolve(kit, system=evolve(kit.system, nats=nats, operate=Operate(writers=writers)))
        for name in strategies:
            deployment = lay_out(Strategy.parse(name), ready)
            yield f"{name} on {version}, writers: {writers}", evolve(ready, system=deployment.system), deployment


def printed(kit: Kit) -> str:
    lines: list[str] = []
    for title, ready, deployment in layouts(kit):
        lines += [f"== {title}"]
        known: set[str] = set()
        for fault, procedure in [*procedures(deployment, ready).items(), *_way_back(deployment, ready)]:
            for step in procedure.steps:
                region = HOME if fault is None else AWAY
                found = commands(ManualContext(deployment, procedure, region, fault), step)
                text = "\n".join(f"  {line}" for line in found)
                if found and text not in known:
                    lines += [f"-- {fault or 'failback'}: {step.id}", text]
                    known.add(text)
    return "\n".join(lines) + "\n"


def _way_back(deployment: Deployment, kit: Kit) -> list[tuple[None, Procedure]]:
    return [(None, failback(deployment, kit))] if deployment.standby else []


def test_every_command_is_as_it_was(kit: Kit) -> None:
    if "KEEP_COMMANDS" in os.environ:
        KEPT.write_text(printed(kit), "utf-8")
    assert printed(kit).splitlines() == KEPT.read_text("utf-8").splitlines()


def test_no_command_waits_for_ever() -> None:
    """Of those that ask a server which may be gone."""
    lines = KEPT.read_text("utf-8").splitlines()
    for program, limit in (("kubectl --context", "--request-timeout="), ("nats --context", "--timeout ")):
        asking = [line for line in lines if program in line]
        assert asking
        assert [line for line in asking if line.count(program) > line.count(limit)] == []
