"""The regions are cut off from each other, and both go on.

Each serves by itself, except where a stream's quorum spans the cut, a lease is renewed through it, or a commit waits
for a standby behind it.
"""

from __future__ import annotations

from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.strategy import Link
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import make_step
from secondsite.strategies.stores import SYNCHRONOUS, needed_to_serve, stores_copied
from secondsite.strategies.write_gate import leased

_NAME = "the regions are cut off from each other"
COMMITS = "commits-wait"


def wan_partition(deployment: Deployment, kit: Kit) -> Procedure:
    commits = _commits_wait(deployment, kit)
    if leased(deployment):
        return _without_a_lease(kit, commits)
    milestones = _of_commits(kit, commits)
    if deployment.strategy.link is not Link.STRETCH:
        return Procedure(_NAME, Fault.WAN_PARTITION, commits, milestones)
    elect = make_step(
        kit,
        Verb.ELECT,
        "streams led from behind the cut elect a new leader",
        "elect.stretch",
        check="every stream has a leader",
    )
    return Procedure(
        _NAME, Fault.WAN_PARTITION, (elect, *commits), {**milestones, Subject.NATS: elect.id}, affected=0.5
    )


def _commits_wait(deployment: Deployment, kit: Kit) -> tuple[Step, ...]:
    """RPO 0 is paid for here: going on without the standby is a decision against it, and nobody makes it by itself."""
    names = tuple(each.store.name for each in stores_copied(deployment, SYNCHRONOUS))
    if not names:
        return ()
    step = make_step(
        kit,
        Verb.WAIT,
        f"wait for the link: each COMMIT of {', '.join(names)} waits for its synchronous standby (to go on without it, "
        "and without RPO 0: ALTER SYSTEM SET synchronous_standby_names = '', then pg_reload_conf())",
        "duration.wan-partition",
        check="pg_stat_replication shows the standby as sync, and a COMMIT returns",
        step_id=COMMITS,
        targets=names,
    )
    return (step,)


def _of_commits(kit: Kit, commits: tuple[Step, ...]) -> dict[Subject, str]:
    """The API waits with them where it cannot answer without one of these stores."""
    if not commits:
        return {}
    waiting = needed_to_serve(kit.system) & set(commits[0].targets)
    return dict.fromkeys((Subject.STATE, *((Subject.API,) if waiting else ())), commits[0].id)


def _without_a_lease(kit: Kit, commits: tuple[Step, ...]) -> Procedure:
    """The first region takes no writes once its lease has run out: until the link is back, or the other took over."""
    wait = make_step(
        kit,
        Verb.WAIT,
        "wait for the link: the first region holds no lease, and the other one mirrors",
        "duration.wan-partition",
        check="the gates hold a lease again",
    )
    cut_off = dict.fromkeys((Subject.API, Subject.NATS), wait.id)
    return Procedure(
        _NAME,
        Fault.WAN_PARTITION,
        (wait, *commits),
        {**_of_commits(kit, commits), **cut_off},
        escalates_to=Fault.REGION,
    )
