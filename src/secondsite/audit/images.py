"""Hazards of images: whether the standby would run what the primary runs."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.fault import LOSES_REGION, Fault
from secondsite.model.hazard import Severity


@rule(
    id="image-latest",
    severity=Severity.MEDIUM,
    title="An image without a fixed version",
    why="A pod that starts in the standby may run other code than the one that was tested, or fail to pull it.",
    source="Kubernetes documentation, images: avoid :latest in production",
    remedy="Name a version or a digest, and mirror the image to a registry in the second region.",
)
def image_latest(audited: Audited) -> Iterator[Finding]:
    for service in audited.system.services:
        # an image that a chart chooses is another with each of its releases, and fixed in each
        if service.image and service.tag == "latest" and not audited.is_assumed(f"services.{service.name}.image"):
            yield Finding(
                f"services.{service.name}.image",
                f"{service.name} runs {service.image}, whatever that is on the day its pod starts",
                audited.endangered((Subject.API,), LOSES_REGION | {Fault.PROCESS}),
            )
