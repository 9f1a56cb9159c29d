"""By hand: monitoring pages somebody, who decides and edits the record."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Deployment, Requirement
from secondsite.model.fault import Fault
from secondsite.model.procedure import Need, Step, Verb
from secondsite.model.region import Region
from secondsite.model.traffic import Traffic
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import make_step
from secondsite.strategies.switches.switching import converged, people_decide, people_detect


@frozen
class Manual:
    kit: Kit

    def traffic(self) -> Traffic:
        return self.kit.system.traffic

    def requirements(self) -> tuple[Requirement, ...]:
        return ()

    def trigger_steps(self, deployment: Deployment, fault: Fault) -> tuple[Step, ...]:
        detect = people_detect(self.kit)
        return detect, people_decide(self.kit, detect.id)

    def change_steps(
        self, deployment: Deployment, trigger: str, ready: tuple[str, ...], to: Region
    ) -> tuple[Step, ...]:
        change = make_step(
            self.kit,
            Verb.CHANGE_TRAFFIC,
            f"point the record of {deployment.traffic.host or 'the service'} at {to.name}",
            "converge.manual",
            check=f"every authoritative server answers with the address of {to.name}",
            after=ready,
            by_person=True,
            needs=frozenset({Need.DNS_CONTROL}),
        )
        return change, converged(self.kit, deployment.traffic, change.id)
