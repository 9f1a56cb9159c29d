"""DNS failover: health checks from outside notice, a trigger decides, the record is changed by its API."""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.model.deployment import Deployment, Requirement
from secondsite.model.fault import Fault
from secondsite.model.procedure import Need, Step, Verb
from secondsite.model.region import Region
from secondsite.model.traffic import Traffic
from secondsite.model.units import Seconds
from secondsite.strategies import requirements
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import make_step
from secondsite.strategies.switches.switching import (
    converged,
    health_checks,
    people_decide,
    people_detect,
    signals_decide,
)

FAST_CHECK_S = Seconds(10)
SHORT_TTL_S = Seconds(60)


@frozen
class DnsFailover:
    kit: Kit

    def traffic(self) -> Traffic:
        """Today's record with fast checks; a longer TTL is cut to a minute."""
        today = self.kit.system.traffic
        return evolve(
            today,
            automatic=True,
            check_interval_s=min(today.check_interval_s, FAST_CHECK_S),
            ttl_s=min(today.ttl_s, SHORT_TTL_S),
        )

    def requirements(self) -> tuple[Requirement, ...]:
        kit = self.kit
        return (
            requirements.work(
                kit,
                "dns-failover",
                "work.dns",
                f"health-check {kit.system.traffic.host or 'the service name'} every {FAST_CHECK_S:g} s from outside, "
                f"TTL {min(kit.system.traffic.ttl_s, SHORT_TTL_S):g} s, record changed by its API",
                "people take 32 minutes to decide (median of 43 incidents, ISSRE 2022); a trigger takes seconds",
                "somebody has to be awake",
            ),
        )

    def trigger_steps(self, deployment: Deployment, fault: Fault) -> tuple[Step, ...]:
        """A gray failure fools the checks, and without monitoring the trigger's second signal is missing."""
        if fault is Fault.GRAY:
            detect = people_detect(self.kit)
            return detect, people_decide(self.kit, detect.id)
        detect = health_checks(self.kit, deployment.traffic)
        if fault is Fault.OBSERVABILITY:
            return detect, people_decide(self.kit, detect.id)
        return detect, signals_decide(self.kit, "a second, independent signal agrees", detect.id)

    def change_steps(
        self, deployment: Deployment, trigger: str, ready: tuple[str, ...], to: Region
    ) -> tuple[Step, ...]:
        change = make_step(
            self.kit,
            Verb.CHANGE_TRAFFIC,
            f"point {deployment.traffic.host or 'the record'} at {to.name}",
            "change.dns",
            check=f"every authoritative server answers with the address of {to.name}",
            after=ready,
            needs=frozenset({Need.DNS_CONTROL}),
        )
        return change, converged(self.kit, deployment.traffic, change.id)
