"""What happens to a system, and to which families of faults each belongs: one table, which everything reads."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Fault(StrEnum):
    PROCESS = "process"
    NODE = "node"
    ZONE = "zone"
    REGION = "region"
    GEOGRAPHY = "geography"
    WAN_PARTITION = "wan-partition"
    CONTROL_PLANE = "control-plane"
    DELETION = "deletion"
    BAD_WRITE = "bad-write"
    GRAY = "gray"
    OBSERVABILITY = "observability"
    CAPACITY = "capacity"

    @property
    def meaning(self) -> str:
        return _TRAITS[self].meaning

    @property
    def loses_region(self) -> bool:
        """The serving region's servers and disks are gone, with whatever aggravates it."""
        return _TRAITS[self].loses_region

    @property
    def leaves_region(self) -> bool:
        """The service has to move to another region: that one is lost, or alive and useless."""
        return _TRAITS[self].leaves_region

    @property
    def inside_region(self) -> bool:
        """A part of the region fails; no second region takes part in the repair."""
        return _TRAITS[self].inside_region

    @property
    def destroys_data(self) -> bool:
        """An operator or a release spoils the data while every server runs."""
        return _TRAITS[self].destroys_data

    @property
    def per_system(self) -> bool:
        """It happens to the system as a whole, not to each serving site."""
        return _TRAITS[self].per_system


@frozen(kw_only=True)
class _Traits:
    meaning: str
    loses_region: bool = False
    leaves_region: bool = False
    inside_region: bool = False
    destroys_data: bool = False
    per_system: bool = False


def _part(meaning: str) -> _Traits:
    return _Traits(meaning=meaning, inside_region=True)


def _lost(meaning: str) -> _Traits:
    return _Traits(meaning=meaning, loses_region=True, leaves_region=True)


def _spoilt(meaning: str) -> _Traits:
    return _Traits(meaning=meaning, destroys_data=True, per_system=True)


_TRAITS = {
    Fault.PROCESS: _part("one process dies: crash, out of memory, bad rollout"),
    Fault.NODE: _part("one machine dies with what runs on it"),
    Fault.ZONE: _part("one availability zone of the serving region is lost"),
    Fault.REGION: _lost("the serving region is lost"),
    Fault.GEOGRAPHY: _lost("two regions of one geography are lost within hours"),
    Fault.WAN_PARTITION: _Traits(meaning="the regions cannot reach each other; each is alive", per_system=True),
    Fault.CONTROL_PLANE: _lost("the region is lost while the provider's control planes cannot scale up or change DNS"),
    Fault.DELETION: _spoilt("an operator purges a stream or drops a table"),
    Fault.BAD_WRITE: _spoilt("wrong data is written and replicated"),
    Fault.GRAY: _Traits(
        meaning="the region is alive but cannot serve: slow, erroring, health checks green", leaves_region=True
    ),
    Fault.OBSERVABILITY: _lost("the region is lost while monitoring is down"),
    Fault.CAPACITY: _lost("the region is lost and everybody wants machines in the other one"),
}

EVERY_FAULT = frozenset(Fault)
LOSES_REGION = frozenset(fault for fault in Fault if fault.loses_region)
LEAVES_REGION = frozenset(fault for fault in Fault if fault.leaves_region)
INSIDE_REGION = frozenset(fault for fault in Fault if fault.inside_region)
DESTROYS_DATA = frozenset(fault for fault in Fault if fault.destroys_data)
