"""A watch as the command line and the system file describe it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from secondsite.cli.operating_world import ProcedureDirection, Who, procedure_of, world_of
from secondsite.model.errors import InputError, MachineError, SecondsiteError

if TYPE_CHECKING:
    from secondsite.cli.operating_world import OperationPlaces, OperationScope
    from secondsite.cli.watch_options import WatchOptions
    from secondsite.model.deployment import Deployment
    from secondsite.model.fault import Fault
    from secondsite.model.procedure import Procedure
    from secondsite.model.system import System
    from secondsite.model.watching import WatchPolicy
    from secondsite.operate.live import LiveWorld
    from secondsite.operate.world import Decision
    from secondsite.watch.copy_sight import CopySight
    from secondsite.watch.judging import WatchRules
    from secondsite.watch.notices import Notice
    from secondsite.watch.operations import Operations
    from secondsite.watch.readiness import ReadyPlan
    from secondsite.watch.running import RunningWatch
    from secondsite.watch.status import ContractRow

_ANSWER_S = 10.0
_OBSERVERS = "operate.watch.observers"
_FEWEST, _LEAST_QUORUM = 3, 2


@frozen
class WatchParts:
    """``approvers``: names by public key."""

    running: RunningWatch
    approvers: Mapping[str, str]


def check_observer(system: System, name: str) -> None:
    """Raises InputError for one that the system file's watch does not count on."""
    watch = system.operate.watch if system.operate else None
    known = [one.name for one in watch.observers] if watch else []
    if known and name not in known:
        raise InputError.at("--name", f"{name!r} is none of {_OBSERVERS}", f"one of {', '.join(known)}, or add it")


def watch_parts(
    what: OperationScope, where: OperationPlaces, given: WatchOptions, token: str, say: Callable[[str], None]
) -> WatchParts:
    """Raises InputError for what is missing or cannot be."""
    from secondsite.operate.references import followed
    from secondsite.operate.world import Decision
    from secondsite.watch.lease_sight import LeaseSight
    from secondsite.watch.listening import Listening
    from secondsite.watch.notices import Notices
    from secondsite.watch.operations import WATCH
    from secondsite.watch.process import Watch, WatchSettings
    from secondsite.watch.readiness import Readiness
    from secondsite.watch.running import RunningWatch

    deployment, procedures = _procedures(what)
    policy = policy_of(_written(deployment.system), given)
    rules = rules_of(policy, given, tuple(site.region.name for site in deployment.sites))
    name = given.name or socket.gethostname()
    home = deployment.primary.region.name
    settings = WatchSettings(name, home, frozenset(policy.decide), frozenset(policy.ask), policy.block_s)
    operations = _operations(what, where, deployment, procedures, say)
    looking = Decision(f"{WATCH}{name}", 0.0, "a look")
    sight = LeaseSight(deployment, lambda: operations.world_of(next(iter(procedures.values())), looking), given.every_s)
    operations.lease = lambda: sight.latest
    targets = tuple(followed(one, "operate.watch.notify") for one in policy.notify)
    notices = Notices(f"watch {name}", targets, say)
    watch = Watch(settings, rules, operations, notices.say, say)
    addresses = {one.name: one.at for one in policy.observers}
    listening = Listening(addresses, token, given.every_s / 2, min(5.0, max(1.0, given.every_s)), watch.hear)

    def changed(plan: ReadyPlan) -> None:
        notice = readiness_notice(plan)
        say(f"{notice.title}{': ' if notice.text else ''}{notice.text}")
        notices.say(notice)

    readiness = Readiness(
        operations,
        tuple(procedures),
        Decision(f"{WATCH}{name}", 0.0, "readiness"),
        watch.clock,
        lambda: watch.disturbed,
        changed,
        given.ready_s,
    )
    copies = _copies(where.from_, deployment, operations, looking)
    contracts = partial(contract_rows, what, deployment, say)
    running = RunningWatch(watch, listening, readiness, notices, sight, copies, contracts)
    return WatchParts(running, approvers_of(deployment.system))


def _copies(store: str, deployment: Deployment, operations: Operations, looking: Decision) -> CopySight:
    """``store`` is where backups and archive lie, empty where nobody said."""
    from secondsite.cli.stores import open_store
    from secondsite.watch.copy_sight import CopySight, saved_ages

    procedure = next(iter(operations.procedures.values()))
    saved = partial(saved_ages, open_store(store, None, "--from")) if store else None
    return CopySight(
        deployment, procedure, lambda: operations.world_of(procedure, looking), time.monotonic, time.time, saved
    )


