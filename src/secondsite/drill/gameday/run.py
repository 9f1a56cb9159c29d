"""One game day, from consent to an evidence folder. Whatever happens in between, the region is given back."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import ssl
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen

from secondsite.dns.lookup import addresses_of
from secondsite.drill.evidence.events import EventName
from secondsite.drill.evidence.fingerprint import fingerprint
from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.evidence.host import host_facts
from secondsite.drill.evidence.manifest import FAILBACK, DrillManifest, Timing, steps_of
from secondsite.drill.evidence.rehearsal import unrehearsed
from secondsite.drill.faults.failing_back import failed_back, note_silence
from secondsite.drill.gameday.fault import FaultDoor
from secondsite.drill.gameday.form import StoredForm, learned, written_to
from secondsite.drill.gameday.stage import GameDayHands, GameDayStage, WorldOf
from secondsite.drill.gameday.venue import StagingVenue, nats_addresses
from secondsite.drill.load.client_config import ClientConfig, NatsTarget, PathTarget
from secondsite.drill.load.path_sender import PathSender
from secondsite.drill.load.private import environment
from secondsite.drill.play.clients import LoadClients
from secondsite.drill.play.final_reads import Reading, all_led
from secondsite.drill.play.load_streams import load_streams
from secondsite.drill.play.scene import ReportProgress
from secondsite.drill.play.script import Drill
from secondsite.drill.play.setup import CHECKS, WATCH, Setup
from secondsite.drill.run import RunOf, RunResult
from secondsite.drill.verdict.judge import seal
from secondsite.lab.supervisor import Supervisor
from secondsite.model.contract import Subject, Venue
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError, MachineError
from secondsite.model.operate import WritePath
from secondsite.model.procedure import Step
from secondsite.model.store import Loss
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import StreamApi
from secondsite.nats.tasks import end_tasks
from secondsite.operate.verbs import left_by_hand
from secondsite.operate.world import Decision
from secondsite.strategies.compose import failback

PAYLOAD_BYTES, _ANSWER_S = 256, 5.0
_LED_S = 60.0


@frozen
class GameDayOrder:
    """Where the staging clusters are, and who the load is. ``login`` and ``headers`` prove who that is.

    ``path`` is the request of clients, None where they speak NATS. ``resolvers`` instead of this machine's own.
    ``limit_s``: all of it, within the fault's own deadline. ``secrets`` must not get into evidence.
    """

    world_of: WorldOf
    fault: FaultDoor
    commands: Mapping[str, str]
    path: WritePath | None
    headers: Mapping[str, str]
    login: Mapping[str, str]
    resolvers: tuple[tuple[str, int], ...]
    ca: Path | None
    limit_s: float
    secrets: tuple[str, ...] = ()


async def play_loss(stage: GameDayStage) -> None:
    """Lost, noticed, failed over; given back without the way home."""
    await _over(stage)


async def play_there_and_back(stage: GameDayStage) -> None:
    """The same, and home again by the strategy's failback."""
    if not await _over(stage):
        return
    await stage.given_back()
    names = [placement.name for family in stage.families if (placement := family.at(stage.home))]
    await all_led(stage.venue.place(stage.home), names, _LED_S)
    begin_ns = time.monotonic_ns()
    await failed_back(stage)
    note_silence(stage, "failback", begin_ns)
    stage.survivors = [stage.home, stage.away]


async def _over(stage: GameDayStage) -> bool:
    check = stage.watch()
    await stage.lose(stage.home)
    stage.survivors = [region for region in stage.venue.regions if region != stage.home]
    await stage.noticed(check)
    outcome = await stage.fail_over()
    if not (outcome and outcome.finished):
        if stage.failure:
            stage.note(EventName.STOPPED, why=stage.failure)
        stage.observe(f"the failover stopped: {stage.failure or 'it did not finish'}", False)
        return False
    await stage.settled()
    return True


PLAYS: Mapping[str, Callable[[GameDayStage], Awaitable[None]]] = {
    "region-loss": play_loss,
    "failback": play_there_and_back,
}
"""What may be played on staging, by the name of the drill."""


