"""One run of one drill, from an empty machine to an evidence folder and back to an empty machine.

Whatever happens in between - success, failure, an interrupt - no process outlives it, and a folder without its end is
no evidence.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen

from secondsite.drill.check.rpo import UNKNOWN_RPO, Rpo
from secondsite.drill.check.rto import UNKNOWN_RTO, Rto
from secondsite.drill.evidence.events import EventName
from secondsite.drill.evidence.fingerprint import fingerprint
from secondsite.drill.evidence.folder import REJOINED, SALVAGE, EvidenceWriter
from secondsite.drill.evidence.host import host_facts
from secondsite.drill.evidence.manifest import FAILBACK, TODAY, DrillManifest, steps_of
from secondsite.drill.evidence.observation import Observation
from secondsite.drill.evidence.rehearsal import unrehearsed
from secondsite.drill.ledger.finals import FinalRead
from secondsite.drill.ledger.ledger import store_stream
from secondsite.drill.play.databases import read_tables
from secondsite.drill.play.final_reads import (
    Reading,
    all_led,
    begins_ns,
    drained,
    keys_of,
    placement_in,
    processed,
    queues_empty,
    redelivered_within_s,
)
from secondsite.drill.play.keys import read_keys
from secondsite.drill.play.lab_venue import judging_of
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.on_disk import erased, streams_by_server
from secondsite.drill.play.points import read_points
from secondsite.drill.play.positions import observe_positions
from secondsite.drill.play.scene import ReportProgress
from secondsite.drill.play.script import Drill
from secondsite.drill.play.setup import Setup
from secondsite.drill.play.stage import Stage, set_the_stage
from secondsite.drill.play.timings import saved_every_s, timings
from secondsite.drill.play.turn import Turn
from secondsite.drill.verdict.judge import seal
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict
from secondsite.lab.options import LabOptions
from secondsite.lab.room import check_room
from secondsite.lab.world import Lab
from secondsite.model.contract import Subject, Verdict
from secondsite.model.errors import InputError, MachineError
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.store import Loss
from secondsite.nats.tasks import end_tasks
from secondsite.strategies.compose import failback

LIMIT_S = 240.0
_DRAIN_S = 10.0
_LED_S = 20.0
_QUEUES_S = 45.0
_REJOINED_S = 12.0
_FULL_BYTES = 1 << 20


@frozen
class RunOf:
    """Which run of which campaign; none where nobody keeps a record. ``machine``: the name of the worker it runs on."""

    number: int = 1
    id: str = ""
    campaign: str = ""
    machine: str = ""


@frozen
class RunResult:
    """One run, and what the judge says of it; ``people``: steps that people do in production."""

    drill: Drill
    setup: Setup
    evidence: Path
    boot_s: float
    versions: dict[str, str]
    judgement: RunJudgement
    people: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        return ", ".join(sorted(set(self.versions.values())))

    @property
    def name(self) -> str:
        return f"{self.drill.id}, {self.setup.strategy.id} on nats-server {self.version}"

    @property
    def short_name(self) -> str:
        return str(self.setup.strategy.link)

    @property
    def projected(self) -> bool:
        return self.setup.profile.name != "production" and self.drill.moves

    @property
    def judged(self) -> tuple[RunVerdict, ...]:
        """Verdicts of what the drill really ran."""
        return self.judgement.ran

    @property
    def recovery(self) -> Rto:
        return self.judgement.rto or UNKNOWN_RTO

    @property
    def loss(self) -> Rpo:
        return self.judgement.loss or UNKNOWN_RPO

    @property
    def loss_of_stores(self) -> Mapping[str, Rpo]:
        """By `state/STORE`, in commits."""
        prefix = store_stream("")
        return {name: lost for name, lost in self.judgement.loss_by_stream.items() if name.startswith(prefix)}

    @property
    def in_part(self) -> tuple[RunVerdict, ...]:
        """On contracts of which only a part ran, with what was measured of that."""
        return tuple(v for v in self.judgement.verdicts if v.loss is not None and v not in self.judged)

    @property
    def observations(self) -> tuple[Observation, ...]:
        return self.judgement.observations

    @property
    def of_streams(self) -> bool:
        """Whether only NATS was judged: where the API acknowledges what it keeps for later, its clients see nothing."""
        return {v.contract.subject for v in self.judged} == {Subject.NATS}

    @property
    def back_s(self) -> float | None:
        """When what was judged was back: the streams, or by the clients' clock; None for never."""
        if not self.of_streams:
            return self.recovery.total
        measured = [v.measured_s for v in self.judged]
        return None if None in measured else max(seconds for seconds in measured if seconds is not None)

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict


def lab_options(setup: Setup) -> LabOptions:
    return LabOptions(
        nats_version="" if setup.nats_version == TODAY else setup.nats_version,
        nats_server=setup.nats_server,
        one_address=setup.one_address,
        seed=setup.seed,
        ttl_s=setup.profile.ttl_s,
        positions_s=setup.profile.positions_s,
        aged={stream.name: stream for stream in setup.aged.streams} if setup.aged else {},
        aged_stores=setup.aged.stores if setup.aged else {},
    )


def options_of(drill: Drill, setup: Setup) -> LabOptions:
    """Of the lab in which the drill is played."""
    options = evolve(lab_options(setup), pods=drill.pods, databases=drill.databases, observed=drill.observed)
    return evolve(options, vectors=drill.vectors, saved_every_s=saved_every_s(setup.profile, setup))


async def run_drill(
    drill: Drill,
    setup: Setup,
    root: Path,
    report: ReportProgress,
    *,
    run: RunOf = RunOf(),
    control: str = "",
    options: LabOptions | None = None,
    turn: Turn | None = None,
) -> RunResult:
    """Raises InputError where the drill does not fit the deployment, MachineError where this machine cannot."""
    if why := drill.fits(setup.deployment):
        what = f"{drill.id} cannot be drilled on {setup.strategy.id}: {why}"
        raise InputError.at("drill", what, "choose another strategy or drill")
    chosen = evolve(options or options_of(drill, setup), judging=judging_of(setup))
    report(f"starting {len(setup.deployment.sites)} region{'s' if len(setup.deployment.sites) > 1 else ''}")
    async with Lab.up(setup.deployment, chosen, report) as lab:
        report(f"lab up in {lab.boot_s:.1f} s")
        procedure = setup.procedure(drill.procedure or drill.fault)
        manifest = _manifest(drill, setup, lab, procedure, run, control)
        with EvidenceWriter.create(root, manifest, _credentials(lab)) as writer:
            ignoring = drill.ignoring_ttl if setup.ignoring_ttl is None else setup.ignoring_ttl
            stage = set_the_stage(setup, lab, writer, procedure, report, ignoring_ttl=ignoring)
            stage.turn = turn or Turn()
            limit_s = LIMIT_S + setup.reach_s + 3 * setup.profile.settle_s + drill.lasts(setup.profile)
            try:
                async with asyncio.timeout(limit_s):
                    await stage.begin()
                    await drill.play(stage)
                    await _read_all(stage)
            except TimeoutError:
                what = f"the drill did not end within {limit_s:g} s"
                raise MachineError.at(drill.id, what, f"see {writer.folder}") from None
            except (MachineError, OSError):
                check_room(lab.folder, _FULL_BYTES)  # then that is why
                raise
            finally:
                stage.turn.give()
                await end_tasks(*stage.tasks)
            stage.note(EventName.NOT_REHEARSED, steps=list(dict.fromkeys(stage.manual_steps.skipped)))
            _keep(stage)
            return _result(drill, stage, seal(writer))


def _credentials(lab: Lab) -> list[str]:
    """What must not get into evidence."""
    options = lab.options
    regional = (key for keys in options.region_keys.values() for key in keys)
    return [lab.dns.key, lab.s3.secret_key, *([lab.observing.token] if lab.observing else ()), *options.keys, *regional]


