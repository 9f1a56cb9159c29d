"""``secondsite drill --on staging``: what it takes beside a drill's own options, and what refuses it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from attrs import evolve, frozen
from cyclopts.types import PositiveFloat

from secondsite.cli.operating_world import OperationPlaces, OperationScope, Who, world_of
from secondsite.cli.stores import open_store, option
from secondsite.model.errors import InputError, SecondsiteError

if TYPE_CHECKING:
    from secondsite.drill.evidence.register import CampaignSeries
    from secondsite.drill.gameday.consent import GameDayFacts, SavedData
    from secondsite.drill.gameday.fault import FaultDoor
    from secondsite.drill.gameday.run import GameDayOrder
    from secondsite.drill.gameday.stage import WorldOf
    from secondsite.drill.play.script import Drill
    from secondsite.drill.play.setup import Setup
    from secondsite.drill.run import RunResult
    from secondsite.kube.cluster import ClusterPlace
    from secondsite.kube.faults import ChaosResource, FaultRecord
    from secondsite.model.deployment import Deployment
    from secondsite.model.operate import Operate
    from secondsite.model.system import System

_MARGIN_S = 60.0
"""What the drill may not use of the fault's time, so that it is given back by who took it and not by the guard."""


@frozen
class GameDayOptions:
    """What only a drill ``--on staging`` takes."""

    on: Annotated[
        Literal["lab", "staging"],
        option("lab: processes on this machine; staging: the clusters of `operate: places:`."),
    ] = "lab"
    approve: Annotated[str, option("--on staging: the hash that the same command prints without it.")] = ""
    fault_by: Annotated[
        Literal["scale-to-zero", "network-policy", "resource", "command"],
        option("--on staging: how the region is taken down."),
    ] = "scale-to-zero"
    resource: Annotated[
        Path | None, option("--fault-by resource: a YAML file of Chaos Mesh or LitmusChaos resources.")
    ] = None
    away: Annotated[str, option("--fault-by command: command that takes the region down.")] = ""
    back: Annotated[
        str, option("--fault-by command: command that restores it; runs after --lasts-s, even if this process dies.")
    ] = ""
    lasts_s: Annotated[PositiveFloat, option("--on staging: seconds after which the fault undoes itself.")] = 1800.0
    cordon: Annotated[bool, option("--on staging: cordon the nodes as well.")] = True
    from_: Annotated[str, option("--on staging: the store with a fresh backup or archive.", name="--from")] = ""
    backup_within_s: Annotated[PositiveFloat, option("--on staging: how old that may be, in seconds.")] = 86400.0
    command: Annotated[
        tuple[str, ...],
        option("--on staging: a command for a step that nothing configured can carry out: STEP=COMMAND.", negative=""),
    ] = ()


IN_THE_LAB = GameDayOptions()


@frozen
class GameDayPlan:
    """What is about to be done, and why not; ``hash`` is what has to be typed."""

    order: GameDayOrder
    facts: GameDayFacts
    record: FaultRecord | None
    hash: str


def game_day(drill: Drill, setup: Setup, options: GameDayOptions, file: Path, number: int = 1) -> GameDayPlan:
    """Looks, and harms nothing. Raises InputError for what cannot be a game day at all.

    Nobody is asked with a login that may be production's.
    """
    from secondsite.drill.gameday.consent import GameDayFacts, approval_hash, file_refusals
    from secondsite.drill.gameday.run import PLAYS
    from secondsite.model.operate import Operate

    if drill.id not in PLAYS:
        raise InputError.at("drill", f"{drill.id} runs in the lab only", f"on staging: {', '.join(PLAYS)}")
    operate = setup.system.operate or Operate()
    shared = _shared(setup.system)
    if problems := file_refusals(operate, shared):
        raise InputError(problems)
    home = setup.deployment.primary.region.name
    world = _world(setup.deployment, options, file)
    place = _cluster(operate, home)
    fault, record, target, uid, guarded = asyncio.run(_fault(setup, options, place, home, number))
    facts = GameDayFacts(
        region=home,
        operate=operate,
        uid=uid,
        shared=shared,
        target=target,
        guarded=guarded,
        saved=asyncio.run(_saved(setup, options.from_)),
        fresh_within=timedelta(seconds=options.backup_within_s),
        plan_refusals=asyncio.run(_plan_refusals(drill, setup, world)),
    )
    about = {"drill": drill.id, "strategy": setup.strategy.id, "away": options.away, "back": options.back}
    order = _order(operate, options, fault, world)
    return GameDayPlan(order, facts, record, approval_hash(record, uid, {**about, "lasts_s": options.lasts_s}))


def staged(setup: Setup) -> Setup:
    """With the times that staging has, as its file says."""
    from secondsite.drill.play.profile import as_configured

    operate = setup.system.operate
    window_s = float(operate.watch.window_s) if operate and operate.watch else setup.profile.decide_s
    return evolve(setup, profile=as_configured(setup.production.traffic, window_s), deployment=setup.production)


