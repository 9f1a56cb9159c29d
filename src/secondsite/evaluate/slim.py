"""What simulations and studies need of a strategy, without the rest: it is compared, hashed and sent to workers, and a
large system names thousands of services and streams that say nothing there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import define, evolve, field

from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.nats import Stream
from secondsite.model.procedure import Procedure, Step
from secondsite.model.settings import NOTHING_MORE


def _bare(stream: Stream) -> Stream:
    return evolve(stream, subjects=(), consumers=(), settings=NOTHING_MORE)


@define
class Slimmer:
    """``parts``: the streams and stores that have a contract of their own; steps still name those."""

    parts: Collection[str] = ()
    _steps: dict[Step, Step] = field(factory=dict, init=False)

    def deployment(self, whole: Deployment) -> Deployment:
        system = whole.system
        apart = any(copy.covers for copy in whole.copies if copy.subject is Subject.NATS)
        return evolve(
            whole,
            system=evolve(
                system,
                services=tuple(service for service in system.services if service.ack_buffer),
                nats=tuple(
                    evolve(c, streams=tuple(_bare(one) for one in (c.streams if apart else c.streams[:1])))
                    for c in system.nats
                ),
                secrets=(),
                gateways=(),
                backups=(),
                alerts=(),
                marks={},
            ),
            sites=tuple(evolve(site, services=()) for site in whole.sites),
            clusters=(),
            links=(),
            requirements=(),
        )

    def procedures(self, whole: Mapping[Fault, Procedure]) -> Mapping[Fault, Procedure]:
        return {
            fault: evolve(procedure, steps=tuple(self._step(step) for step in procedure.steps))
            for fault, procedure in whole.items()
        }

    def _step(self, whole: Step) -> Step:
        if whole not in self._steps:
            named = tuple(one for one in whole.targets if one.split("/")[0] in self.parts) if self.parts else ()
            self._steps[whole] = evolve(whole, targets=named, subjects=())
        return self._steps[whole]
