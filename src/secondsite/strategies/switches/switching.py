"""What the traffic switches share: who notices, who decides, and how clients follow a changed record."""

from __future__ import annotations

from secondsite.model.estimate import Estimate, Fixed, Provenance, Uniform
from secondsite.model.procedure import Step, Verb
from secondsite.model.region import Region
from secondsite.model.stated import stated
from secondsite.model.traffic import Traffic
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import make_step


def holds_dns_control(region: Region) -> bool:
    """Route 53 takes changes of records in us-east-1 alone; its data plane answers everywhere."""
    return (region.provider, region.name) == ("aws", "us-east-1")


def health_checks(kit: Kit, traffic: Traffic) -> Step:
    """The fault falls somewhere in an interval: the last check that fails comes up to one interval later."""
    interval, threshold = traffic.check_interval_s, traffic.check_threshold
    duration = Estimate(
        "health-check detection",
        "s",
        Uniform(interval * (threshold - 1), interval * threshold),
        Provenance.DERIVED,
        f"checks every {interval:g} s, {threshold} failures in a row",
        formula="interval × (threshold − 1) + a share of one interval",
        inputs=(
            stated(kit.system, "traffic.check_interval", "check interval", interval, "s"),
            stated(kit.system, "traffic.check_threshold", "check threshold", threshold, "checks"),
        ),
    )
    return make_step(
        kit,
        Verb.DETECT,
        f"health checks from outside fail {threshold} times",
        duration,
        check="the check's state is bad",
    )


def people_detect(kit: Kit) -> Step:
    return make_step(
        kit,
        Verb.DETECT,
        "an alert or a customer reports it",
        "detect.people",
        check="an incident is open",
        by_person=True,
    )


def people_decide(kit: Kit, after: str) -> Step:
    return make_step(
        kit,
        Verb.DECIDE,
        "somebody diagnoses the incident and declares the failover",
        "decide.people",
        check="a named person declared it",
        after=(after,),
        by_person=True,
    )


def signals_decide(kit: Kit, second: str, after: str) -> Step:
    """Without a person: a ``second`` signal, from elsewhere, says the same for as long."""
    return make_step(
        kit,
        Verb.DECIDE,
        second,
        "decide.automatic",
        check="both signals bad for the whole window",
        after=(after,),
    )


def converged(kit: Kit, traffic: Traffic, after: str) -> Step:
    """Nine of ten requests have moved: the TTL, and what resolvers add to it."""
    beyond = kit.figures["converge.beyond-ttl"]
    duration = Estimate(
        "DNS convergence",
        "s",
        Fixed(traffic.ttl_s + beyond.mean),
        Provenance.DERIVED,
        f"until 90 % of requests moved, at a TTL of {traffic.ttl_s:g} s; the rest counts as downtime",
        formula="TTL + what resolvers add",
        inputs=(stated(kit.system, "traffic.ttl", "TTL", traffic.ttl_s, "s"), beyond),
    )
    return make_step(
        kit,
        Verb.CONVERGE,
        "clients' resolvers drop the old address",
        duration,
        check="nine of ten requests arrive",
        after=(after,),
    )
