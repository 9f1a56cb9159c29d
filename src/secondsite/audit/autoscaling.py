"""Hazards of autoscalers: a standby that starts small has to be able to grow to the whole load."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.fault import LOSES_REGION
from secondsite.model.hazard import Severity
from secondsite.model.mark import Knowledge
from secondsite.model.service import Service
from secondsite.model.wording import number

SCALING = "Kubernetes documentation, horizontal pod autoscaling: utilization is a share of the pods' requests"


@rule(
    id="autoscale-no-request",
    severity=Severity.HIGH,
    title="An autoscaler that cannot compute its target",
    why="Utilization is a share of what pods request. Without a request nothing scales, and a standby stays small.",
    source=SCALING,
    remedy="Set a request for this resource on every container of the pod.",
)
def autoscale_no_request(audited: Audited) -> Iterator[Finding]:
    for service in audited.system.services:
        for resource, percent, request in _targets(service):
            path = f"services.{service.name}.{request}"
            mark = audited.system.marks.get(path)
            unread = mark is not None and mark.origin is Knowledge.ASSUMED
            if percent and getattr(service, request) is None and not unread:
                yield Finding(
                    f"services.{service.name}.autoscale",
                    f"{service.name} scales at {percent} % of its {resource} request, and requests no {resource}",
                    audited.endangered((Subject.API,), LOSES_REGION),
                )


def _targets(service: Service) -> tuple[tuple[str, int | None, str], ...]:
    """Resource, target in percent, and the attribute that holds the request."""
    scale = service.autoscale
    if scale is None:
        return ()
    return (
        ("CPU", scale.cpu_percent, "cpu_request_cores"),
        ("memory", scale.memory_percent, "memory_request_bytes"),
    )


@rule(
    id="autoscale-out-of-reach",
    severity=Severity.HIGH,
    title="An autoscaler whose target lies above the CPU limit",
    why="A pod is throttled at its limit, below the utilization at which another would start: nothing scales.",
    source=SCALING,
    remedy="Raise or drop the CPU limit, or lower the target, so that the target lies well below limit / request.",
)
def autoscale_out_of_reach(audited: Audited) -> Iterator[Finding]:
    for service in audited.system.services:
        scale, limit, request = service.autoscale, service.cpu_limit_cores, service.cpu_request_cores
        if scale and scale.cpu_percent and limit and request and limit <= request * scale.cpu_percent / 100:
            yield Finding(
                f"services.{service.name}.autoscale.cpu_percent",
                f"{service.name} scales at {scale.cpu_percent} % of {number(request)} cores, "
                f"and its pods are throttled at {number(limit)}",
                audited.endangered((Subject.API,), LOSES_REGION),
            )
