"""Negative controls: what a drill is worth is seen where something is wrong on purpose.

Each must turn red, and for its own reason. One that stays green, or is red for another reason, fails the suite.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from attrs import evolve, frozen

from secondsite.drill.faults import (
    broken_databases,
    event_and_row,
    monitoring_lost,
    region_loss,
    rejoined_unsalvaged,
    soak,
    spoiled_kinds,
    spoiled_stores,
    zombie_primary,
)
from secondsite.drill.faults.both_capture import both_capture
from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.faults.zone_loss import DRILL as ZONE_LOSS
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill, several_regions
from secondsite.drill.play.setup import Setup
from secondsite.drill.play.stage import Stage
from secondsite.drill.run import RunResult, lab_options, options_of
from secondsite.lab.options import LabOptions
from secondsite.model.contract import Verdict
from secondsite.model.fault import Fault
from secondsite.model.strategy import Strategy
from secondsite.nats.streams import StreamApi
from secondsite.strategies import write_gate
from secondsite.strategies.requirements import upgraded
from secondsite.strategies.stream_config import stream_config

_MIRRORED = Strategy.parse("warm-standby/leafnode-mirror")
_ALONE = Strategy.parse("single-region/none/manual")
_BOTH_WRITE = Strategy.parse("active-active/sourced/weighted")
_ONE_GROUP = Strategy.parse("warm-standby/supercluster-mirror")
_CUT_S = 5.0
_SOAK_S, _LEAK_BYTES = 45.0, 32 << 10


@frozen
class Control:
    """``red`` says why the result is red for the control's own reason; empty for a control that stayed green."""

    id: str
    title: str
    drill: Drill
    red: Callable[[RunResult], str]
    strategy: Strategy = _MIRRORED
    spoil: Callable[[Setup], Setup] = lambda setup: setup
    options: Callable[[Setup], LabOptions] = lab_options


def _never_back(result: RunResult) -> str:
    return result.recovery.unbounded


def _not_shown(result: RunResult) -> str:
    return "; ".join(observation.what for observation in result.observations if observation.holds is False)


def _both_ways(result: RunResult) -> str:
    """Events without their row, and rows without their event."""
    failed = [each.what for each in result.observations if each.holds is False]
    each = [[what for what in failed if part in what] for part in ("lost their row", "have no event")]
    return "; ".join(failed) if all(each) else ""


def _lost(result: RunResult) -> str:
    count = result.loss.messages
    return f"{count} acknowledged writes lost, the oldest {result.loss.seconds:.1f} s old" if count else ""


def _lost_for_long(result: RunResult) -> str:
    return _lost(result) if result.loss.seconds > _CUT_S / 2 else ""


def _rpo_breached(result: RunResult) -> str:
    """Of the limits as they are written."""
    reasons = [v.why for v in result.judged if v.verdict is Verdict.BREACHED]
    return "; ".join(why for why in reasons if "lost" in why)


def _promises_lost(result: RunResult) -> str:
    """Lost although a 202 promised them."""
    return f"{result.loss.promised} writes lost that were answered with 202" if result.loss.promised else ""


def _commits_lost(result: RunResult) -> str:
    return "; ".join(
        f"{lost.messages} commits of {name} lost, the oldest {lost.seconds:.1f} s old"
        for name, lost in result.loss_of_stores.items()
        if lost.seconds > spoiled_stores.LEFT_BEHIND_S / 2
    )


def _memory_grows(result: RunResult) -> str:
    observations = [each.what for each in result.observations if each.holds is False]
    return "; ".join(what for what in observations if what.startswith("api-") and "memory" in what)


def _erased(result: RunResult) -> str:
    """Lost writes that could have been salvaged, and cannot be any more."""
    before, left = result.judgement.salvageable or 0, result.judgement.after_rejoin
    if not before or left is None or left == before:
        return ""
    return f"{before} lost writes were on the old region's disks, {left} once it had rejoined"


def _refused_copy(result: RunResult) -> str:
    return result.judgement.stopped if "no copy" in result.judgement.stopped else ""


def _each_kind(result: RunResult) -> str:
    """All of them: a job that nobody did, a history that is gone, an object that cannot be read."""
    counts, by_stream = result.judgement.ledger, result.judgement.loss_by_stream
    jobs, torn = counts.get("jobs-never", 0), counts.get("torn", 0)
    values = by_stream[spoiled_kinds.BUCKET].messages if spoiled_kinds.BUCKET in by_stream else 0
    if not (jobs and torn and values) or result.verdict is not Verdict.BREACHED:
        return ""
    return f"{jobs} jobs never done, {values} values gone from the history of their keys, {torn} objects torn"