def contract_rows(what: OperationScope, deployment: Deployment, say: Callable[[str], None]) -> tuple[ContractRow, ...]:
    """Every contract, with its verdict by the evidence beside the system file; `unproven` where there is none."""
    from datetime import UTC, datetime

    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.discover.system_file.reading import load_system
    from secondsite.drill.evidence.folder import EVIDENCE_FOLDER
    from secondsite.drill.verdict.verification import verify
    from secondsite.watch.status import ContractRow

    evidence, verdicts = what.file.parent / EVIDENCE_FOLDER, {}
    if evidence.is_dir():
        system, catalogue = load_system(what.file), load_catalogue(what.file.parent / USER_FOLDER)
        try:
            made = verify(system, catalogue, (evidence,), datetime.now(UTC), (deployment.strategy.id,))
        except SecondsiteError as error:
            say(f"the evidence cannot be judged: {error.problems[0]}")
        else:
            verdicts = {one.name: str(made.of(one)) for one in system.contracts}
    return tuple(
        ContractRow(one.name, one.rto_s, one.rpo_s, verdicts.get(one.name, "unproven"))
        for one in deployment.system.contracts
    )


def readiness_notice(plan: ReadyPlan) -> Notice:
    from secondsite.watch.notices import Notice

    if plan.ready:
        return Notice("ready", f"a failover for {plan.fault} could run now", "")
    lines = [plan.problem] if plan.problem else [f"{one.guard}: {one.what}; {one.remedy}" for one in plan.refusals]
    could = "could run now and would lack something" if plan.could_run else "could not run now"
    return Notice("not-ready", f"a failover for {plan.fault} {could}", "\n".join(lines))


def _operations(
    what: OperationScope,
    where: OperationPlaces,
    deployment: Deployment,
    procedures: Mapping[Fault, Procedure],
    say: Callable[[str], None],
) -> Operations:
    from secondsite.discover.system_file.reading import load_system
    from secondsite.operate.world import Decision
    from secondsite.publish.terminal.operation import progress_line
    from secondsite.watch.operations import Operations

    failback = procedure_of(ProcedureDirection.BACK, what)[1]
    known = [_names(one) for one in (*procedures.values(), failback)]

    def made_for(procedure: Procedure, decision: Decision) -> LiveWorld:
        """A command that this procedure has no step for is another's; one that none has is refused."""
        mine = [
            one
            for one in where.command
            if (name := one.partition("=")[0]) in _names(procedure) or not any(name in names for names in known)
        ]
        own = evolve(where, command=tuple(mine))
        return evolve(world_of(what, own, Who(), deployment, procedure), decision=decision)

    made_for(next(iter(procedures.values())), Decision("", 0.0, ""))  # what is missing is told before it is needed
    folder = what.file.parent / ".secondsite"
    return Operations(
        deployment,
        procedures,
        made_for,
        folder,
        say,
        lambda one: say(progress_line(one)),
        frozenset(what.allow),
        where.patience,
        failback=failback,
        declared=switched_by_people(load_system(what.file)),
    )


def switched_by_people(system: System) -> bool:
    """Whether somebody wrote `traffic: automatic: false`; what `init` assumed does not count."""
    from secondsite.model.mark import Knowledge

    mark = system.marks.get("traffic.automatic")
    return mark is not None and mark.origin is Knowledge.WRITTEN and not system.traffic.automatic


def _names(procedure: Procedure) -> frozenset[str]:
    """By which commands name its steps."""
    return frozenset(name for step in procedure.steps for name in (step.id, str(step.verb)))


def _procedures(what: OperationScope) -> tuple[Deployment, dict[Fault, Procedure]]:
    """Of every fault that has one that can end."""
    from secondsite.model.fault import LEAVES_REGION
    from secondsite.model.procedure import Verb

    made = {}
    for fault in sorted(LEAVES_REGION):
        deployment, procedure = procedure_of(ProcedureDirection.OVER, evolve(what, fault=str(fault)))
        if not any(step.blocked for step in procedure.steps if step.verb is Verb.DECIDE):
            made[fault] = procedure
    if not made:
        what_is = f"{what.strategy} has no failover"
        raise InputError.at("--strategy", what_is, "give the deployed strategy, one with a second region")
    return deployment, made


