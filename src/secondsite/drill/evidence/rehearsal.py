"""What a lab rehearses of a procedure, and what it cannot: machines that start, bulk data, a provider's DNS, people.

What was not rehearsed is expected to take as long as its figures say. A run that would not hold its limit with that
added has not shown that the limit holds, however quick it was here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import evolve, frozen

from secondsite.model.contract import Subject
from secondsite.model.estimate import Estimate, Fixed, Provenance
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.wording import duration
from secondsite.strategies.repairs import STREAMS_BACK

REAL: Mapping[str, Verb] = {
    "decide.automatic": Verb.DECIDE,
    "fence": Verb.FENCE,
    "record-state": Verb.RECORD_STATE,
    "promote.leafnode": Verb.PROMOTE_STREAMS,
    "promote.witness": Verb.DELETE_ORIGIN,
    "quorum.rescue": Verb.RESTORE_QUORUM,
    "continue.sourced": Verb.ELECT,
    "elect.stretch": Verb.ELECT,
    "elect.raft": Verb.ELECT,
    "restore.consumers": Verb.RESTORE_CONSUMERS,
    "verify.path": Verb.VERIFY_PATH,
}
"""Figures whose subject runs in the lab as in production, and the verb that is the figure's own: others borrow it."""

_CLOCKS = (Verb.DETECT, Verb.CONVERGE)
"""Parts of the clients' clock, projected to the strategy's own intervals."""
_QUANTILE = 0.95
_BEYOND_TTL = "converge.beyond-ttl"


@frozen
class Unrehearsed:
    """Of one subject: the steps, in their order, and how long the slowest way through them is expected to take."""

    steps: tuple[str, ...]
    seconds: float

    def beyond(self, left_s: float) -> str:
        """Why a limit that leaves so little says nothing."""
        were = "was" if len(self.steps) == 1 else "were"
        missing = f"{', '.join(self.steps)} {were} not carried out for real"
        return f"{missing} and may take {duration(self.seconds)}; {duration(left_s)} are left"


def unrehearsed(procedure: Procedure, ran: Collection[Verb] = ()) -> dict[Subject, Unrehearsed]:
    """Of each subject that waits for a step that the lab does not run; seconds are 95 % quantiles, summed.

    ``ran``: verbs that this lab runs and others do not, such as the promotion of its databases.
    """
    versions = {}
    for subject, milestone in procedure.milestones.items():
        steps = procedure.leading_to(milestone)
        ends: dict[str, float] = {}
        for step in steps:
            beyond_s = 0.0 if step.verb in ran else _beyond(step)
            ends[step.id] = max((ends.get(each, 0.0) for each in step.after), default=0.0) + beyond_s
        missing = tuple(step.id for step in steps if step.verb not in ran and _beyond(step))
        if missing:
            versions[subject] = Unrehearsed(missing, ends[milestone])
    return versions


def rehearsed(step: Step) -> bool:
    """A step that borrows a figure which the lab measures is taken to be as quick as that; servers that elect, and a
    breaker that closes, do so in the lab as anywhere."""
    by_itself = step.duration.name == STREAMS_BACK
    return not step.by_person and (step.verb in _CLOCKS or by_itself or step.duration.name in REAL)


def as_rehearsed(procedure: Procedure) -> Procedure:
    """What a lab can be expected to take: steps that it does not run take no time, its resolvers keep to the TTL."""
    return evolve(procedure, steps=tuple(_in_the_lab(step) for step in procedure.steps))


def _in_the_lab(step: Step) -> Step:
    if step.blocked or (rehearsed(step) and step.verb is not Verb.CONVERGE):
        return step
    seconds = max(0.0, step.duration.quantile(_QUANTILE) - _beyond(step))
    why = "as configured" if seconds else "no lab runs it"
    return evolve(step, duration=Estimate(step.duration.name, "s", Fixed(seconds), Provenance.DERIVED, why))


def _beyond(step: Step) -> float:
    """A step that cannot complete takes no time: what it stops is judged by having stopped.

    A lab's resolvers keep to the TTL: what others add to it was not rehearsed.
    """
    if step.verb is Verb.CONVERGE:
        return sum(part.quantile(_QUANTILE) for part in step.duration.inputs if part.name == _BEYOND_TTL)
    return 0.0 if rehearsed(step) or step.blocked else step.duration.quantile(_QUANTILE)