# --- what goes wrong


async def _mirror_dropped(stage: Stage) -> None:
    placement = stage.families[0].at(stage.away)
    async with place(stage.lab, stage.away).open() as opened:
        if placement:
            await StreamApi(opened).delete(placement.name)
    stage.note("mirror-dropped", stream=stage.families[0].name)
    await region_loss.play(stage)


async def _mirror_empty(stage: Stage) -> None:
    """Made anew while the way is cut: they say that they mirror, and hold nothing."""
    check = stage.watch()
    await stage.lab.wan.cut(stage.home, stage.away)
    async with place(stage.lab, stage.away).open() as opened:
        for placement in filter(None, (family.at(stage.away) for family in stage.families)):
            await StreamApi(opened).delete(placement.name)
            await StreamApi(opened).create(stream_config(placement.stream, placement.cluster))
    await stage.pass_time(_beyond_an_rpo_s(stage), "the mirrors are empty")
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    if await stage.fail_over(allowed=frozenset({"lagging-mirror"})):
        await stage.settled()


def _beyond_an_rpo_s(stage: Stage) -> float:
    """Longer than the shortest RPO that is promised of a lost region."""
    limits = [each.rpo_s for each in stage.setup.system.contracts if each.fault is Fault.REGION and each.rpo_s]
    return min(limits, default=0.0) + _CUT_S


async def _cut_for_long(stage: Stage) -> None:
    await _cut_before(stage, frozenset({"lagging-mirror"}), _beyond_an_rpo_s(stage))


async def _cut_before(stage: Stage, allowed: frozenset[str] = frozenset(), cut_s: float = _CUT_S) -> None:
    """The mirror hears nothing for a while and says that it lags by nothing."""
    check = stage.watch()
    await stage.lab.wan.cut(stage.home, stage.away)
    await stage.pass_time(cut_s, "the link to the standby is cut")
    placement = stage.families[0].at(stage.away)
    async with place(stage.lab, stage.away).open() as opened:
        state = await StreamApi(opened).stream(placement.name) if placement else None
    if state is not None:
        silent = state.mirror_silent_s or 0.0
        stage.observe(f"over the cut the mirror reports a lag of {state.mirror_lag}", state.mirror_lag == 0)
        stage.note("mirror", lag=state.mirror_lag, silent_s=silent)
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    if await stage.fail_over(allowed=allowed):
        await stage.settled()


async def _lying_check(stage: Stage) -> None:
    check = stage.watch(_always_well)
    await stage.lose(stage.home)
    leave_home(stage)
    noticed = await stage.noticed(check, 10.0)
    stage.observe("the loss is detected", noticed)


async def _always_well() -> bool:
    return True


async def _impatient_loss(stage: Stage) -> None:
    """Waits only as long as clients with a short TTL would need."""
    check = stage.watch()
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    await stage.fail_over(patience=0.5)
    await stage.settled(10.0)


async def _promised_and_gone(stage: Stage) -> None:
    """NATS goes first, so that the API promises from its memory; then the API goes."""
    names = [server.name for server in stage.lab.servers(stage.home)]
    stage.struck(stage.lab.kill(*names), "NATS is gone")
    await stage.pass_time(6.0, "the API acknowledges writes that it cannot store")
    stage.lab.kill(f"api-{stage.home}")
    await asyncio.gather(stage.lab.restart(*names))
    await stage.lab.restart(f"api-{stage.home}")
    await stage.settled(15.0)


# --- how it is spoiled


def _without_denies(setup: Setup) -> Setup:
    clusters = tuple(
        evolve(each, leaves=tuple(evolve(leaf, deny_imports=(), deny_exports=()) for leaf in each.leaves))
        for each in setup.deployment.clusters
    )
    return evolve(setup, deployment=evolve(setup.deployment, clusters=clusters))


def _without_gate(setup: Setup) -> Setup:
    needs = tuple(each for each in setup.deployment.requirements if each.id != write_gate.REQUIREMENT)
    return evolve(setup, deployment=evolve(setup.deployment, requirements=needs))


def _from_memory(setup: Setup) -> Setup:
    """As the API is today, on servers as they will be."""
    services = upgraded(setup.system).services
    system = evolve(setup.deployment.system, services=services)
    return evolve(setup, deployment=evolve(setup.deployment, system=system))


def _old_key_away(setup: Setup) -> LabOptions:
    away = setup.deployment.standby or setup.deployment.sites[-1]
    return evolve(lab_options(setup), region_keys={away.region.name: ("last-years-key",)})


