"""`writers: one` costs seconds where a region is lost, and writes where the regions are cut off: both are shown."""

from __future__ import annotations

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue, load_catalogue
from secondsite.evaluate.assess import plan
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.recovery import rto
from secondsite.model.contract import Subject
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, Writers
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import Seconds
from secondsite.model.validate import flaws
from secondsite.strategies.design import Kit
from secondsite.strategies.write_gate import LeaseTerms

LEAF = Strategy.parse("warm-standby/leafnode-mirror")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def _median_s(system: System, catalogue: Catalogue, writers: Writers, fault: Fault, strategy: Strategy) -> float:
    procedures = plan(strategy, evolve(system, operate=Operate(writers=writers)), catalogue).procedures
    return rto(procedures, fault, Subject.NATS, Draws(1, f"{fault}", 2000)).quantile(0.5)


def test_a_lost_region_waits_for_the_lease(kit: Kit, catalogue: Catalogue) -> None:
    one, available = (_median_s(kit.system, catalogue, each, Fault.REGION, LEAF) for each in Writers)
    terms = LeaseTerms(Operate().lease_s)
    assert one - available == pytest.approx(terms.handover_s + terms.opens_s, abs=0.1)


def test_cut_off_one_stops_and_available_goes_on(kit: Kit, catalogue: Catalogue) -> None:
    one, available = (_median_s(kit.system, catalogue, each, Fault.WAN_PARTITION, LEAF) for each in Writers)
    assert available == 0
    assert one > 0


def test_what_has_no_gate_knows_no_policy(kit: Kit, catalogue: Catalogue) -> None:
    stretch = Strategy.parse("warm-standby/stretch")
    for fault in (Fault.REGION, Fault.WAN_PARTITION):
        one, available = (_median_s(kit.system, catalogue, each, fault, stretch) for each in Writers)
        assert one == available


@pytest.mark.parametrize("lease_s", [0.0, 2.9, 301.0, float("inf")])
def test_a_lease_that_nobody_can_keep_is_a_flaw(kit: Kit, lease_s: float) -> None:
    system = evolve(kit.system, operate=Operate(writers=Writers.ONE, lease_s=Seconds(lease_s)))
    assert [flaw.path for flaw in flaws(system) if flaw.path[0] == "operate"] == [("operate", "lease_s")]
