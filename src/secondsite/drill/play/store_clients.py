"""Who writes into the stores of a drill: one client for each, led by the service's name as the pods of a region are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

from attrs import evolve

from secondsite.drill.load.client_config import ClientConfig, Target
from secondsite.lab.store_fleet import StoreFleet
from secondsite.lab.world import Lab

_PER_S = 20.0


class NamedStore(TypedDict):
    """What every target of a store has: its servers by the address that the service's name leads to."""

    host: str
    resolver: tuple[str, int]
    databases: Mapping[str, str]
    port: int
    ends: Mapping[str, tuple[str, int]]


def named_store(lab: Lab, fleet: StoreFleet, store: str) -> NamedStore:
    homes = [each for each in fleet.databases if each.replica.store.name == store]
    return NamedStore(
        host=lab.host,
        resolver=(lab.resolver.host, lab.resolver.port),
        databases={lab.address(each.region): fleet.host_of(each) for each in homes},
        port=fleet.PORT,
        ends=fleet.ends(homes),
    )


def one_each(
    whole: ClientConfig, fleet: StoreFleet, *, client: int, stream: int, target: Callable[[str], Target]
) -> tuple[ClientConfig, ...]:
    """``client`` and ``stream`` are the numbers of the first of them; the others follow."""
    return tuple(
        evolve(
            whole,
            client=client + number,
            target=target(store),
            writes=(stream + number,),
            rate_per_s=min(_PER_S, whole.rate_per_s),
        )
        for number, store in enumerate(fleet.stores)
    )
