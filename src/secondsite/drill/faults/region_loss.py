"""The region that serves is lost: noticed from outside, decided, failed over by the strategy's own procedure.

Where the procedure cannot work, the servers are asked for the promotion all the same, and their answers are kept.
"""

from __future__ import annotations

import time

from secondsite.drill.evidence.events import EventName, Milestone
from secondsite.drill.play.asking import ask_promotion
from secondsite.drill.play.caches import note_caches
from secondsite.drill.play.lab_backup import LabArchive
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill, several_regions
from secondsite.drill.play.stage import Stage
from secondsite.model.fault import Fault
from secondsite.model.nats_release import Feature, Support, supports
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Link
from secondsite.operate.executor import OperationOutcome
from secondsite.operate.journal import StepState
from secondsite.operate.layout import Reach, StreamFamily, StreamPlacement
from secondsite.strategies.archiver import EVERY_S, archived

_SHIPPING_S = 2.0
"""What an archive may take beyond its interval."""


async def play(stage: Stage) -> None:
    refused = await _refused_beforehand(stage)
    check = stage.watch()
    await stage.lose(stage.home)
    leave_home(stage)
    if archived(stage.setup.deployment, stage.home):
        await _observe_archive(stage)
    await stage.noticed(check)
    outcome = await stage.fail_over()
    if outcome is not None and outcome.finished:
        await stage.settled()
        stage.rejoin = stage.setup.strategy.link is Link.SUPERCLUSTER_MIRROR
    elif mirrored(stage) and not promotion_done(outcome):
        await _ask_all_the_same(stage, refused)
    else:
        _note_stop(stage, outcome)
        await stage.rest()
    note_caches(stage, stage.caches, stage.milestones[Milestone.FAULT])


async def _observe_archive(stage: Stage) -> None:
    """How far it reaches: what came later is lost, and no older write may be."""
    fault_ns = time.time_ns() - round(stage.since_fault(time.monotonic_ns()) * 1e9)
    before_s = (fault_ns - await LabArchive(stage.lab).newest_ns()) / 1e9
    what = f"the archive reached to {before_s:.1f} s before the loss, with an interval of {EVERY_S:g} s"
    stage.observe(what, before_s <= EVERY_S + _SHIPPING_S)


def leave_home(stage: Stage) -> None:
    """What counts in the end is elsewhere; the old disks are looked at, unless they are a minority of one stream."""
    stage.survivors = [region for region in stage.lab.regions if region != stage.home]
    if any(family.reach is not Reach.STRETCHED for family in stage.families):
        stage.salvage = [stage.home]


def mirrored(stage: Stage) -> list[tuple[StreamFamily, StreamPlacement]]:
    pairs = ((family, family.at(stage.away)) for family in stage.families if family.reach is Reach.MIRRORED)
    return [(family, placement) for family, placement in pairs if placement is not None]


async def _refused_beforehand(stage: Stage) -> list[str]:
    """While nothing is wrong, a server below 2.12 says by itself that it will never promote; a newer one would."""
    pairs = mirrored(stage)
    versions = stage.lab.fleet.versions().values()
    if not pairs or any(supports(version, Feature.PROMOTION) is not Support.NO for version in versions):
        return []
    answers = await ask_promotion(place(stage.lab, stage.away), pairs)
    stage.note("asked-beforehand", answers=answers)
    stage.report(f"asked before the loss, the server says: {'; '.join(answers)}")
    return answers


async def _ask_all_the_same(stage: Stage, refused: list[str]) -> None:
    stage.report(f"requesting the promotion anyway, for {stage.setup.profile.hopeless_s:g} s")
    answers = await ask_promotion(place(stage.lab, stage.away), mirrored(stage), stage.setup.profile.hopeless_s)
    asked = "; ".join([*(f"before the loss: {answer}" for answer in refused), *answers])
    if _promoted(answers):
        _note_stop_of_ours(stage, asked)
        return
    stage.note(EventName.STOPPED, why=f"{stage.failure}; the server answered: {asked}")
    stage.observe(f"the server refuses the promotion: {asked}", True)


def _note_stop_of_ours(stage: Stage, asked: str) -> None:
    """No server refused: what stopped is the procedure, and its reason is the one that counts."""
    stage.note(EventName.STOPPED, why=f"{stage.failure}; asked anyway, the server did it: {asked}")
    stage.observe(f"the failover stopped: {stage.failure}", False)


def promotion_done(outcome: OperationOutcome | None) -> bool:
    """Whether the streams were promoted, whatever else failed: then no server refused that."""
    record = outcome.steps.get(str(Verb.PROMOTE_STREAMS)) if outcome else None
    return record is not None and record.state is StepState.DONE


def _note_stop(stage: Stage, outcome: OperationOutcome | None) -> None:
    if outcome is not None and stage.failure:
        stage.note(EventName.STOPPED, why=stage.failure)
        stage.observe(f"the failover stopped: {stage.failure}", False)


def _promoted(answers: list[str]) -> bool:
    return any(answer.endswith("was promoted") for answer in answers)


DRILL = Drill("region-loss", "the serving region is lost", Fault.REGION, play, several_regions, databases=True)
