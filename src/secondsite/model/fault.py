"""What happens to a system."""

from __future__ import annotations

from enum import StrEnum


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
        return _MEANING[self]


_MEANING = {
    Fault.PROCESS: "one process dies: crash, out of memory, bad rollout",
    Fault.NODE: "one machine dies with what runs on it",
    Fault.ZONE: "one availability zone of the serving region is lost",
    Fault.REGION: "the serving region is lost",
    Fault.GEOGRAPHY: "two regions of one geography are lost within hours",
    Fault.WAN_PARTITION: "the regions cannot reach each other; each is alive",
    Fault.CONTROL_PLANE: "the region is lost while the provider's control planes cannot scale up or change DNS",
    Fault.DELETION: "an operator purges a stream or drops a table",
    Fault.BAD_WRITE: "wrong data is written and replicated",
    Fault.GRAY: "the region is alive and useless: slow, erroring, health checks green",
    Fault.OBSERVABILITY: "the region is lost while monitoring is down",
    Fault.CAPACITY: "the region is lost and everybody wants machines in the other one",
}