def _written(system: System) -> WatchPolicy | None:
    return system.operate.watch if system.operate else None


def policy_of(written: WatchPolicy | None, given: WatchOptions) -> WatchPolicy:
    """``written`` is what `operate: watch:` says; an option goes before it. Raises InputError."""
    from secondsite.cli.operating_options import pairs
    from secondsite.model.units import Seconds
    from secondsite.model.watching import WatchObserver, WatchPolicy

    written = written or WatchPolicy()
    named = []
    for text, url in pairs(given.observer, "--observer").items():
        name, _, region = text.partition("@")
        named.append(WatchObserver(name, region, url))
    return evolve(
        written,
        observers=tuple(named) or written.observers,
        quorum=written.quorum if given.quorum is None else given.quorum,
        window_s=written.window_s if given.window_s is None else Seconds(given.window_s),
        block_s=written.block_s if given.block_s is None else Seconds(given.block_s),
        decide=_faults(given.decide) or written.decide,
    )


def _faults(names: tuple[str, ...]) -> tuple[Fault, ...]:
    from secondsite.model.fault import Fault

    if unknown := [name for name in names if name not in set(Fault)]:
        raise InputError.at("--decide", f"{unknown[0]!r} is no fault", "write region")
    return tuple(Fault(name) for name in names)


def rules_of(policy: WatchPolicy, given: WatchOptions, regions: tuple[str, ...]) -> WatchRules:
    """Raises InputError for observers of whom one could decide alone, or who could never agree."""
    from secondsite.model.fault import Fault
    from secondsite.watch.judging import WatchRules

    places = {one.name: one.region for one in policy.observers}
    for one in policy.observers:
        if one.region and one.region not in regions:
            what = f"{one.name} is in {one.region}, no region that is watched"
            raise InputError.at(_OBSERVERS, what, f"name one of {', '.join(regions)}")
        if not one.at:
            raise InputError.at(_OBSERVERS, f"the address of {one.name} is not configured", "write `at: https://…`")
    rules = WatchRules(places, regions, policy.quorum, policy.window_s, given.checks, given.every_s)
    fewest = min((rules.needed(region) for region in regions), default=0)
    if len(places) < _FEWEST or fewest < _LEAST_QUORUM:
        what = f"{len(places)} observers: 3 are needed, and 2 outside of each region, so that none decides alone"
        raise InputError.at(_OBSERVERS, what, "run `secondsite watch observe` in each region and outside")
    if policy.quorum > len(places):
        what = f"{policy.quorum} of {len(places)} observers can never agree"
        raise InputError.at("operate.watch.quorum", what, "ask for fewer")
    if odd := sorted(set(policy.decide) - {Fault.REGION}):
        what = f"{odd[0]} always needs approval"
        raise InputError.at(
            "operate.watch.decide",
            what,
            "list only `region` under `decide`, as a quorum agrees on it, and the rest under `ask`",
        )
    return rules


def approvers_of(system: System) -> Mapping[str, str]:
    """By public key; none where the file names none: then only the page's token approves."""
    from secondsite.operate.references import path_of
    from secondsite.watch.approvals import read_approvers

    policy = system.operate.watch if system.operate else None
    if policy is None or not policy.approvers:
        return {}
    return read_approvers(path_of(policy.approvers, "operate.watch.approvers"))


def asked(at: str, path: str, body: bytes | None = None) -> bytes:
    """The answer of a watch; raises MachineError, or InputError with what it objects to."""
    import httpx2

    try:
        answer = httpx2.request(
            "GET" if body is None else "POST",
            f"{at.rstrip('/')}{path}",
            content=body,
            timeout=_ANSWER_S,
            trust_env=False,
        )
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        what = f"no answer from the watch ({type(error).__name__})"
        raise MachineError.at(at, what, "give the address that it printed at its start") from None
    if answer.status_code == 409:
        raise InputError.at(at, answer.text.strip(), "see `secondsite watch status`")
    if answer.status_code != 200:
        raise MachineError.at(at, f"the watch answers {answer.status_code}", "give the address of a watch")
    return answer.content
