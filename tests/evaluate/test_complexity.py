from __future__ import annotations

from collections.abc import Callable

import pytest

from secondsite.catalogue.figures import load_figures
from secondsite.evaluate.complexity import complexity
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import fixed
from secondsite.model.fault import Fault
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.place import Place
from secondsite.model.procedure import Procedure, Step, Verb

Lay = Callable[..., Deployment]


def step(step_id: str, *, reversible: bool = True, approval: bool = False, by_person: bool = False) -> Step:
    duration = fixed(step_id, 1, "s", "test")
    return Step(
        step_id, Verb.WAIT, step_id, "", duration, 10, reversible=reversible, approval=approval, by_person=by_person
    )


def hazard(waived: str = "") -> Hazard:
    return Hazard("rule", Severity.LOW, Place("a.yaml"), "nats", "m", "", "s", "r", waived)


def test_counts_of_a_warm_standby(warm_standby: Lay) -> None:
    failover = Procedure(
        "failover", Fault.REGION, (step("decide", by_person=True), step("fence", reversible=False, approval=True))
    )
    partition = Procedure("partition", Fault.WAN_PARTITION, (step("decide", by_person=True), step("wait")))
    counted = complexity(warm_standby(), (failover, partition), (hazard(), hazard("accepted")), load_figures())
    assert counted.components == 14
    assert counted.component_regions == 28
    assert counted.cross_region_links == 1
    assert counted.manual_steps == 2, "a step that two procedures share is one step to know"
    assert counted.irreversible_steps == 1
    assert counted.open_hazards == 1
    assert counted.hours_per_month.mean == pytest.approx(28 * 0.2 + 1 * 1.0 + 2 * 0.25)
    assert counted.hours_per_month.plausible == pytest.approx((0.25, 4.0))


def test_a_second_region_is_more_to_keep_than_one(single_region: Lay, warm_standby: Lay) -> None:
    one, two = complexity(single_region(), (), (), load_figures()), complexity(warm_standby(), (), (), load_figures())
    assert one.hours_per_month.mean == pytest.approx(14 * 0.2)
    assert two.hours_per_month.mean > one.hours_per_month.mean
