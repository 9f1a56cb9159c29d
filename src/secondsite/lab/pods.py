"""What of a lab restarts by itself where it has pods: its servers, and the API where that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from secondsite.lab.kubelet import Pod
from secondsite.lab.one_address import dialled
from secondsite.lab.services import LabProcesses
from secondsite.lab.supervisor import Supervisor
from secondsite.model.service import Service
from secondsite.strategies.server_config import MONITOR_PORT, NatsServer


def restarting(
    supervisor: Supervisor,
    services: LabProcesses,
    servers: Sequence[NatsServer],
    listen: Callable[[NatsServer], str],
    regions: Sequence[str],
) -> Iterator[Pod]:
    by_name = {service.name: service for service in services.deployment.system.services}
    specs = {name: running.spec for name, running in supervisor.running.items()}
    for server in servers:
        at = dialled(listen(server), MONITOR_PORT)
        service = by_name.get(server.cluster.service, Service(server.cluster.service))
        yield Pod(specs[server.name], service.probes, at, service.memory_limit_bytes)
    api = services.api_service
    for region in regions:
        for pod in services.pods(region):
            if api and pod.name in specs:
                report = partial(services.report_ready, region)
                yield Pod(specs[pod.name], api.probes, pod.api, api.memory_limit_bytes, report)
