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
    def traffic(self, kit: Kit) -> Traffic:
        return DnsFailover().traffic(kit)

    def requirements(self, kit: Kit) -> tuple[Requirement, ...]:
        return (
            requirements.work(
                kit,
                "weighted-records",
                "work.dns",
                "one weighted record and health check per region",
                "the DNS provider's data plane leaves out a region by itself",
                "clients of the lost region stay there",
            ),
        )

    def trigger_steps(self, deployment: Deployment, kit: Kit, fault: Fault) -> tuple[Step, ...]:
        if fault is Fault.GRAY:
            detect = people_detect(kit)
            return detect, people_decide(kit, detect.id)
        return (health_checks(kit, deployment.traffic),)

    def change_steps(
        self, deployment: Deployment, kit: Kit, trigger: str, ready: tuple[str, ...], to: Region
    ) -> tuple[Step, ...]:
        """No control plane is asked: the record set holds both regions already."""
        del ready
        title, check = "the DNS provider answers without the lost region", f"only {to.name} is answered with"
        if to == kit.home:
            title, check = f"the DNS provider answers with {to.name} again", f"{to.name} is answered with too"
        change = instant(kit, Verb.CHANGE_TRAFFIC, title, check, (trigger,))
        return change, converged(kit, deployment.traffic, change.id)
