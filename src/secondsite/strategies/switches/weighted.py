"""Weighted records with a health check each: the DNS provider leaves out what does not answer, nobody decides."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Deployment, Requirement
from secondsite.model.fault import Fault
from secondsite.model.procedure import Step, Verb
from secondsite.model.region import Region
from secondsite.model.traffic import Traffic
from secondsite.strategies import requirements
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import instant
from secondsite.strategies.switches.dns import DnsFailover
from secondsite.strategies.switches.switching import converged, health_checks, people_decide, people_detect


@frozen
class Weighted:
    kit: Kit

    def traffic(self) -> Traffic:
        return DnsFailover(self.kit).traffic()

    def requirements(self) -> tuple[Requirement, ...]:
        return (
            requirements.work(
                self.kit,
                "weighted-records",
                "work.dns",
                "one weighted record and health check per region",
                "the DNS provider's data plane leaves out a region by itself",
                "clients of the lost region stay there",
            ),
        )

    def trigger_steps(self, deployment: Deployment, fault: Fault) -> tuple[Step, ...]:
        if fault is Fault.GRAY:
            detect = people_detect(self.kit)
            return detect, people_decide(self.kit, detect.id)
        return (health_checks(self.kit, deployment.traffic),)

    def change_steps(
        self, deployment: Deployment, trigger: str, ready: tuple[str, ...], to: Region
    ) -> tuple[Step, ...]:
        """No control plane is asked: the record set holds both regions already."""
        title, check = "the DNS provider answers without the lost region", f"only {to.name} is answered with"
        if to == self.kit.home:
            title, check = f"the DNS provider answers with {to.name} again", f"{to.name} is answered with too"
        change = instant(self.kit, Verb.CHANGE_TRAFFIC, title, check, (trigger,))
        return change, converged(self.kit, deployment.traffic, change.id)