async def run_game_day(
    drill: Drill, setup: Setup, order: GameDayOrder, root: Path, report: ReportProgress, of: RunOf
) -> RunResult:
    """Raises InputError or MachineError before anything is harmed, or when the region has been given back."""
    folder = Path(tempfile.mkdtemp(prefix="secondsite-game-day-"))
    supervisor = Supervisor(folder / "logs", doomed=folder)
    try:
        return await _in_folder(drill, setup, order, root, report, of, folder, supervisor)
    finally:
        supervisor.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _in_folder(
    drill: Drill,
    setup: Setup,
    order: GameDayOrder,
    root: Path,
    report: ReportProgress,
    of: RunOf,
    folder: Path,
    supervisor: Supervisor,
) -> RunResult:
    venue = await _venue(drill, setup, order, folder, supervisor)
    manifest = _manifest(drill, setup, order, venue, await _versions(venue), of)
    with EvidenceWriter.create(root, manifest, order.secrets) as writer:
        stage = await _stage(drill, setup, order, venue, writer, report)
        try:
            await _played(drill, stage, order.limit_s)
            await _read(stage)
        finally:
            await end_tasks(*stage.tasks)
        stage.note(EventName.NOT_REHEARSED, steps=list(dict.fromkeys(stage.hands.skipped)))
        _keep(stage)
        judgement = seal(writer)
    if judgement.crashed:
        raise MachineError.at("checker", judgement.crashed, f"see {writer.folder}")
    people = tuple(step.id for step in stage.procedure.steps if step.by_person)
    return RunResult(drill, setup, writer.folder, 0.0, dict(manifest.versions), judgement, people)


async def _played(drill: Drill, stage: GameDayStage, limit_s: float) -> None:
    try:
        await stage.begin()
        async with asyncio.timeout(limit_s):
            await PLAYS[drill.id](stage)
    except TimeoutError:
        what = f"the game day did not end within {limit_s:g} s; the region is given back"
        raise MachineError.at(drill.id, what, f"see {stage.writer.folder}") from None
    finally:
        await stage.venue.repair()


async def _venue(drill: Drill, setup: Setup, order: GameDayOrder, folder: Path, supervisor: Supervisor) -> StagingVenue:
    world = order.world_of(Decision("", 0.0, ""), setup.procedure(drill.procedure or drill.fault))
    places: dict[str, NatsPlace] = dict(world.regions)
    entrances: dict[str, tuple[str, ...]] = {}
    for region, place in places.items():
        if order.path is None:
            entrances[region] = tuple((await nats_addresses(place)).values())
        elif world.dns is not None:
            names = await world.dns.addresses(region)
            entrances[region] = tuple([each for name in names for each in await addresses_of(name)])
    if missing := [region for region in places if not entrances.get(region)]:
        what = f"the clients' address is not configured for {', '.join(missing)}"
        raise InputError.at("operate.places", what, "write `address` under each place, and `dns`")
    tls = None
    if order.path is not None and order.path.url.startswith("https:"):
        tls = ssl.create_default_context(cafile=order.ca or None)
    check_path = setup.deployment.traffic.check_path
    faults = {setup.deployment.primary.region.name: order.fault}
    return StagingVenue(supervisor, folder, places, entrances, order.path, check_path, tls, faults, _judge(setup))


def _judge(setup: Setup) -> Endpoint | None:
    """Raises InputError for what is no address of a watch."""
    if setup.trigger == CHECKS:
        return None
    match = re.fullmatch(r"http://([^/:@\s]+):(\d{1,5})/?", setup.trigger)
    if match is None:
        what = f"{setup.trigger!r} is not the address of a watch"
        raise InputError.at("--trigger", what, "run `secondsite watch judge`, and write http://HOST:PORT")
    return Endpoint(match[1], int(match[2]))


async def _versions(venue: StagingVenue) -> dict[str, str]:
    """By region. Raises MachineError for one that does not answer: nothing is harmed then."""
    versions = {}
    for region, place in venue.places.items():
        async with place.open() as opened:
            versions[region] = StreamApi(opened).version
    return versions