def _world(deployment: Deployment, options: GameDayOptions, file: Path) -> WorldOf:
    def of(decision: Any, procedure: Any) -> Any:
        where = OperationPlaces(command=(), from_=options.from_)
        made = world_of(OperationScope(file), where, Who("a game day", decision.why), deployment, procedure)
        return evolve(made, decision=decision)

    return of


def _cluster(operate: Operate, region: str) -> ClusterPlace | None:
    from secondsite.operate.places import cluster_places

    return cluster_places(operate).get(region)


async def _fault(setup: Setup, options: GameDayOptions, place: ClusterPlace | None, region: str, number: int) -> Any:
    """The door, its record, what it would meet, the cluster's uid, and whether a guard is there."""
    from secondsite.drill.gameday.fault import ClusterFault, CommandFault
    from secondsite.drill.gameday.guard import guarded
    from secondsite.kube.faults import FaultKind, look, planned

    if options.fault_by == "command":
        if not (options.away and options.back):
            raise InputError.at(
                "--fault-by command", "a fault by command also needs a command that undoes it", "give --away and --back"
            )
        return CommandFault(options.away, options.back, options.lasts_s), None, None, "", True
    if place is None:
        what = f"no way is configured to reach the cluster of {region}"
        raise InputError.at("operate.places", what, f"write `kube` under {region}")
    spaces = namespaces_of(setup.system)
    async with place.open() as cluster:
        uid = await cluster.identity()
        target = await look(cluster, spaces, cordon=options.cordon)
    kind = FaultKind(options.fault_by)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{number}"
    record = planned(target, name, region, kind, options.lasts_s, _resources(options, spaces))
    return ClusterFault(place, record), record, target, uid, await guarded(place, spaces[0])


def _resources(options: GameDayOptions, spaces: tuple[str, ...]) -> tuple[ChaosResource, ...]:
    import yaml

    from secondsite.kube.faults import chaos_resource

    if options.fault_by != "resource":
        return ()
    if options.resource is None:
        raise InputError.at("--fault-by resource", "no resource is given", "name a file with --resource")
    try:
        contents = [one for one in yaml.safe_load_all(options.resource.read_text("utf-8")) if one]
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError.at(
            str(options.resource), f"cannot be read: {type(error).__name__}", "name a YAML file"
        ) from None
    if not contents or not all(isinstance(one, dict) for one in contents):
        raise InputError.at(str(options.resource), "holds no resource", "write one as Chaos Mesh or LitmusChaos has it")
    return tuple(chaos_resource(one, spaces, str(options.resource)) for one in contents)


def namespaces_of(system: System) -> tuple[str, ...]:
    """In which its services run; Kubernetes' own are none of them."""
    spaces = {service.namespace for service in system.services}
    return tuple(sorted(name for name in spaces if not name.startswith("kube-")))


def _shared(system: System) -> tuple[str, ...]:
    from secondsite.discover.system_file.reading import load_system
    from secondsite.drill.gameday.identities import shared
    from secondsite.operate.references import path_of

    named = system.operate.game_day.production if system.operate and system.operate.game_day else ""
    return shared(system, load_system(path_of(named, "operate.game_day.production"))) if named else ()


async def _saved(setup: Setup, url: str) -> SavedData:
    """Every stream that the fault may hit; an archive counts as what it is, the newest moment."""
    from secondsite.backup.inventory import take_inventory
    from secondsite.drill.gameday.consent import SavedData
    from secondsite.operate.layout import families

    if not url:
        return SavedData("", None)
    entry = (await take_inventory(open_store(url, None, "--from"))).newest_good
    if entry is None or entry.manifest is None:
        return SavedData(url, None)
    held = {stream.name for stream in entry.manifest.streams}
    lacking = tuple(family.name for family in families(setup.deployment) if family.name not in held)
    return SavedData(url, (datetime.now(UTC) - entry.when).total_seconds(), lacking)


async def _plan_refusals(drill: Drill, setup: Setup, world: WorldOf) -> tuple[str, ...]:
    """Why a failover would not be carried out now, beside what holds only once the region is lost."""
    from secondsite.drill.play.operated import LOST
    from secondsite.operate.plan import make_plan
    from secondsite.operate.world import Decision

    procedure = setup.procedure(drill.procedure or drill.fault)
    now = time.time()
    made = world(Decision("a game day", now, "it is planned", now, now), procedure)
    plan = await make_plan(procedure, setup.deployment, made, allowed=frozenset({LOST, "still-heard"}))
    return tuple(dict.fromkeys(problem.what for problem in plan.refusals))


def _order(operate: Operate, options: GameDayOptions, fault: FaultDoor, world: WorldOf) -> GameDayOrder:
    from secondsite.drill.gameday.run import GameDayOrder
    from secondsite.operate.http_path import client_path
    from secondsite.operate.references import path_of

    path = operate.path
    headers = client_path(path).headers if path else {}
    login = _login(operate)
    resolvers = tuple(_resolver(each) for each in (operate.dns.resolvers if operate.dns else ()))
    return GameDayOrder(
        world_of=world,
        fault=fault,
        commands=dict(each.partition("=")[::2] for each in options.command),
        path=path,
        headers=headers,
        login=login,
        resolvers=resolvers,
        ca=path_of(path.ca, "operate.path.ca") if path and path.ca else None,
        limit_s=max(_MARGIN_S, options.lasts_s - _MARGIN_S),
        secrets=(*(value for value in headers.values() if len(value) > _SHORT), *_proofs(login)),
    )


