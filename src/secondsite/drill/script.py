"""A drill as a noun: its name, what its contracts are about, where it makes sense, and how it is played."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from secondsite.drill.stage import Stage
from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault


@frozen
class Drill:
    """``fits`` says why it cannot be run on a deployment; empty where it can. ``moves``: clients have to leave the
    first region. ``subjects`` are what it really runs.
    """

    id: str
    title: str
    fault: Fault
    play: Callable[[Stage], Awaitable[None]]
    fits: Callable[[Deployment], str]
    moves: bool = True
    subjects: tuple[Subject, ...] = (Subject.API, Subject.NATS)


def several_regions(deployment: Deployment) -> str:
    return "" if deployment.standby or len(deployment.sites) > 1 else "there is no second region"
