"""Detection, decision and everything that no door can do: who did it is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import frozen

from secondsite.model.procedure import Step, Verb
from secondsite.model.strategy import Link
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, WaitingError, failed
from secondsite.operate.shell import kubectl, nats, service_url

Typed = Callable[[ManualContext, Step], Iterable[str]]


def nothing_typed(_context: ManualContext, _step: Step) -> Iterable[str]:
    return ()


@frozen
class Declared:
    """The failover was declared, by somebody or by a trigger: that is why this runs.

    ``at`` of its facts is when: of a detection when a quorum first agreed, where a watch says so.
    """

    typed: Typed

    async def look(self, context: Context, step: Step) -> Prospect:
        decision = context.world.decision
        guards = () if decision.who else (_UNDECLARED,)
        return Prospect(
            now=(f"declared by {decision.who or 'nobody'}: {decision.why or 'no reason given'}",), guards=guards
        )

    async def run(self, context: Context, step: Step) -> Facts:
        decision = context.world.decision
        if not decision.who:
            raise WaitingError.at("", _UNDECLARED.what, _UNDECLARED.remedy)
        detected = step.verb is Verb.DETECT and decision.detected_at
        at = decision.detected_at if detected else decision.at
        return {"who": decision.who, "at": at, "why": decision.why, "fault_at": decision.fault_at}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return self.typed(context, step)


def ask_the_service(context: ManualContext, _step: Step) -> Iterable[str]:
    url = service_url(context.deployment.traffic)
    yield f"curl -fsS --max-time 5 -o /dev/null -w '%{{http_code}} %{{time_total}}\\n' {url}"


def ask_a_second_signal(context: ManualContext, _step: Step) -> Iterable[str]:
    """From somewhere else; or what there is to bring back."""
    if context.data_destroyed:
        if context.deployment.strategy.link is Link.ARCHIVE:
            yield 'secondsite archive verify --no-restore --from "$BACKUP_URL"  # shows the period it covers'
        else:
            yield 'secondsite backup list --from "$BACKUP_URL"'
        return
    yield f"{nats(context.home)} rtt"
    yield f"{kubectl(context.home)} get nodes"


@frozen
class ByHand:
    """Done by a person, or by a command that stands in for one. ``guard`` is what a plan has to say about it."""

    typed: Typed = nothing_typed
    guard: Guard | None = None

    async def look(self, context: Context, step: Step) -> Prospect:
        how = "by its command" if context.world.manual_steps.has_command(step) else "by hand"
        return Prospect(changes=(f"{how}: {step.title}",), guards=(self.guard,) if self.guard else ())

    async def run(self, context: Context, step: Step) -> Facts:
        who = await context.world.manual_steps.carry_out(step)
        if who is None:
            remedy = f"do it ({step.check}), then resume with --done {step.id}"
            raise WaitingError.at("", f"manual step: {step.title}", remedy)
        return {"by": who, "targets": list(step.targets)}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return self.typed(context, step)


@frozen
class IfAny:
    """Nothing is done, and nobody waited for, where the system has none of what the step is about."""

    action: ByHand

    async def look(self, context: Context, step: Step) -> Prospect:
        return (
            await self.action.look(context, step)
            if step.targets
            else Prospect(now=("there is none, so there is nothing to do",))
        )

    async def run(self, context: Context, step: Step) -> Facts:
        return await self.action.run(context, step) if step.targets else {"none": True}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return self.action.commands(context, step)


@frozen
class Refused:
    """Nobody can do it without the door."""

    guard: Guard

    async def look(self, context: Context, step: Step) -> Prospect:
        return Prospect(guards=(self.guard,))

    async def run(self, context: Context, step: Step) -> Facts:
        raise failed(self.guard.what, f"{self.guard.remedy}, then resume")

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return nothing_typed(context, step)


_UNDECLARED = Guard("undeclared", "no incident was declared", "give --who NAME --why TEXT", absolute=True)
