"""The disaster-recovery section of ``runbook.md``: the procedures as they are drilled, for a person to carry out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from secondsite.evaluate.known import has_api
from secondsite.model.contract import Subject
from secondsite.model.fault import Fault
from secondsite.model.measurement import RTO_PARTS, Measurement
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.operate.action import ManualContext
from secondsite.operate.layout import Reach, families
from secondsite.operate.verbs import commands
from secondsite.publish.content.board import deciding
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.measured import evidence_mark
from secondsite.publish.content.measured_words import rpo_words
from secondsite.publish.content.sources import Sources
from secondsite.publish.runbook.by_hand import SHOWS_ITSELF, checks
from secondsite.publish.runbook.dns_commands import DnsSteps, steps_for
from secondsite.publish.runbook.executor_commands import executor_commands, second_region
from secondsite.publish.runbook.incidents import attack, gradually, gray, levels
from secondsite.publish.runbook.limits import all_limits, by_hand, by_hand_cells, hands, limit, promised, waiting
from secondsite.publish.runbook.outside import reach_checks, services_of_others, shared_parts
from secondsite.publish.runbook.remedies import remedy
from secondsite.publish.text.markdown import Md, bullets, code, fence, joined, strong, table, text
from secondsite.publish.text.nonbreaking import duration
from secondsite.publish.text.templates import render
from secondsite.strategies.stores import backed_up_only, following

_BY_ITSELF = frozenset({Verb.RESTART, Verb.WAIT, Verb.ELECT, Verb.VERIFY_PATH})
_ORDER = (
    *(Fault.REGION, Fault.GRAY, Fault.CONTROL_PLANE, Fault.CAPACITY, Fault.OBSERVABILITY, Fault.GEOGRAPHY),
    *(Fault.DELETION, Fault.BAD_WRITE, Fault.WAN_PARTITION, Fault.ZONE, Fault.NODE, Fault.PROCESS),
)


@frozen
class RunbookStep:
    """A step as the runbook prints it."""

    number: int
    title: Md
    who: Md
    after: str
    commands: Md
    check: str
    checks: Md
    limit: Md
    fails: str
    final: bool
    brings_back: Md


@frozen
class Chapter:
    """A procedure. ``same`` says that all steps but those shown are as in another chapter.

    ``watch`` are commands to look with, where Kubernetes and NATS do the steps themselves.
    """

    title: Md
    anchor: str
    means: str
    overview: Md
    steps: tuple[RunbookStep, ...]
    blocked: str
    same: Md
    measured: Md
    watch: Md
    executor: Md


def section(inputs: Inputs, sources: Sources) -> str:
    chapters = tuple(_chapters(inputs, sources))
    return render(
        "runbook.md.j2",
        system=inputs.system,
        strategy=code(inputs.chosen.strategy.id),
        home=code(inputs.system.region.name),
        second=code(second_region(inputs)),
        host=code(inputs.chosen.deployment.traffic.host) if inputs.chosen.deployment.traffic.host else "",
        traffic=inputs.chosen.deployment.traffic,
        promises=_promises(inputs),
        replicated=joined(map(code, following(inputs.system))),
        secrets=bool(inputs.system.secrets),
        backed_up=joined(map(code, backed_up_only(inputs.system))),
        chapters=chapters,
        final=_final(inputs),
        dns=[_dns(steps) for steps in steps_for(inputs.chosen.deployment)],
        has_api=has_api(inputs.system),
        mirrored=any(family.reach is Reach.MIRRORED for family in families(inputs.chosen.deployment)),
        phases=_phases(inputs, sources),
        levels=levels(inputs, sources),
        gray=gray(inputs, sources),
        attack=attack(sources),
        shared_parts=shared_parts(inputs),
        services_of_others=services_of_others(inputs, sources),
        reach_checks=reach_checks(inputs),
        gradually=gradually(inputs, sources),
    )


def _promises(inputs: Inputs) -> Md:
    parts = [
        f"{o.contract.name} within {duration(o.contract.rto_s)}"
        for o in inputs.chosen.outcomes
        if o.promised and o.contract.rto_s is not None and o.contract.fault is Fault.REGION
    ]
    return joined(map(text, parts)) or Md("nothing")


def _chapters(inputs: Inputs, sources: Sources) -> Iterator[Chapter]:
    """The failover of the region first, then what differs from it, destroyed data, the way back, and repairs."""
    procedures = inputs.chosen.procedures
    order = [fault for fault in _ORDER if fault in procedures]
    for fault in order:
        yield _chapter(inputs, sources, fault, procedures[fault])
        if fault is order[-1] or order[order.index(fault) + 1] in _ORDER[_ORDER.index(Fault.WAN_PARTITION) :]:
            break
    if inputs.chosen.failback is not None:
        yield _chapter(inputs, sources, None, inputs.chosen.failback)
    for fault in order:
        if fault in _ORDER[_ORDER.index(Fault.WAN_PARTITION) :]:
            yield _chapter(inputs, sources, fault, procedures[fault])


def _chapter(inputs: Inputs, sources: Sources, fault: Fault | None, procedure: Procedure) -> Chapter:
    like, steps = _likeness(inputs, fault, procedure)
    blocked = next((step.blocked for step in procedure.steps if step.blocked), "")
    by_itself = all(step.verb in _BY_ITSELF for step in procedure.steps)
    at_home = by_itself or fault in (None, Fault.DELETION, Fault.BAD_WRITE)
    region = inputs.system.region.name if at_home else second_region(inputs)
    context = ManualContext(inputs.chosen.deployment, procedure, region, fault)
    shown = () if blocked or by_itself else tuple(_shown(inputs, sources, context, step) for step in steps)
    return Chapter(
        title=text(f"Failback to {inputs.system.region.name}" if fault is None else _heading(fault)),
        anchor=f"dr-{'failback' if fault is None else fault}",
        means="Planned, once the region is back and trusted" if fault is None else _sentence(fault.meaning),
        overview=Md("") if like or blocked or not procedure.steps else _overview(inputs, sources, context),
        steps=shown,
        blocked=blocked,
        same=_nothing_to_do(procedure) or _same(like, steps),
        measured=_measured(inputs, sources, fault),
        watch=_watch(context) if by_itself else Md(""),
        executor=Md("") if blocked else executor_commands(inputs, fault, procedure),
    )


def _likeness(inputs: Inputs, fault: Fault | None, procedure: Procedure) -> tuple[Fault | None, tuple[Step, ...]]:
    """A fault told before whose procedure is the same but for the steps that are returned; else None and all."""
    likelier = _ORDER[: _ORDER.index(fault)] if fault is not None else ()
    known = [(other, inputs.chosen.procedures[other]) for other in likelier if other in inputs.chosen.procedures]
    for other, one in known:
        differing = tuple(step for step in procedure.steps if not _as_in(step, one))
        if procedure.steps and 2 * len(differing) < len(procedure.steps):
            return other, differing
    return None, procedure.steps


def _sentence(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]


def _nothing_to_do(procedure: Procedure) -> Md:
    if procedure.steps:
        return Md("")
    return Md("Nothing to do: each region continues by itself. **Do not promote:** that creates two writers.")


def _watch(context: ManualContext) -> Md:
    lines = (line for step in context.procedure.steps for line in commands(context, step))
    watched = tuple(dict.fromkeys(lines))
    return fence(watched) if watched else Md("")


def _heading(fault: Fault) -> str:
    return f"Fault: {fault}"


def _as_in(step: Step, other: Procedure) -> bool:
    """Nothing about it differs that a person would do differently."""
    return any(_done(one) == _done(step) for one in other.steps)


def _done(step: Step) -> tuple[object, ...]:
    return step.id, step.verb, step.title, step.check, step.region, step.targets, step.by_person, step.approval


def _same(like: Fault | None, own: Sequence[Step]) -> Md:
    if like is None:
        return Md("")
    there = f"[{_heading(like)}](#dr-{like})"
    return Md(f"As in {there}, except for the steps below." if own else f"All steps as in {there}.")


def _overview(inputs: Inputs, sources: Sources, context: ManualContext) -> Md:
    """The steps, with the times of whoever carries them out; what the executor may take is said at each step."""
    procedure, last = context.procedure, _last(inputs, context.fault)
    by_itself = all(step.verb in _BY_ITSELF for step in procedure.steps)
    measured = [sources.head("By the executor\t", evidence_mark(last, sources))] if last else []
    if by_itself:
        heads = ["Takes", *measured, sources.head("Limit\t", all_limits(inputs, sources))]
    else:
        heads = [sources.head("By hand", hands(sources)), *measured, sources.head("Escalate after\t", hands(sources))]
    rows = []
    for number, step in enumerate(procedure.steps, 1):
        if by_itself:
            takes, late = sources.figure(step.duration), limit(inputs, sources, procedure, step)
        else:
            takes, late = by_hand_cells(inputs, sources, procedure, step, commands(context, step))
        drilled = [duration(last.steps_s[step.id]) if step.id in last.steps_s else "–"] if last else []
        who = "automatic" if by_itself else _who(step)
        after = joined(_numbers(procedure, step)) or "–"
        rows.append(
            (str(number), text(step.title), who, after, takes, *drilled, late, joined(_brings(procedure, step)))
        )
    return table(("Step\t", "What", "Who", "After", *heads, "Restored"), rows)


def _numbers(procedure: Procedure, step: Step) -> list[str]:
    return [str(number) for number, one in enumerate(procedure.steps, 1) if one.id in step.after]


def _after(numbers: Sequence[str]) -> str:
    """``step 3``, ``steps 5, 7 and 11``."""
    if len(numbers) < 2:
        return f"step {numbers[0]}" if numbers else ""
    return f"steps {', '.join(numbers[:-1])} and {numbers[-1]}"


def _brings(procedure: Procedure, step: Step) -> list[str]:
    return [str(subject) for subject, end in procedure.milestones.items() if end == step.id]


def _who(step: Step) -> Md:
    if step.approval or not step.reversible:
        return Md("operator, **after the incident commander's approval**")
    if step.by_person:
        return Md("incident commander" if step.verb is Verb.DECIDE else "operator")
    return Md("operator")


def _shown(inputs: Inputs, sources: Sources, context: ManualContext, step: Step) -> RunbookStep:
    procedure = context.procedure
    typed = commands(context, step)
    return RunbookStep(
        number=procedure.steps.index(step) + 1,
        title=text(step.title[:1].upper() + step.title[1:]),
        who=_who(step),
        after=_after(_numbers(procedure, step)),
        commands=fence(line for command in typed for line in command.split("\n")) if typed else Md(""),
        check=f"{step.check} (the commands above show it)" if typed and step.verb in SHOWS_ITSELF else step.check,
        checks=fence(shown) if (shown := checks(context, step)) else Md(""),
        limit=Md(f"{waiting(inputs, sources, procedure, step)}{by_hand(sources, step, typed)}"),
        fails=remedy(step, context.fault),
        final=not step.reversible,
        brings_back=joined(map(strong, _brings(procedure, step))),
    )


def _last(inputs: Inputs, fault: Fault | None) -> Measurement | None:
    """The newest timed drill of the fault, of the recommended strategy."""
    runs = [one for one in inputs.measurements if one.fault is fault and one.rto_s is not None]
    mine = [one for one in runs if one.strategy == inputs.chosen.strategy.id]
    return max(mine, key=lambda one: one.at, default=None)


def _measured(inputs: Inputs, sources: Sources, fault: Fault | None) -> Md:
    """What the last drill took, by phase; unproven where there is none."""
    latest = _last(inputs, fault)
    if latest is None:
        alike = [one for c in promised(inputs) if c.fault is fault and (one := deciding(inputs, c)) and one.rto_s]
        back = joined((_back(one, sources) for one in alike), "; ")
        return Md(f"Measured: {back}." if alike else "**Unproven:** no drill has timed it.")
    return Md(f"Measured: {phases_text(latest)} {evidence_mark(latest, sources)}")


def _back(one: Measurement, sources: Sources) -> Md:
    """Of a drill that does not depend on the strategy."""
    total = (one.rto_s or {})["total"]
    return Md(f"{code(f'{one.about}/{one.fault}')} back after {duration(total)} {evidence_mark(one, sources)}")


def phases_text(one: Measurement) -> Md:
    if one.rto_s is None:
        return Md(f"unbounded, {text(one.why)}")
    parts = [f"{part.replace('_', ' ')} {duration(one.rto_s[part])}" for part in RTO_PARTS if part in one.rto_s]
    return Md(f"{', '.join(parts)}; together {duration(one.rto_s['total'])}")


def _phases(inputs: Inputs, sources: Sources) -> Md:
    """What to write down, beside what the last drill took."""
    contract = next((o.contract for o in inputs.chosen.outcomes if o.contract.subject is Subject.API), None)
    last = deciding(inputs, contract) if contract else None
    took = dict(last.rto_s or {}) if last else {}
    rows = [
        (what, code(name), duration(took[name]) if name in took else "–")
        for name, what in (
            ("detect", "from the fault to the alert"),
            ("decide", "from the alert to the declaration"),
            ("execute", "from the declaration to the changed record"),
            ("converge", "from the changed record to nine of ten requests"),
            ("first_ack", "to the first acknowledged write"),
            ("sustained", "until as much is acknowledged as before"),
        )
    ]
    rows += [
        ("acknowledged writes that are lost, and the age of the oldest", code("rpo"), _lost(last)),
        ("messages salvaged from the old region", code("salvaged"), "–"),
        ("every step that took longer than its limit", code("late"), "–"),
    ]
    if not last:
        return table(("Write down", "As"), [row[:2] for row in rows])
    return table(("Write down", "As", sources.head("Last drill", evidence_mark(last, sources))), rows)


def _lost(last: Measurement | None) -> str:
    return rpo_words(last, duration).removeprefix("RPO ") or "–" if last else "–"


def _final(inputs: Inputs) -> Md:
    """Where no way leads back."""
    chapters = [(str(fault), one) for fault, one in inputs.chosen.procedures.items()]
    chapters += [("failback", inputs.chosen.failback)] if inputs.chosen.failback else []
    by_title: dict[str, list[str]] = {}
    for name, one in chapters:
        for step in (step for step in one.steps if not step.reversible):
            by_title.setdefault(step.title, []).append(f"[{name}](#dr-{name})")
    return bullets(Md(f"{text(title)} ({', '.join(dict.fromkeys(names))})") for title, names in by_title.items())


def _dns(steps: DnsSteps) -> dict[str, object]:
    return {
        "provider": steps.provider,
        "needs": [_needed(*need.split(":", 1)) for need in steps.needs],
        "commands": fence(
            line
            for command in (
                "# the record now",
                *steps.look,
                "# change it",
                *steps.change,
                "# was it applied?",
                *steps.check,
            )
            for line in command.split("\n")
        ),
    }


def _needed(name: str, explanation: str) -> Md:
    return Md(f"{code(name)}:{text(explanation)}")
