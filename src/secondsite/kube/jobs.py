"""Jobs: one made of a CronJob's template, or of another Job, under a name that is given; until it has ended.

A name runs once: a Job that is there already is taken up, and told from one made anew by its uid. The template is
carried over as the API server has it, without a model in between that might not know a field.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from secondsite.kube.cluster import Cluster, ClusterConflictError, ClusterRefusedError, Right
from secondsite.model.errors import InputError, MachineError

_GROUP, _BY_HAND, _OF = "batch", "cronjob.kubernetes.io/instantiate", "secondsite.io/job-of"
_VERSIONS = {"CronJob": ("v1", "v1beta1"), "Job": ("v1",)}
"""Before 1.21 an API server has CronJobs of `v1beta1` alone."""
_EVERY_S = 0.5
_GIVEN_BY_SERVER = ("selector", "manualSelector", "suspend")
_LABELS_OF_ONE = ("controller-uid", "job-name")


class JobPhase(StrEnum):
    ABSENT = "absent"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


@frozen
class JobOrigin:
    """``name`` is that of the Job to run, ``of`` what it is made of, ``kind`` CronJob or Job."""

    namespace: str
    name: str
    kind: str
    of: str

    @property
    def shown(self) -> str:
        return f"Job {self.namespace}/{self.name}"

    @property
    def source(self) -> str:
        return f"{self.kind} {self.namespace}/{self.of}"


@frozen
class JobTemplate:
    """``content`` is a CronJob's `jobTemplate`. ``beside``: those of its Jobs that run, where it forbids a second."""

    uid: str
    api_version: str
    content: Mapping[str, Any] = field(repr=False)
    beside: tuple[str, ...] = ()


@frozen
class JobState:
    """``uid`` is the Job's, empty where it is absent."""

    origin: JobOrigin
    template: JobTemplate
    phase: JobPhase = JobPhase.ABSENT
    uid: str = ""
    why: str = ""

    @property
    def ended(self) -> bool:
        return self.phase in (JobPhase.COMPLETE, JobPhase.FAILED)


@frozen
class JobLog:
    """``unreadable`` says why there are no lines."""

    lines: tuple[str, ...] = ()
    unreadable: str = ""


def job_rights(origin: JobOrigin) -> Iterator[Right]:
    """Without those for its log, which is shown where it may be read."""
    yield Right("get", _GROUP, f"{origin.kind.lower()}s", origin.namespace, origin.of)
    yield Right("get", _GROUP, "jobs", origin.namespace, origin.name)
    yield Right("create", _GROUP, "jobs", origin.namespace)


async def look(cluster: Cluster, origin: JobOrigin) -> JobState:
    """Raises InputError where there is nothing to make it of, ClusterRefusedError where another Job has its name."""
    template = await _template(cluster, origin)
    job = await _got(cluster, "Job", origin.namespace, origin.name)
    if job is None:
        return JobState(origin, template)
    made_of = [str(one.uid) for one in job.metadata.ownerReferences or ()]
    made_of.append((job.metadata.annotations or {}).get(_OF, ""))
    if template.uid not in made_of:
        what = f"{origin.shown} exists, and was not made of {origin.source}"
        raise ClusterRefusedError.at(cluster.shown, what, "give it another name")
    return _state(origin, template, job)


async def start(cluster: Cluster, expected: JobState, *, dry_run: bool = False) -> JobState:
    """What is there then; a Job that runs or ended already is left as it is. Raises ClusterConflictError where the
    template changed since it was looked at, ClusterRefusedError where one runs beside which no second may.
    """
    if expected.phase is not JobPhase.ABSENT:
        return expected
    now = await look(cluster, expected.origin)
    if now.phase is not JobPhase.ABSENT:
        return now
    if now.template != expected.template:
        what = f"{expected.origin.source} changed"
        raise ClusterConflictError.at(cluster.shown, what, "read it again")
    if beside := expected.template.beside:
        what = f"{', '.join(beside)} runs, and {expected.origin.source} forbids a second"
        raise ClusterRefusedError.at(cluster.shown, what, "wait until it has ended")
    try:
        made = await cluster.asked(cluster.client.create(_made(expected), dry_run=dry_run))
    except ClusterConflictError:  # somebody was ahead with this name: theirs is taken up, or refused
        return await look(cluster, expected.origin)
    if made is None:
        raise MachineError.at(cluster.shown, f"namespace {expected.origin.namespace} does not exist", "look again")
    return expected if dry_run else _state(expected.origin, expected.template, made)


async def until_ended(cluster: Cluster, started: JobState, within_s: float) -> JobState:
    """As it was last seen when the time is over. Silence is waited out; a Job of another uid is a conflict."""
    deadline, state = time.monotonic() + within_s, started
    while not state.ended and time.monotonic() < deadline:
        await asyncio.sleep(min(_EVERY_S, max(0.0, deadline - time.monotonic())))
        try:
            state = await _again(cluster, started)
        except (ClusterRefusedError, ClusterConflictError):
            raise
        except MachineError as silence:
            state = evolve(state, why=str(silence))
    return state


