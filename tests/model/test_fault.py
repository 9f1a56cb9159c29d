"""Each fault's families, and what binds them."""

from __future__ import annotations

import pytest

from secondsite.model.fault import DESTROYS_DATA, INSIDE_REGION, LEAVES_REGION, LOSES_REGION, Fault


def test_a_gray_region_is_left_and_not_lost() -> None:
    assert {Fault.GRAY} == LEAVES_REGION - LOSES_REGION
    assert LOSES_REGION < LEAVES_REGION


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_is_of_one_kind(fault: Fault) -> None:
    assert fault.meaning
    kinds = (fault.inside_region, fault.leaves_region, fault.destroys_data, fault is Fault.WAN_PARTITION)
    assert sum(kinds) == 1


def test_families_are_told_by_the_table() -> None:
    assert {Fault.PROCESS, Fault.NODE, Fault.ZONE} == INSIDE_REGION
    assert {Fault.DELETION, Fault.BAD_WRITE} == DESTROYS_DATA
    assert {fault for fault in Fault if fault.per_system} == DESTROYS_DATA | {Fault.WAN_PARTITION}