def _manifest(drill: Drill, setup: Setup, lab: Lab, procedure: Procedure, of: RunOf, control: str) -> DrillManifest:
    away = setup.deployment.standby or setup.deployment.sites[-1]
    network = f"{lab.addresses.network(away.region.name)}.0.0/24"
    versions = lab.fleet.versions()
    carried_out = [procedure, *([failback(setup.deployment, setup.kit)] if drill.returns else ())]
    carried_out += [procedure] if drill.again else []
    failover = str(drill.procedure or drill.fault)
    ran, apart = lab.stores.stores, tuple(each for each in drill.subjects if each is not Subject.STATE)
    ran_timing, own_timing = timings(drill, setup)
    others = tuple(each.name for each in setup.system.stores if each.loss is Loss.DATA and each.name not in ran)
    return DrillManifest(
        drill=drill.id,
        strategy=setup.strategy.id,
        fault=drill.fault,
        profile=setup.profile.name,
        seed=setup.seed,
        run=of.number,
        started_at=datetime.now(UTC).isoformat(),
        fingerprint=fingerprint(setup.deployment.system, setup.production, carried_out, versions.values()),
        timing=ran_timing,
        production=own_timing,
        subjects=(*apart, Subject.STATE) if ran and not others else apart,
        contracts=setup.system.contracts,
        new_side=(network,) if drill.moves else (),
        steps=steps_of(procedure),
        milestones=procedure.milestones,
        versions=versions,
        host={
            **host_facts(),
            **lab.fleet.digests(),
            **lab.stores.digests(),
            **lab.services.monitoring.digests(),
            **({"worker": of.machine} if of.machine else {}),
        },
        control=control,
        unrehearsed=unrehearsed(procedure, (Verb.PROMOTE_STORES,) if ran else ()) if drill.moves else {},
        id=of.id or uuid.uuid4().hex,
        campaign=of.campaign,
        carried_out=(failover, *((FAILBACK,) if drill.returns else ()), *((failover,) if drill.again else ())),
        of=setup.standing,
        version=setup.nats_version,
        trigger=setup.trigger,
        stores=ran,
        other_stores=others if ran else (),
        saved=lab.stores.qdrant.stores,
        instead=lab.stores.qdrant.instead,
    )


async def _read_all(stage: Stage) -> None:
    """Consumers drained, load off, every copy read from end to end; the old region started alone for its copies."""
    stage.report("reading every surviving copy")
    await stage.end()
    serving = [region for region in stage.survivors or stage.lab.regions if stage.lab.servers(region)]
    apis = [pod.api for region in serving if not stage.failure for pod in stage.lab.pods(region)]
    if not await queues_empty(apis, _QUEUES_S):
        stage.note("queues-left", within_s=_QUEUES_S)
    places = {region: place(stage.lab, region) for region in {*serving, *stage.salvage}}
    config = stage.load.clients[0]
    loads = {stream.name: stream for stream in config.streams}
    reading = Reading(places, config.run, loads, frozenset(stage.path.written))
    await _read_consumers(stage, reading, serving)
    observe_positions(stage)
    for region in serving:
        _save(await reading.copies(stage.families, region), stage.writer.finals)
        _save(await read_tables(stage.lab, config.run, region), stage.writer.finals)
        _save(await read_keys(stage.lab, config.run, region), stage.writer.finals)
        _save(await read_points(stage.lab, config.run, region), stage.writer.finals)
    await _read_old_disks(stage, reading, SALVAGE)
    if stage.rejoin:
        for region in stage.salvage:
            await _rejoin(stage, reading, region)