def _manifest(
    drill: Drill, setup: Setup, order: GameDayOrder, venue: StagingVenue, versions: dict[str, str], of: RunOf
) -> DrillManifest:
    """Nothing is projected: what is configured on staging is what it is judged by."""
    fault = drill.procedure or drill.fault
    procedure = setup.procedure(fault)
    carried_out = [procedure, *([failback(setup.deployment, setup.kit)] if drill.returns else [])]
    chosen = setup.profile
    timing = Timing(chosen.check_interval_s, chosen.check_threshold, chosen.decide_s, chosen.ttl_s)
    away = (setup.deployment.standby or setup.deployment.sites[-1]).region.name
    world = order.world_of(Decision("", 0.0, ""), procedure)
    left = {step.id for step, _ in left_by_hand(world, procedure, away) if not _by_command(step, order.commands)}
    ran = {step.verb for step in procedure.steps if step.id not in left}
    stores = tuple(each.name for each in setup.system.stores if each.loss is Loss.DATA)
    return DrillManifest(
        drill=drill.id,
        strategy=setup.strategy.id,
        fault=drill.fault,
        profile=chosen.name,
        seed=setup.seed,
        run=of.number,
        started_at=datetime.now(UTC).isoformat(),
        fingerprint=fingerprint(setup.deployment.system, setup.production, carried_out, versions.values()),
        timing=timing,
        production=timing,
        subjects=(Subject.NATS,) if order.path is None else (Subject.API, Subject.NATS),
        contracts=setup.system.contracts,
        new_side=venue.networks(away),
        trigger=CHECKS if setup.trigger == CHECKS else WATCH,
        steps=steps_of(procedure),
        milestones=procedure.milestones,
        versions=versions,
        host=host_facts(),
        unrehearsed=unrehearsed(procedure, ran),
        id=of.id or uuid.uuid4().hex,
        campaign=of.campaign,
        carried_out=(str(fault), *((FAILBACK,) if drill.returns else ())),
        of=setup.standing,
        where=Venue.STAGING,
        other_stores=stores,
    )


def _by_command(step: Step, commands: Mapping[str, str]) -> bool:
    return step.id in commands or str(step.verb) in commands


async def _stage(
    drill: Drill,
    setup: Setup,
    order: GameDayOrder,
    venue: StagingVenue,
    writer: EvidenceWriter,
    report: ReportProgress,
) -> GameDayStage:
    """Writes twice where the load speaks the user's own format, to see what comes of it."""
    run, streams = f"g{writer.manifest.id[:10]}", load_streams(setup)
    home = setup.deployment.primary.region.name
    form: StoredForm | None = None
    target = _target(order, venue, home)
    if isinstance(target, PathTarget):
        sender = PathSender(target, 0, _ANSWER_S, order.headers)
        form = await learned(sender, streams, venue.place(home), run, PAYLOAD_BYTES)
        streams = written_to(form, streams)
    client = ClientConfig(
        run=run,
        client=0,
        folder=str(writer.ledgers),
        streams=streams,
        target=target,
        rate_per_s=setup.rate_per_s,
        payload_bytes=PAYLOAD_BYTES,
        seed=setup.seed,
    )
    return GameDayStage(
        setup=setup,
        venue=venue,
        writer=writer,
        procedure=setup.procedure(drill.procedure or drill.fault),
        report=report,
        load=LoadClients(venue.supervisor, (client,), environment(order.headers, order.login)),
        random=random.Random(f"{setup.seed}/{writer.manifest.run}/{drill.id}"),
        world_of=order.world_of,
        hands=GameDayHands(order.commands, (setup.deployment.standby or setup.deployment.sites[-1]).region.name),
        form=form,
    )


def _target(order: GameDayOrder, venue: StagingVenue, home: str) -> PathTarget | NatsTarget:
    if order.path is not None:
        path, ca = order.path, order.ca or ""
        return PathTarget(path.url, path.method.upper(), path.body, path.acknowledged, order.resolvers, str(ca))
    regions = sorted(venue.regions, key=lambda region: region != home)
    servers = tuple(each.url for region in regions for each in venue.place(region).addresses)
    named = {
        each.host: address
        for region in regions
        for each, address in zip(venue.place(region).addresses, venue.entrances[region], strict=False)
    }
    return NatsTarget(servers, named=named)


async def _read(stage: GameDayStage) -> None:
    """Load off, then every copy that counts, read from end to end; what others wrote there is left out."""
    stage.report("reading every surviving copy")
    await stage.end()
    client = stage.load.clients[0]
    loads = {stream.name: stream for stream in client.streams}
    learning = frozenset(f"{client.run}.65535.{number}" for number in range(2))
    reading = Reading(stage.venue.places, client.run, loads, learning, stage.form, beside=True)
    for region in stage.survivors:
        for copy in await reading.copies(stage.families, region):
            read = copy if stage.form is None or stage.form.data is not None else evolve(copy, compared=False)
            read.save(stage.writer.finals / f"{copy.place.replace(' ', '-')}.copy")


def _keep(stage: GameDayStage) -> None:
    if stage.writer.journal.exists():
        stage.writer.take_journal()
    for path in sorted(stage.venue.supervisor.logs.glob("client-*.log")):
        stage.writer.add_log(path)
