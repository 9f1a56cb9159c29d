"""Failover records with a health check each: the DNS provider's data plane answers with the standby by itself.

Nothing asks the provider's control plane once the records are there, so this works where that is lost with the region.
Clients come before the standby may write: until its streams are promoted they are answered 503.
"""

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
from secondsite.strategies.switches.switching import (
    converged,
    health_checks,
    people_decide,
    people_detect,
    signals_decide,
)


@frozen
class FailoverRecord:
    kit: Kit

    def traffic(self) -> Traffic:
        return DnsFailover(self.kit).traffic()

    def requirements(self) -> tuple[Requirement, ...]:
        traffic = self.traffic()
        return (
            requirements.work(
                self.kit,
                "failover-records",
                "work.dns",
                f"a primary and a secondary failover record for {traffic.host or 'the service name'}, TTL "
                f"{traffic.ttl_s:g} s, each with a health check every {traffic.check_interval_s:g} s; the primary's "
                "check fails while its write gate is shut",
                "the DNS provider's data plane moves the clients, whatever happened to its control plane",
                "clients of the lost region stay there",
            ),
        )

    def trigger_steps(self, deployment: Deployment, fault: Fault) -> tuple[Step, ...]:
        """Both signals lie outside the region: the record's own answer, and the standby's lost link to its origin.

        A gray failure fools them: people notice, decide, and make the primary's check fail.
        """
        if fault is Fault.GRAY:
            detect = people_detect(self.kit)
            return detect, people_decide(self.kit, detect.id)
        detect = health_checks(self.kit, deployment.traffic)
        return detect, signals_decide(self.kit, "the standby has also lost its origin", detect.id)

    def change_steps(
        self, deployment: Deployment, trigger: str, ready: tuple[str, ...], to: Region
    ) -> tuple[Step, ...]:
        """The data plane follows the checks, not the decision; after a planned failback it follows the open gate."""
        title, check = "the DNS provider answers with the standby", f"only {to.name} is answered with"
        after = str(Verb.DETECT)
        if to == self.kit.home:
            title, after = f"the DNS provider answers with {to.name} again", trigger
        change = instant(self.kit, Verb.CHANGE_TRAFFIC, title, check, (after,))
        return change, converged(self.kit, deployment.traffic, change.id)