async def _rejoin(stage: Stage, reading: Reading, region: str) -> None:
    """As a region does that comes back by itself, with its links: what is left of what only it had?"""
    stream_names = tuple(one.name for family in stage.families if (one := placement_in(family, region)))
    before = await streams_by_server(stage.lab, region)
    stage.report(f"{region} rejoins the others")
    await stage.sites.join(region)
    await asyncio.sleep(_REJOINED_S)
    after = await streams_by_server(stage.lab, region)
    stage.note("held-before-it-rejoined", servers=before)
    stage.note("held-after-it-rejoined", servers=after)
    gone = erased(before, after, stream_names)
    deleted = "; ".join(gone) or "nothing"
    stage.observe(f"{region} rejoined, and its servers deleted their messages: {deleted}", None)
    (stage.writer.folder / REJOINED).mkdir(exist_ok=True)
    await all_led(reading.places[region], stream_names, _LED_S)
    _save(await reading.copies(stage.families, region), stage.writer.folder / REJOINED)


async def _read_old_disks(stage: Stage, reading: Reading, folder: str) -> None:
    for region in stage.salvage:
        (stage.writer.folder / folder).mkdir(exist_ok=True)
        stage.report(f"starting {region} isolated, to read its disks")
        await stage.sites.isolate(region)
        names = [placement.name for family in stage.families if (placement := placement_in(family, region))]
        await all_led(reading.places[region], names, _LED_S)
        _save(await reading.copies(stage.families, region), stage.writer.folder / folder)
        _save(await read_tables(stage.lab, reading.run, region), stage.writer.folder / folder)
        _save(await read_keys(stage.lab, reading.run, region), stage.writer.folder / folder)
        _save(await read_points(stage.lab, reading.run, region), stage.writer.folder / folder)


async def _read_consumers(stage: Stage, reading: Reading, serving: list[str]) -> None:
    """Of each durable, in all regions together; it is waited for only where something serves."""
    records = [stage.lab.consumed(region) for region in stage.lab.regions]
    load = stage.load.clients[0]
    for family in stage.families:
        written = reading.loads.get(family.name)
        if written is None or written.objects:
            continue  # nothing of what a consumer got of it was written by the load, message by message
        placement = next((one for region in serving if (one := placement_in(family, region))), None)
        for consumer in family.origin.stream.consumers:
            within_s = 0.0 if stage.failure else _DRAIN_S + redelivered_within_s(consumer)
            done = placement is not None and await drained(
                reading.places[placement.region], placement, consumer.name, within_s
            )
            keys = keys_of(written, consumer, load.keys)
            begins = begins_ns(consumer, stage.setup.aged)
            consumed = processed(reading.run, family, consumer.name, records, done=done, keys=keys, begins_ns=begins)
            consumed.save(stage.writer.finals / f"{family.name}-{consumer.name}.processing")


def _save(copies: tuple[FinalRead, ...], folder: Path) -> None:
    for copy in copies:
        copy.save(folder / f"{copy.place.replace(' ', '-')}.copy")


def _result(drill: Drill, stage: Stage, judgement: RunJudgement) -> RunResult:
    if judgement.crashed:
        raise MachineError.at("checker", judgement.crashed, f"see {stage.writer.folder}")
    return RunResult(
        drill=drill,
        setup=stage.setup,
        evidence=stage.writer.folder,
        boot_s=stage.lab.boot_s,
        versions=stage.lab.fleet.versions(),
        judgement=judgement,
        people=tuple(step.id for step in stage.procedure.steps if step.by_person),
    )


def _keep(stage: Stage) -> None:
    """Journal, configuration and logs go to the evidence."""
    writer, lab = stage.writer, stage.lab
    if writer.journal.exists():
        writer.take_journal()
    for path in sorted((lab.folder / "nats").glob("*.conf")):
        writer.add_config(path.name, path.read_text(encoding="utf-8"))
    for path in sorted(lab.folder.glob("*.json")):
        writer.add_config(path.name, path.read_text(encoding="utf-8"))
    for path in sorted((lab.folder / "logs").glob("*.log")):
        writer.add_log(path)
