"""A Job of a region, looked at and started through the door of its cluster; what its failover does not need, a person
starts: a base backup, a migration, a check of the user's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from secondsite.kube.cluster import Cluster, ClusterPlace, ClusterRefusedError
from secondsite.kube.jobs import JobLog, JobOrigin, JobPhase, JobState, job_rights, last_lines, look, start, until_ended
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN, InputError

_LINES = 20
_KINDS = {"cronjob": "CronJob", "job": "Job"}


@frozen
class RanJob:
    """``was`` is what was there before."""

    was: JobState
    state: JobState
    log: JobLog = JobLog()

    @property
    def code(self) -> int:
        phase = self.state.phase
        codes = {JobPhase.COMPLETE: EXIT_HOLDS, JobPhase.FAILED: EXIT_DOES_NOT_HOLD}
        return codes.get(phase, EXIT_UNPROVEN)


def job_origin(written: str, name: str) -> JobOrigin:
    """``cronjob/NAMESPACE/NAME`` or ``job/NAMESPACE/NAME``: what the Job of that name is made of."""
    kind, _, rest = written.partition("/")
    namespace, _, whose = rest.partition("/")
    if kind.lower() not in _KINDS or not (namespace and whose) or "/" in whose:
        what = f"`{written}` names no CronJob and no Job"
        raise InputError.at("OF", what, "write cronjob/NAMESPACE/NAME or job/NAMESPACE/NAME")
    if name == whose and kind.lower() == "job":
        raise InputError.at("--as", f"Job {name} is what it is made of", f"give another name, such as --as {whose}-2")
    return JobOrigin(namespace, name, _KINDS[kind.lower()], whose)


async def job_shown(place: ClusterPlace, origin: JobOrigin) -> JobState:
    """As it is; the API server rehearses the start of it. Raises ClusterRefusedError where it would be refused."""
    async with place.open() as cluster:
        state = await _looked_at(cluster, origin)
        await start(cluster, state, dry_run=True)
    return state


async def job_run(place: ClusterPlace, origin: JobOrigin, within_s: float) -> RanJob:
    async with place.open() as cluster:
        was = await _looked_at(cluster, origin)
        await start(cluster, was, dry_run=True)
        state = await until_ended(cluster, await start(cluster, was), within_s)
        return RanJob(was, state, await last_lines(cluster, state, _LINES))


async def _looked_at(cluster: Cluster, origin: JobOrigin) -> JobState:
    if lacking := await cluster.may(job_rights(origin)):
        what = f"no permission: {', '.join(map(str, lacking))}"
        raise ClusterRefusedError.at(cluster.shown, what, "bind the role `jobs` of docs/rights.md")
    return await look(cluster, origin)


def shown_lines(state: JobState) -> Iterator[str]:
    yield f"{state.origin.shown}: {_now(state)}"
    if state.phase is JobPhase.ABSENT:
        yield f"the API server would take it, made of {state.origin.source}; --apply starts it"


def _now(state: JobState) -> str:
    texts = {
        JobPhase.ABSENT: "does not exist yet",
        JobPhase.RUNNING: "running",
        JobPhase.COMPLETE: "complete",
        JobPhase.FAILED: "failed",
    }
    return texts[state.phase] + (f" ({state.why})" if state.why else "")


def ran_lines(ran: RanJob, within_s: float) -> Iterator[str]:
    was, state = ran.was, ran.state
    if was.ended:
        yield f"{state.origin.shown} had ended before and was not started; to run it again give another name to --as"
    elif was.phase is JobPhase.RUNNING:
        yield f"{state.origin.shown} was running already and was not started a second time"
    yield f"{state.origin.shown} (uid {state.uid}): {_now(state)}"
    if not state.ended:
        yield f"it has not ended within {within_s:g} s and goes on; the same command waits for it again"
    if ran.log.unreadable:
        yield f"its log cannot be read: {ran.log.unreadable}"
    yield from (f"  {line}" for line in ran.log.lines)
