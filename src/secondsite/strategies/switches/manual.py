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
    def traffic(self, kit: Kit) -> Traffic:
        return kit.system.traffic

    def requirements(self, kit: Kit) -> tuple[Requirement, ...]:
        del kit
        return ()

    def trigger_steps(self, deployment: Deployment, kit: Kit, fault: Fault) -> tuple[Step, ...]:
        del deployment, fault
        detect = people_detect(kit)
        return detect, people_decide(kit, detect.id)

    def change_steps(
        self, deployment: Deployment, kit: Kit, trigger: str, ready: tuple[str, ...], to: Region
    ) -> tuple[Step, ...]:
        del trigger
        change = make_step(
            kit,
            Verb.CHANGE_TRAFFIC,
            f"edit the record of {deployment.traffic.host or 'the service'} by hand: it points at {to.name}",
            "converge.manual",
            check=f"every authoritative server answers with the address of {to.name}",
            after=ready,
            by_person=True,
            needs=frozenset({Need.DNS_CONTROL}),
        )
        return change, converged(kit, deployment.traffic, change.id)
