"""Which workloads hold data outside of NATS, and what losing them would mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from secondsite.discover.dependencies import PodSetting
from secondsite.discover.draft import Draft
from secondsite.discover.workloads import Workload
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.service import Service
from secondsite.model.store import Loss
from secondsite.model.units import Bytes

_APPEND_ONLY = re.compile(r"appendonly\s+yes")
_EVICTS = re.compile(r"(allkeys|volatile)-(lru|lfu|random|ttl)")


def store_draft(
    workload: Workload, service: Service, settings: Sequence[PodSetting], marks: Mapping[str, Mark]
) -> Draft | None:
    """None for a workload that is no store. ``marks`` are the System's, for what the service knows already."""
    kind = workload.kind
    if kind is None or kind.loss is None or workload.resource.kind == "CronJob":  # a job has the client of its image
        return None
    draft = Draft({"name": workload.name, "service": workload.name})
    draft.mark("", workload.resource.place)
    draft.read("engine", kind.engine, workload.main["image"])
    evicts = next((setting for setting in settings if _EVICTS.search(setting.text)), None)
    writes = _APPEND_ONLY.search(" ".join(setting.text for setting in settings))
    loss = Loss.DATA if kind.loss is Loss.DATA or (service.volumes and writes and not evicts) else Loss.CACHE
    draft.read("loss", loss, evicts.place if evicts else workload.main["image"])
    draft.read("persistent", bool(service.volumes), workload.resource.place)
    if service.volumes:
        sizes = [marks.get(f"services.{workload.name}.volumes.{volume.name}.size") for volume in service.volumes]
        total = Bytes(sum(volume.size_bytes for volume in service.volumes))
        draft.read("size_bytes", total, next((size.place for size in sizes if size), None) or workload.resource.place)
        unknown = next((size for size in sizes if size and size.origin is Knowledge.ASSUMED), None)
        if unknown:
            draft.marks["size"] = unknown
    replicas = marks.get(f"services.{workload.name}.replicas")
    draft.read("replicas", service.replicas, replicas.place if replicas else workload.resource.place)
    return draft
