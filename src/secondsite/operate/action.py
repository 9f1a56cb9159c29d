"""What every executor of a verb is: it can say what it would change, and it can do it, again and again, to one end.

``look`` only reads. ``run`` begins by looking, does what is missing, and ends by verifying; interrupted anywhere and
run again, it ends the same. What it learned is its facts: JSON, kept in the journal, read by later steps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from attrs import field, frozen

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.operate.layout import Family, families
from secondsite.operate.world import StreamsDoor, World

Facts = Mapping[str, Any]

POLL_S = 0.1
ANSWER_S = 2.0
"""How long a group that may be without a leader is given to answer before it is asked again."""


ALLOWABLE = frozenset(
    {
        *("cannot-look", "clock", "interest-without-consumers", "lagging-mirror", "no-client-path"),
        *("no-secret-source", "not-salvaged", "origin-recreated", "stale-secret"),
    }
)
"""The guards that somebody may lift by name."""


@frozen
class Guard:
    """Why a step must not run now. ``id`` is what `--allow` takes, where it may be allowed at all."""

    id: str
    what: str
    remedy: str
    absolute: bool = False


@frozen
class Prospect:
    """``changes`` are what would be done and are bound by the plan's hash; ``now`` is what was seen, and moves on."""

    changes: tuple[str, ...] = ()
    now: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()


async def _unasked(_region: str) -> None:
    """Nobody has to be asked."""


@frozen
class Context:
    """What an executor works with. ``facts`` are those of the steps that are done, by step.

    ``stopping`` is awaited right before a region's writers are stopped; raises WaitingError where nobody approved it.
    """

    deployment: Deployment
    procedure: Procedure
    world: World
    facts: Mapping[str, Facts]
    note: Callable[[str, Facts], None]
    allowed: frozenset[str] = frozenset()
    stopping: Callable[[str], Awaitable[None]] = _unasked
    families: tuple[Family, ...] = field()

    @families.default
    def _families(self) -> tuple[Family, ...]:
        return families(self.deployment)

    @property
    def home(self) -> str:
        return self.deployment.primary.region.name

    @property
    def away(self) -> str:
        standby = self.deployment.standby
        return standby.region.name if standby else self.deployment.sites[-1].region.name

    def family(self, name: str) -> Family:
        found = next((family for family in self.families if family.name == name), None)
        if found is None:
            raise failed(f"the deployment has no stream {name}", "plan again from the system file as it is now")
        return found

    def chosen(self, step: Step) -> tuple[Family, ...]:
        """The streams that the step names, or all."""
        return tuple(self.family(name) for name in step.targets) if step.targets else self.families

    def done(self, verb: Verb) -> Facts:
        """The facts of the step with this verb that is done; empty where there is none."""
        steps = (step.id for step in self.procedure.steps if step.verb is verb)
        return next((self.facts[step] for step in steps if step in self.facts), {})

    @asynccontextmanager
    async def reached(self, region: str, within_s: float | None = None) -> AsyncIterator[StreamsDoor | None]:
        """The region's streams; None where it cannot be reached in time. Failures within are not hidden."""
        opened = self.world.streams(region, within_s)
        try:
            door = await opened.__aenter__()
        except MachineError:
            yield None
            return
        try:
            yield door
        finally:
            await opened.__aexit__(None, None, None)


class Action(Protocol):
    async def look(self, context: Context, step: Step) -> Prospect: ...

    async def run(self, context: Context, step: Step) -> Facts: ...


class FinalError(MachineError):
    """Asking again does not mend it."""


class WaitingError(FinalError):
    """Somebody has to do something first; nothing went wrong."""


def failed(what: str, remedy: str) -> FinalError:
    """An error that the executor will give its place."""
    return FinalError.at("", what, remedy)


async def until(context: Context, done: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again; the step's limit ends it. What fails for now is asked again too."""
    while True:
        try:
            if await done():
                return
        except FinalError:
            raise
        except MachineError as error:
            context.note("retried", {"why": error.problems[0].what})
        await context.world.clock.sleep(POLL_S)
