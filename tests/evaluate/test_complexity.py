from __future__ import annotations

from collections.abc import Callable

import pytest

from secondsite.catalogue.bundle import load_catalogue
from secondsite.catalogue.figures import load_figures
from secondsite.evaluate.assess import Assessor
from secondsite.evaluate.complexity import complexity
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import fixed
from secondsite.model.fault import Fault
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.place import Place
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.strategy import Strategy
from secondsite.strategies.compose import failback, lay_out, way_back_by_hand
from secondsite.strategies.design import Kit

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


@pytest.mark.parametrize(
    ("id_", "way_back"),
    [
        ("warm-standby/leafnode-mirror", True),
        ("warm-standby/supercluster-mirror-witness", True),
        ("warm-standby/supercluster-mirror", False),
        ("warm-standby/backup", False),
    ],
)
def test_a_way_back_that_is_blocked_is_all_a_person_s(kit: Kit, id_: str, *, way_back: bool) -> None:
    """It has no fewer steps than where a link leads back; of those only approvals are a person's."""
    deployment = lay_out(Strategy.parse(id_), kit)
    assessor = Assessor(kit.system, load_catalogue(), 1, lambda *_: ())
    effort = assessor._complexity(deployment, (), failback(deployment, kit), ())
    by_hand = len({step.id for step in way_back_by_hand(deployment, kit).steps})
    assert effort.way_back is way_back
    assert (effort.manual_steps >= by_hand) is not way_back
    assert ("no way back" in effort.by_hand_text) is not way_back
