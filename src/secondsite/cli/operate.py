"""``secondsite operate``: whether a failover could be carried out now, and what it would leave to a person."""

from __future__ import annotations

import asyncio

from attrs import evolve
from cyclopts import App

from secondsite.cli.operating_world import (
    WHAT,
    WHERE,
    Chosen,
    Placed,
    ProcedureDirection,
    Who,
    procedure_of,
    world_of,
)
from secondsite.cli.stores import Flag, print_json
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN

app = App(name="operate", help="Check that a failover could be carried out now.")


@app.command
def check(*, what: Chosen = WHAT, where: Placed = WHERE, json: Flag = False) -> int:
    """Open every place of `operate:`, ask who it is and what we may do there, and say what stays by hand. Changes
    nothing. Exit code: 0 all is there, 1 something refuses or is wrong, 3 somebody did not answer.
    """
    from secondsite.operate.check import Answer, plain, prepared
    from secondsite.publish.terminal.preparation import preparation_text

    deployment, over = procedure_of(ProcedureDirection.OVER, what)
    _, back = procedure_of(ProcedureDirection.BACK, what)
    world = world_of(what, evolve(where, done=(), command=()), Who("operate check"), deployment, over)
    preparation = asyncio.run(prepared(deployment, world, (over, back), deployment.strategy.id))
    print_json(plain(preparation)) if json else print(preparation_text(preparation))
    return {Answer.YES: EXIT_HOLDS, Answer.NO: EXIT_DOES_NOT_HOLD, Answer.UNKNOWN: EXIT_UNPROVEN}[preparation.answer]
