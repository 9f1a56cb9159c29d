"""How long a step may take, in a cell and in a sentence: its limit, or when a person escalates it."""

from __future__ import annotations

from collections.abc import Sequence

from secondsite.model.contract import Contract
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.patience import ESCALATION, LIMITS, patience
from secondsite.publish.content.sources import Sources
from secondsite.publish.runbook.by_hand import BASIS, by_hand_s
from secondsite.publish.text.markdown import Md, code
from secondsite.publish.text.nonbreaking import duration


def by_hand(sources: Sources, step: Step, typed: Sequence[str]) -> Md:
    """A limit of seconds is the executor's; a person reads, finds the place and types."""
    if not _typed_out(step, typed):
        return Md("")
    takes_s = by_hand_s(step, typed)
    return Md(f"; by hand about {duration(takes_s)} {hands(sources)}, escalate after {duration(2 * takes_s)}")


def hands(sources: Sources) -> Md:
    """The mark of what a step takes a person."""
    return sources.stated("a step in the hands of a person", "", BASIS, "a")


def by_hand_cells(
    inputs: Inputs, sources: Sources, procedure: Procedure, step: Step, typed: Sequence[str]
) -> tuple[Md, Md]:
    """What a person takes for the step, and after what somebody else is called."""
    if _typed_out(step, typed):
        takes_s = by_hand_s(step, typed)
        return Md(f"~{duration(takes_s)}"), Md(f"~{duration(2 * takes_s)}")
    return sources.figure(step.duration), limit(inputs, sources, procedure, step)


def _typed_out(step: Step, typed: Sequence[str]) -> bool:
    """Whether it takes as long as somebody types; a decision, or what somebody else has to give back, takes its own."""
    return bool(typed) and not step.by_person and step.verb is not Verb.WAIT


def all_limits(inputs: Inputs, sources: Sources) -> Md:
    """One mark for the limits of all procedures: they are no surer than the durations that they are made of."""
    chosen = inputs.chosen
    procedures = [*chosen.procedures.values(), *([chosen.failback] if chosen.failback else [])]
    takes = (step.duration for one in procedures for step in one.steps if not step.blocked)
    return sources.of_all("limits of steps", takes, LIMITS)


def limit(inputs: Inputs, sources: Sources, procedure: Procedure, step: Step) -> Md:
    """In a cell: the time limit; where there is none, when to escalate."""
    wait = patience(procedure, step, promised(inputs))
    if wait.limit_s is not None:
        return sources.value(step.duration, duration(wait.limit_s))
    if wait.escalate_s is None:
        return Md("none")
    if wait.escalate_s <= 0:
        return Md("at once")
    return sources.value(step.duration, duration(wait.escalate_s))


def waiting(inputs: Inputs, sources: Sources, procedure: Procedure, step: Step) -> Md:
    """In a sentence, with what the step is expected to take."""
    takes = sources.figure(step.duration, span=True)
    wait = patience(procedure, step, promised(inputs))
    if wait.limit_s is not None:
        limit = sources.value(step.duration, duration(wait.limit_s))
        return Md(f"Limit: {limit}; takes {takes}")
    if wait.escalate_s is None:
        no_limit = "; there is no limit, as the failover has not started" if step.verb is Verb.DETECT else ""
        return Md(f"Expect {takes}{no_limit}")
    if wait.escalate_s <= 0:
        late = f": {code(wait.missed.name)} is expected to be late already" if wait.missed else ""
        return Md(f"Expect {takes}; escalate at once {_escalation(sources)}{late}")
    whom = "A person" if step.by_person else "You cannot speed this up"
    late = f", or {code(wait.missed.name)} cannot hold" if wait.missed else ""
    when = sources.value(step.duration, duration(wait.escalate_s))
    return Md(f"{whom}: expect {takes}; escalate after {when} {_escalation(sources)}{late}")


def _escalation(sources: Sources) -> Md:
    return sources.stated("when to escalate", "", ESCALATION, "c")


def promised(inputs: Inputs) -> tuple[Contract, ...]:
    return tuple(outcome.contract for outcome in inputs.chosen.outcomes if outcome.promised)
