"""RTO: when each step of a procedure is done, and so when each subject is back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial, reduce

import numpy as np
from attrs import evolve

from secondsite.evaluate.draws import Draws, Samples
from secondsite.model.contract import Subject, about
from secondsite.model.estimate import Estimate, Provenance, Quantiles, unbounded
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb


def finish_s(steps: tuple[Step, ...], draws: Draws) -> Mapping[str, Samples]:
    """For each step, seconds from the fault to its end: inf for a blocked step and all that wait for it.

    A step starts when the last of those it waits for has ended (the critical path).
    """
    done: dict[str, Samples] = {}
    for step in steps:
        before = [done[name] for name in step.after]
        # Equal steps after the very same samples end at the same time, whichever strategy they belong to.
        done[step.id] = draws.once((step, *map(id, before)), partial(_end_s, step, before, draws))
    return done


def _end_s(step: Step, before: Sequence[Samples], draws: Draws) -> Samples:
    if step.blocked:
        return np.full(1, np.inf)
    duration = draws.of(step.id, step.duration)
    return reduce(np.maximum, before) + duration if before else duration


def milestone_of(procedure: Procedure, subject: Subject, part: str = "") -> str | None:
    """The step after which the subject is back. The process that dies is one of the subject's own: an API pod, or a
    NATS server with the breaker that clients sit behind."""
    if procedure.fault is Fault.PROCESS and subject is Subject.API and procedure.degraded:
        return procedure.degraded
    return procedure.milestone(subject, part)


def answered_by_others(procedure: Procedure, subject: Subject) -> Estimate | None:
    """RTO ends with the first acknowledged write, in a drill and here: another API pod may take it at once."""
    own = procedure.fault is Fault.PROCESS and subject is Subject.API
    return procedure.answered if own else None


def _waited_for(procedure: Procedure, subject: Subject, part: str) -> tuple[str, ...]:
    """The steps after which the subject is back: its milestone, and where clients have to go to another region, the
    decision. Streams that elect there by themselves are looked at, and written to, by nobody before that: a drill's
    clock ends at the same moment. Monitoring is back when it counts what the API acknowledges, so not before it."""
    milestone = milestone_of(procedure, subject, part)
    if milestone is None:
        return ()
    trigger = [step.id for step in procedure.steps if step.verb in (Verb.DETECT, Verb.DECIDE)]
    if subject is Subject.OBSERVABILITY:
        served = procedure.milestone(Subject.API)
        return (milestone, served) if served else (milestone,)
    moves = procedure.fault.leaves_region and subject is Subject.NATS and trigger
    return (milestone, trigger[-1]) if moves else (milestone,)


def recovery_s(
    procedures: Mapping[Fault, Procedure], fault: Fault, subject: Subject, draws: Draws, part: str = ""
) -> Samples:
    """Seconds from the fault until the subject, or a part of it, is back; zero for what the fault does not touch.

    Where the procedure may escalate, the sooner of the two ends counts.
    """
    procedure = procedures[fault]
    if others := answered_by_others(procedure, subject):
        return draws.of("answered", others)
    waited_for = _waited_for(procedure, subject, part)
    if not waited_for:
        return np.zeros(1)
    own = reduce(np.maximum, (finish_s(procedure.leading_to(step), draws)[step] for step in waited_for))
    if procedure.escalates_to is None:
        return own
    return np.minimum(own, recovery_s(procedures, procedure.escalates_to, subject, draws, part))


def rto(
    procedures: Mapping[Fault, Procedure], fault: Fault, subject: Subject, draws: Draws, part: str = ""
) -> Estimate:
    """The RTO as an Estimate in seconds, with the durations of the steps it waits for as inputs."""
    procedure = procedures[fault]
    name = f"RTO of {about(subject, part)}, {fault}"
    wanted = [procedure.leading_to(step) for step in _waited_for(procedure, subject, part)]
    steps = tuple(step for step in procedure.steps if any(step in way for way in wanted))
    if others := answered_by_others(procedure, subject):
        return evolve(others, name=name, provenance=Provenance.DERIVED, formula=others.name, inputs=(others,))
    samples = recovery_s(procedures, fault, subject, draws, part)
    if not np.all(np.isfinite(samples)):
        why = "; ".join(step.blocked for step in steps if step.blocked)
        return unbounded(name, "s", why, tuple(step.duration for step in steps if not step.blocked))
    p05, p50, p95 = (float(q) for q in np.quantile(samples, (0.05, 0.5, 0.95)))
    return Estimate(
        name=name,
        unit="s",
        distribution=Quantiles(p05, p50, p95, float(samples.mean())),
        provenance=Provenance.DERIVED,
        source=f"simulated over the {len(steps)} steps of: {procedure.name}",
        formula=_path(steps) if steps else "not affected",
        inputs=tuple(step.duration for step in steps),
    )


def _path(steps: tuple[Step, ...]) -> str:
    return "longest path through: " + ", ".join(
        f"{step.id} (after {' and '.join(step.after)})" if step.after else step.id for step in steps
    )