def _soak(setup: Setup) -> Setup:
    return evolve(setup, profile=evolve(setup.profile, soak_s=_SOAK_S))


def _leaking(setup: Setup) -> LabOptions:
    return evolve(lab_options(setup), pods=True, leak_bytes=_LEAK_BYTES)


def _careless(setup: Setup) -> LabOptions:
    return evolve(lab_options(setup), careless=spoiled_kinds.CARELESS)


def _with_databases(setup: Setup) -> LabOptions:
    return evolve(lab_options(setup), databases=True)


def _each_its_own(setup: Setup) -> LabOptions:
    return evolve(lab_options(setup), observed=True, scraped=monitoring_lost.each_its_own(setup))


def _hour(setup: Setup) -> LabOptions:
    return evolve(lab_options(setup), ttl_s=3600.0)


def _loss(play: Callable[[Stage], Awaitable[None]]) -> Drill:
    return evolve(region_loss.DRILL, play=play)


CONTROLS: Mapping[str, Control] = {
    control.id: control
    for control in (
        Control(
            "promotion-without-fencing",
            "the lost region comes back without a write gate, and is not fenced",
            evolve(zombie_primary.DRILL, play=partial(zombie_primary.play, fenced=False)),
            _not_shown,
            spoil=_without_gate,
        ),
        Control(
            "leaf-link-without-denies",
            "both regions capture each other's writes",
            Drill("both-write", "both regions accept writes", Fault.REGION, both_capture, several_regions, moves=False),
            _not_shown,
            strategy=_BOTH_WRITE,
            spoil=_without_denies,
        ),
        Control("dropped-mirror", "the standby has no copy of a stream", _loss(_mirror_dropped), _refused_copy),
        Control(
            "mirror-that-copies-nothing",
            "the standby's mirrors exist but are empty, and the lag guard is overridden",
            _loss(_mirror_empty),
            _rpo_breached,
        ),
        Control("lag-zero-over-a-cut", "the mirror reports that it is current", _loss(_cut_before), _lost_for_long),
        Control(
            "lagging-mirror-declared-healthy",
            "the lag guard is overridden",
            _loss(_cut_for_long),
            _rpo_breached,
        ),
        Control(
            "rejoined-before-salvage",
            "the origins are deleted after a rescue, and the old region rejoins with its disks",
            _loss(rejoined_unsalvaged.play),
            _erased,
            strategy=_ONE_GROUP,
        ),
        Control(
            "stale-secret",
            "the standby's gateway has only last year's key, and secrets are not compared",
            _loss(_impatient_loss),
            _never_back,
            options=_old_key_away,
        ),
        Control(
            "ttl-of-an-hour",
            "clients cache the address for an hour",
            _loss(_impatient_loss),
            _never_back,
            options=_hour,
        ),
        Control("lying-health-check", "the health check is always green", _loss(_lying_check), _never_back),
        Control(
            "acknowledged-before-written",
            "a 202 is answered from memory, and the memory is lost",
            evolve(ZONE_LOSS, id="api-memory", play=_promised_and_gone),
            _promises_lost,
            spoil=_from_memory,
        ),
        Control(
            "spoiled-kinds",
            "a worker drops jobs, a bucket loses its history, an object store loses chunks",
            _loss(spoiled_kinds.play),
            _each_kind,
            spoil=spoiled_kinds.with_kinds,
            options=_careless,
        ),
        *(
            Control(name, title, _loss(play), _commits_lost, spoil=spoil, options=_with_databases)
            for name, title, play, spoil in spoiled_stores.SPOILED
        ),
        *(
            Control(name, title, evolve(drill, play=play), _not_shown, options=partial(options_of, drill))
            for name, title, drill, play in broken_databases.BROKEN
        ),
        Control(
            "outbox-that-forgets",
            "the outbox forgets rows, and the database's standby stops replicating",
            evolve(event_and_row.DRILL, play=event_and_row.broken),
            _both_ways,
            options=_with_databases,
        ),
        Control(
            "monitoring-that-sees-itself",
            "each region's Prometheus scrapes its own region alone",
            monitoring_lost.DRILL,
            _not_shown,
            options=_each_its_own,
        ),
        Control(
            "leaking-api",
            "the API leaks 32 KiB with each event",
            soak.DRILL,
            _memory_grows,
            _ALONE,
            spoil=_soak,
            options=_leaking,
        ),
    )
}


@frozen
class Checked:
    """``red`` is empty for a control that stayed green."""

    control: Control
    result: RunResult
    red: str


def check_control(control: Control, result: RunResult) -> Checked:
    return Checked(control, result, control.red(result))
