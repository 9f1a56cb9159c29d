"""How much there is to keep right: counted, not scored."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from secondsite.catalogue.figures import Figures
from secondsite.evaluate.derive import count, product, total
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import Estimate
from secondsite.model.hazard import Hazard
from secondsite.model.procedure import Procedure, Step


@frozen
class Complexity:
    """``component_regions`` counts each component once for each region it is kept in, asleep or not. Without a
    ``way_back`` no link leads home, and all that a failback does counts among ``manual_steps``."""

    components: int
    component_regions: int
    cross_region_links: int
    manual_steps: int
    irreversible_steps: int
    open_hazards: int
    hours_per_month: Estimate
    way_back: bool = True

    @property
    def by_hand_text(self) -> str:
        return str(self.manual_steps) + ("" if self.way_back else ", no way back")


def complexity(
    deployment: Deployment,
    procedures: Iterable[Procedure],
    hazards: Iterable[Hazard],
    figures: Figures,
    *,
    way_back: bool = True,
) -> Complexity:
    """A step that several procedures share is one step to know; waived hazards are not open."""
    steps = {step.id: step for procedure in procedures for step in procedure.steps}.values()
    placed = [placed.service for site in deployment.sites for placed in site.services]
    links = len({(link.kind, link.source, link.target, link.carries) for link in deployment.links})
    manual = sum(by_hand(step) for step in steps)
    return Complexity(
        components=len(set(placed)),
        component_regions=len(placed),
        cross_region_links=links,
        manual_steps=manual,
        irreversible_steps=sum(not step.reversible for step in steps),
        open_hazards=sum(not hazard.waived for hazard in hazards),
        hours_per_month=upkeep_hours(len(placed), links, manual, figures),
        way_back=way_back,
    )


def by_hand(step: Step) -> bool:
    """A person does it or has to agree to it."""
    return step.by_person or step.approval


def upkeep_hours(component_regions: int, links: int, manual_steps: int, figures: Figures) -> Estimate:
    """Hours a month."""
    counted = (
        ("components in regions", component_regions, figures["upkeep.component"]),
        ("links between regions", links, figures["upkeep.link"]),
        ("manual steps", manual_steps, figures["upkeep.manual-step"]),
    )
    parts = [
        product(f"upkeep of {what}", "h/month", count(what, number, "counted", unit=what), each)
        for what, number, each in counted
        if number
    ]
    return total("upkeep", "h/month", parts)
