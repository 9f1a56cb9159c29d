"""A contract on one store: what is wrong with another store does not endanger it."""

from __future__ import annotations

import pytest
from attrs import evolve
from sound_world import (
    SYSTEM,
    WORLDS,
    Change,
    both,
    copy_of,
    in_backup,
    in_contracts,
    in_service,
    in_system,
    with_copies,
)

from secondsite.model.contract import Contract, Subject
from secondsite.model.fault import Fault
from secondsite.model.store import Store
from secondsite.model.units import Seconds

CARTS = Store("carts", "carts", "redis")
TWO_STORES = in_system(stores=(*SYSTEM.stores, CARTS))
NEAR, FAR = (evolve(copy_of(Subject.STATE, s), covers=(name,)) for s, name in ((1, "carts"), (301, "postgres")))


def promised(part: str, rpo_s: float = 300) -> Change:
    return in_contracts(Contract(Subject.STATE, Fault.REGION, rpo_s=Seconds(rpo_s), part=part))


@pytest.mark.parametrize(
    ("rule", "base", "change"),
    [
        ("store-rpo-below-lag", "leaf", with_copies(NEAR, FAR)),
        ("backup-missing", "system", in_system(backups=SYSTEM.backups[:1])),
        ("backup-interval", "system", in_backup("dump", interval_s=Seconds(301))),
        ("backup-never-restored", "system", in_backup("dump", restore_tested=False)),
    ],
)
@pytest.mark.parametrize(("part", "endangered"), [("postgres", True), ("carts", False), ("", True)])
def test_it_names_the_contracts_on_its_own_store(
    rule: str, base: str, change: Change, part: str, endangered: bool
) -> None:
    world = both(TWO_STORES, change, promised(part))(WORLDS[base])
    told = [h.contract for h in world.hazards() if h.rule == rule and "carts" not in h.message]
    name = f"state/{part}/region" if part else "state/region"
    assert any(name in each for each in told) is endangered


def test_a_server_with_one_replica_endangers_the_contracts_on_its_own_store() -> None:
    contracts = [Contract(Subject.STATE, Fault.NODE, rto_s=Seconds(60), part=name) for name in ("postgres", "carts")]
    world = both(TWO_STORES, in_service("postgres", replicas=1), in_contracts(*contracts))(WORLDS["system"])
    told = {h.contract for h in world.hazards() if h.rule == "state-single-replica"}
    assert len(told) == 1
    assert "state/postgres/node" in told.pop()
    assert "state/carts/node" not in " ".join(h.contract for h in world.hazards() if "postgres" in h.message)