async def last_lines(cluster: Cluster, state: JobState, count: int) -> JobLog:
    """Of the first container of its newest pod."""
    from lightkube.resources.core_v1 import Pod

    origin = state.origin
    selector: dict[str, Any] = {"job-name": origin.name}

    async def pods() -> list[Any]:
        return [one async for one in cluster.client.list(Pod, namespace=origin.namespace, labels=selector)]

    async def log(pod: Any) -> tuple[str, ...]:
        container = pod.spec.containers[0].name
        lines = cluster.client.log(
            pod.metadata.name, namespace=origin.namespace, container=container, tail_lines=count, newlines=False
        )
        return tuple([line async for line in lines])

    try:
        mine = [one for one in await cluster.asked(pods()) or () if _of(one, state.uid)]
        if not mine:
            return JobLog(unreadable="it has no pod")
        newest = max(mine, key=lambda one: str(one.metadata.creationTimestamp))
        return JobLog((await cluster.asked(log(newest)) or ())[-count:])
    except MachineError as error:
        return JobLog(unreadable=str(error))


async def _again(cluster: Cluster, started: JobState) -> JobState:
    origin = started.origin
    job = await _got(cluster, "Job", origin.namespace, origin.name)
    if job is None or str(job.metadata.uid) != started.uid:
        what = f"{origin.shown} was deleted while it ran{'' if job is None else ', and another one has its name'}"
        raise ClusterConflictError.at(cluster.shown, what, "look what it did before you start another")
    return _state(origin, started.template, job)


async def _got(cluster: Cluster, kind: str, namespace: str, name: str) -> Any:
    """None where there is none; with its version as ``apiVersion``."""
    from lightkube.generic_resource import create_namespaced_resource

    for version in _VERSIONS[kind]:
        resource = create_namespaced_resource(_GROUP, version, kind, f"{kind.lower()}s")
        if (got := await cluster.asked(cluster.client.get(resource, name, namespace=namespace))) is not None:
            return got
    return None


async def _template(cluster: Cluster, origin: JobOrigin) -> JobTemplate:
    source = await _got(cluster, origin.kind, origin.namespace, origin.of)
    if source is None:
        raise InputError.at(cluster.shown, f"{origin.source} does not exist", "correct its name or namespace")
    uid, version, spec = str(source.metadata.uid), str(source["apiVersion"]), source["spec"]
    if origin.kind == "Job":
        return JobTemplate(uid, version, {"spec": _copied(spec)})
    active = (source.get("status") or {}).get("active") or ()
    beside = tuple(str(one["name"]) for one in active) if spec.get("concurrencyPolicy") == "Forbid" else ()
    return JobTemplate(uid, version, spec["jobTemplate"], beside)


def _copied(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what the API server gave the Job to tell its pods from others."""
    template = spec["template"]
    metadata = template.get("metadata") or {}
    labels = {
        key: value
        for key, value in (metadata.get("labels") or {}).items()
        if key.removeprefix("batch.kubernetes.io/") not in _LABELS_OF_ONE
    }
    kept = {key: value for key, value in spec.items() if key not in _GIVEN_BY_SERVER}
    return {**kept, "template": {**template, "metadata": {**metadata, "labels": labels}}}


def _made(expected: JobState) -> Any:
    """Of a CronJob as `kubectl create job --from` makes one: it owns the Job, and its controller does not count it."""
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.models.meta_v1 import ObjectMeta, OwnerReference

    origin, template = expected.origin, expected.template
    given = template.content.get("metadata") or {}
    owned = origin.kind == "CronJob"
    marks = {_BY_HAND: "manual"} if owned else {_OF: template.uid}
    owner = OwnerReference(template.api_version, origin.kind, origin.of, template.uid)
    metadata = ObjectMeta(
        name=origin.name,
        namespace=origin.namespace,
        labels=given.get("labels"),
        annotations={**(given.get("annotations") or {}), **marks},
        ownerReferences=[owner] if owned else None,
    )
    job = create_namespaced_resource(_GROUP, "v1", "Job", "jobs")
    return job(metadata=metadata, spec=template.content["spec"])


def _state(origin: JobOrigin, template: JobTemplate, job: Any) -> JobState:
    conditions = (job.get("status") or {}).get("conditions") or ()
    true = {one["type"]: one for one in conditions if one.get("status") == "True"}
    phases = {"Complete": JobPhase.COMPLETE, "Failed": JobPhase.FAILED}
    phase = next((phases[kind] for kind in phases if kind in true), JobPhase.RUNNING)
    condition = true.get("Failed") or {}
    why = ": ".join(filter(None, (condition.get("reason", ""), condition.get("message", ""))))
    return JobState(origin, template, phase, str(job.metadata.uid), why)


def _of(pod: Any, uid: str) -> bool:
    return uid in [str(one.uid) for one in pod.metadata.ownerReferences or ()]
