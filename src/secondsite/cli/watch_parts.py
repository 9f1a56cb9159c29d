"""A watch as the command line and the system file describe it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from secondsite.cli.operating_world import ProcedureDirection, Who, procedure_of, world_of
from secondsite.model.errors import InputError, MachineError

if TYPE_CHECKING:
    from secondsite.cli.operating_world import OperationPlaces, OperationScope
    from secondsite.cli.watch import WatchOptions
    from secondsite.model.deployment import Deployment
    from secondsite.model.fault import Fault
    from secondsite.model.procedure import Procedure
    from secondsite.operate.executor import StepProgress
    from secondsite.operate.live import LiveWorld
    from secondsite.operate.world import Decision
    from secondsite.watch.judging import WatchRules
    from secondsite.watch.running import RunningWatch

_ANSWER_S = 10.0


def running_watch(
    what: OperationScope, where: OperationPlaces, given: WatchOptions, token: str, say: Callable[[str], None]
) -> RunningWatch:
    """Raises InputError for what is missing or cannot be."""
    from secondsite.operate.world import Decision
    from secondsite.watch.listening import Listening
    from secondsite.watch.notices import Notices
    from secondsite.watch.operations import WATCH, Operations
    from secondsite.watch.process import Watch, WatchSettings
    from secondsite.watch.readiness import Readiness
    from secondsite.watch.running import RunningWatch

    deployment, procedures = _procedures(what)
    rules, addresses = _rules(given, deployment)
    name = given.name or socket.gethostname()
    settings = WatchSettings(name, deployment.primary.region.name, _decided(given), block_s=given.block_s)

    def made_for(procedure: Procedure, decision: Decision) -> LiveWorld:
        who = Who(who=decision.who, why=decision.why)
        return world_of(what, where, who, deployment, procedure)

    def progress(one: StepProgress) -> None:
        from secondsite.publish.terminal.operation import progress_line

        say(progress_line(one))

    folder = what.file.parent / ".secondsite"
    operations = Operations(
        deployment, procedures, made_for, folder, say, progress, frozenset(what.allow), where.patience
    )
    made_for(next(iter(procedures.values())), Decision("", 0.0, ""))  # what is missing is told before it is needed
    notices = Notices(f"watch {name}", (), say)
    watch = Watch(settings, rules, operations, notices.say, say)
    listening = Listening(addresses, token, given.every_s / 2, min(5.0, max(1.0, given.every_s)), watch.hear)
    readiness = Readiness(
        operations,
        tuple(procedures),
        Decision(f"{WATCH}{name}", 0.0, "readiness"),
        watch.clock,
        lambda: watch.disturbed,
        lambda _plan: None,
        given.ready_s,
    )
    return RunningWatch(watch, listening, readiness, notices)


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
        raise InputError.at("--strategy", what_is, "name the one that is deployed, with a second region")
    return deployment, made


def _rules(given: WatchOptions, deployment: Deployment) -> tuple[WatchRules, Mapping[str, str]]:
    """With where each observer is asked."""
    from secondsite.cli.operating_options import pairs
    from secondsite.watch.judging import WatchRules

    addresses, places = {}, {}
    for text, url in pairs(given.observer, "--observer").items():
        name, _, region = text.partition("@")
        addresses[name], places[name] = url, region
    regions = tuple(site.region.name for site in deployment.sites)
    for name, region in places.items():
        if region and region not in regions:
            raise InputError.at("--observer", f"{name} is in {region}, no region of the deployment", "name one of them")
    rules = WatchRules(places, regions, given.quorum, given.window_s, given.checks, given.every_s)
    fewest = min((rules.needed(region) for region in regions), default=0)
    if len(places) < 3 or fewest < 2:
        what = (
            f"{len(places)} observers: at least 3 are needed, and 2 outside of each region, so that none decides alone"
        )
        raise InputError.at("--observer", what, "run `secondsite watch observe` in each region and outside")
    if given.quorum > len(places):
        raise InputError.at("--quorum", f"{given.quorum} of {len(places)} observers can never agree", "ask for fewer")
    return rules, addresses


def _decided(given: WatchOptions) -> frozenset[Fault]:
    from secondsite.model.fault import Fault

    if unknown := [name for name in given.decide if name != Fault.REGION]:
        what = f"{unknown[0]!r} is not decided without a person"
        raise InputError.at("--decide", what, "`region` is: a loss that a quorum agrees on; everything else is asked")
    return frozenset(Fault(name) for name in given.decide)


def approvers_of(what: OperationScope) -> Mapping[str, str]:
    del what
    return {}


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
        what = f"the watch does not answer ({type(error).__name__})"
        raise MachineError.at(at, what, "give the address that it printed at its start") from None
    if answer.status_code == 409:
        raise InputError.at(at, answer.text.strip(), "see `secondsite watch status`")
    if answer.status_code != 200:
        raise MachineError.at(at, f"the watch answers {answer.status_code}", "give the address of a watch")
    return answer.content