_SHORT = 7
"""A shorter header is no secret that could be told from other text."""


def _proofs(login: dict[str, str]) -> tuple[str, ...]:
    return tuple(login[name] for name in ("password", "token") if name in login)


def _resolver(text: str) -> tuple[str, int]:
    from secondsite.dns.asking import endpoint_of

    at = endpoint_of(text, "operate.dns.resolvers")
    return at.host, at.port


def _login(operate: Operate) -> dict[str, str]:
    """Of the system's NATS clients; references followed here, and handed on in the environment alone."""
    from secondsite.operate.references import followed, path_of

    clients = operate.game_day.clients if operate.game_day else None
    if clients is None:
        return {}
    place = "operate.game_day.clients"
    if clients.nkey or clients.context or clients.url:
        what = "a load logs in with user and password, token or creds, to the servers of the places"
        raise InputError.at(place, what, "write those, without context, url and nkey")
    texts = {
        name: followed(getattr(clients, name), f"{place}.{name}")
        for name in ("password", "token")
        if getattr(clients, name)
    }
    names = ("creds", "ca", "cert", "key")
    files = {name: str(path_of(getattr(clients, name), f"{place}.{name}")) for name in names if getattr(clients, name)}
    return {**({"user": clients.user} if clients.user else {}), **texts, **files}


def show(day: GameDayPlan, say: Callable[[str], None]) -> None:
    """What will be harmed, by what, and until when."""
    from secondsite.model.wording import counted, duration

    facts = day.facts
    if day.record is None:
        say(f"{facts.region} is taken away by a command, and given back by another one")
    else:
        say(f"{facts.region}, cluster {facts.uid}: {day.record.kind} of {', '.join(day.record.namespaces)}")
        for resource in day.record.resources:
            say(f"  {resource.kind} {resource.namespace}/{resource.name} ({resource.api_version})")
        for one in day.record.workloads:
            say(f"  {one.kind} {one.namespace}/{one.name}: {one.replicas} replicas to 0")
        if day.record.nodes:
            say(f"  {counted(len(day.record.nodes), 'nodes')} cordoned")
    say(f"  undone at the end, or by itself {duration(day.order.limit_s + _MARGIN_S)} after it began")
    where = day.order.path.url if day.order.path else "the NATS servers of the places"
    say(f"  load through {where}; staging keeps what it writes")


def refuse(day: GameDayPlan, approved: str) -> None:
    """Raises InputError with everything that speaks against it."""
    from secondsite.drill.gameday.consent import refusals

    if problems := refusals(day.facts):
        raise InputError(problems)
    if approved != day.hash:
        what = "this hash approves a different plan" if approved else "nobody approved it"
        raise InputError.at("--approve", what, f"to approve all of this: --approve {day.hash}")


def say_on_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def checked(drill: Drill, setup: Setup, options: GameDayOptions, file: Path, number: int) -> GameDayOrder:
    """Looked at anew for each run: consent may have been taken back, and a guard may be gone."""
    day = game_day(drill, setup, options, file, number)
    if number == 1:
        show(day, say_on_stderr)
    refuse(day, options.approve)
    return day.order


def game_days(
    drill: Drill,
    setup: Setup,
    options: GameDayOptions,
    file: Path,
    runs: int,
    root: Path,
    report: Callable[[str], None],
) -> list[RunResult]:
    """One after the other: there is one staging. Each is a run of one campaign, kept or not."""
    from secondsite.drill.evidence.campaign import CampaignRecord
    from secondsite.drill.evidence.chain import last_hash
    from secondsite.drill.gameday.run import run_game_day
    from secondsite.drill.run import RunOf
    from secondsite.operate import begun

    for direction in ("failover", "failback"):
        begun.refuse_beside(file.parent / ".secondsite" / f"{direction}.jsonl", direction)
    order = checked(drill, setup, options, file, 1)
    record = CampaignRecord.open(root, campaign_of(drill, setup), runs)
    results: list[RunResult] = []
    try:
        for number in range(1, runs + 1):
            of = RunOf(number, record.begun(number), record.id)
            try:
                if number > 1:
                    order = checked(drill, setup, options, file, number)
                result = asyncio.run(run_game_day(drill, setup, order, root, report, of))
            except SecondsiteError as error:
                record.died(of.id, str(error))
                raise
            record.ended(of.id, last_hash(result.evidence))
            results.append(result)
    finally:
        record.close()
    return results


def campaign_of(drill: Drill, setup: Setup) -> CampaignSeries:
    from secondsite.drill.evidence.register import CampaignSeries

    subjects = tuple(str(subject) for subject in drill.subjects)
    return CampaignSeries(setup.strategy.id, drill.id, setup.profile.name, str(drill.fault), subjects)
