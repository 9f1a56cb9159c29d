"""Detection, decision and everything that no door can do: who did it is written down."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.procedure import Step
from secondsite.operate.action import Context, Facts, Guard, Prospect, WaitingError


@frozen
class Declared:
    """The failover was declared, by somebody or by a trigger: that is why this runs."""

    async def look(self, context: Context, step: Step) -> Prospect:
        decision = context.world.decision
        guards = () if decision.who else (_NOBODY,)
        return Prospect(
            now=(f"declared by {decision.who or 'nobody'}: {decision.why or 'no reason given'}",), guards=guards
        )

    async def run(self, context: Context, step: Step) -> Facts:
        decision = context.world.decision
        if not decision.who:
            raise WaitingError.at("", _NOBODY.what, _NOBODY.remedy)
        return {"who": decision.who, "at": decision.at, "why": decision.why, "fault_at": decision.fault_at}


@frozen
class ByHand:
    """Done by a person, or by a command that stands in for one."""

    async def look(self, context: Context, step: Step) -> Prospect:
        return Prospect(changes=(f"by hand: {step.title}",))

    async def run(self, context: Context, step: Step) -> Facts:
        who = await context.world.hand.carry_out(step)
        if who is None:
            remedy = f"do it ({step.check}), then resume with --done {step.id}"
            raise WaitingError.at("", f"this is done by hand: {step.title}", remedy)
        return {"by": who, "targets": list(step.targets)}


_NOBODY = Guard("undeclared", "nobody declared this", "say who and why: --who NAME --why TEXT", absolute=True)
