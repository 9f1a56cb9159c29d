"""What every executor of a verb is: it can say what it would change, do it again and again to one end, and tell a
person how to do the same by hand.

``look`` only reads. ``run`` begins by looking, does what is missing, and ends by verifying; interrupted anywhere and
run again, it ends the same. What it learned is its facts: JSON, kept in the journal, read by later steps. ``commands``
are what a person types where no executor is at hand: the same change by the same requests, so that the runbook cannot
differ from what is drilled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from attrs import frozen

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.nats.connection import RejectedError
from secondsite.operate.layout import StreamFamily, families
from secondsite.operate.world import StreamsDoor, World

Facts = Mapping[str, Any]
Door = TypeVar("Door")
Result = TypeVar("Result")
Door_contra = TypeVar("Door_contra", contravariant=True)

POLL_S = 0.1
ANSWER_S = 2.0
"""How long a group that may be without a leader is given to answer before it is asked again."""


ALLOWABLE = frozenset(
    {
        *("cannot-look", "clock", "interest-without-consumers", "lagging-mirror", "no-client-path"),
        *("no-workload", "not-salvaged", "origin-recreated", "reconciled", "sources-and-writes"),
        *("stale-secret", "still-heard", "unfenced"),
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


def _untold() -> None:
    """Nobody waits for it."""


@frozen
class Scope:
    """A procedure of a deployment, and the streams that it is about."""

    deployment: Deployment
    procedure: Procedure

    @cached_property
    def families(self) -> tuple[StreamFamily, ...]:
        return families(self.deployment)

    @property
    def home(self) -> str:
        return self.deployment.primary.region.name

    @property
    def away(self) -> str:
        standby = self.deployment.standby
        return standby.region.name if standby else self.deployment.sites[-1].region.name

    def family(self, name: str) -> StreamFamily:
        match = next((family for family in self.families if family.name == name), None)
        if match is None:
            raise failed(f"the deployment has no stream {name}", "plan again from the system file as it is now")
        return match

    def chosen(self, step: Step) -> tuple[StreamFamily, ...]:
        """The streams that the step names, or all."""
        return tuple(self.family(name) for name in step.targets) if step.targets else self.families


@frozen
class ManualContext(Scope):
    """A procedure as a person carries it out. ``fault`` is None on the way back.

    ``region`` is where a step without a region of its own is carried out, and every step where data was destroyed.
    """

    region: str
    fault: Fault | None

    @property
    def data_destroyed(self) -> bool:
        return self.fault is not None and self.fault.destroys_data

    def region_of(self, step: Step) -> str:
        return self.region if self.data_destroyed else step.region or self.region


@frozen
class Context(Scope):
    """What an executor works with. ``facts`` are those of the steps that are done, by step.

    ``stopping`` is awaited right before a region's writers are stopped; raises WaitingError where nobody approved it.
    ``noted`` is what earlier attempts at this step noted. ``progressed``: from here on its limit counts anew.
    """

    world: World
    facts: Mapping[str, Facts]
    note: Callable[[str, Facts], None]
    allowed: frozenset[str] = frozenset()
    stopping: Callable[[str], Awaitable[None]] = _unasked
    noted: Sequence[Facts] = ()
    progressed: Callable[[], None] = _untold

    def done(self, verb: Verb) -> Facts:
        """The facts of the step with this verb that is done; empty where there is none."""
        steps = (step.id for step in self.procedure.steps if step.verb is verb)
        return next((self.facts[step] for step in steps if step in self.facts), {})

    @asynccontextmanager
    async def reached(self, region: str, within_s: float | None = None) -> AsyncIterator[StreamsDoor | None]:
        """The region's streams; None where it is silent. Failures within are not hidden.

        Raises RejectedError where it answers and will not have us, or is another place: that is no lost region.
        """
        opened = self.world.streams(region, within_s)
        try:
            door = await opened.__aenter__()
        except RejectedError:
            raise
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

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """In the order in which they are typed; none where there is nothing to type."""
        ...


class DoorAction(Protocol[Door_contra]):
    """An action that needs a door which a world may lack."""

    async def look(self, context: Context, step: Step, door: Door_contra) -> Prospect: ...

    async def run(self, context: Context, step: Step, door: Door_contra) -> Facts: ...

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]: ...


async def through(
    door: Door | None, act: Callable[[Door], Awaitable[Result]], by_hand: Callable[[], Awaitable[Result]]
) -> Result:
    """The one place where a door that a world lacks is told from one that it has."""
    return await by_hand() if door is None else await act(door)


@frozen
class Through(Generic[Door]):
    """Carried out through a door to the step's region, or ``otherwise`` in a world that has none there."""

    door: Callable[[World, str], Door | None]
    action: DoorAction[Door]
    otherwise: Action

    async def look(self, context: Context, step: Step) -> Prospect:
        return await through(
            self.door(context.world, step.region or context.away),
            lambda door: self.action.look(context, step, door),
            lambda: self.otherwise.look(context, step),
        )

    async def run(self, context: Context, step: Step) -> Facts:
        return await through(
            self.door(context.world, step.region or context.away),
            lambda door: self.action.run(context, step, door),
            lambda: self.otherwise.run(context, step),
        )

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return self.action.commands(context, step)


class FinalError(MachineError):
    """Asking again does not mend it."""


class WaitingError(FinalError):
    """Somebody has to do something first; nothing went wrong."""


def failed(what: str, remedy: str) -> FinalError:
    """An error that the executor will give its place."""
    return FinalError.at("", what, remedy)


INSIST_TRIES, INSIST_AGAIN_S = 8, 0.5
"""What fails for a moment is no reason to leave nobody who writes."""


async def insisting(context: Context, ask: Callable[[], Awaitable[Result]]) -> Result:
    """Asked again where it fails; raises the last failure."""
    for _ in range(INSIST_TRIES - 1):
        try:
            return await ask()
        except (MachineError, TimeoutError):
            await context.world.clock.sleep(INSIST_AGAIN_S)
    return await ask()


async def until(context: Context, done: Callable[[], Awaitable[bool]], reached: Callable[[], int] = int) -> None:
    """Ask again and again; the step's limit ends it. What fails for now is asked again too.

    ``reached`` says how far it is: where that grows, the limit counts from then.
    """
    before = reached()
    while True:
        try:
            if await done():
                return
        except FinalError:
            raise
        except MachineError as error:
            context.note("retried", {"why": error.problems[0].what})
        if (now := reached()) > before:
            before = now
            context.progressed()
        await context.world.clock.sleep(POLL_S)
