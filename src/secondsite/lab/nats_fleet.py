"""The nats-servers of a lab: which binary, which configuration, when one is ready."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from secondsite.lab import nats_binary
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.options import LabOptions
from secondsite.lab.supervisor import Spec, port_open
from secondsite.model.deployment import Deployment
from secondsite.strategies.server_config import CLIENT_PORT, NatsServer, server_configs, servers_of


@frozen
class NatsFleet:
    deployment: Deployment
    addresses: LabAddresses
    options: LabOptions
    folder: Path

    @property
    def servers(self) -> tuple[NatsServer, ...]:
        return servers_of(self.deployment)

    def versions(self) -> dict[str, str]:
        """The full version that each server runs."""
        if self.options.nats_server is not None:
            return dict.fromkeys((each.name for each in self.servers), nats_binary.version_of(self.options.nats_server))
        wanted = self.options.nats_version
        return {server.name: nats_binary.resolve(wanted or server.cluster.version) for server in self.servers}

    def replaced(self) -> tuple[str, ...]:
        """What runs in the place of a version that cannot be had, in words."""
        if self.options.nats_server is not None:
            return ()
        asked = dict.fromkeys(self.options.nats_version or server.cluster.version for server in self.servers)
        return tuple(filter(None, map(nats_binary.replaced, asked)))

    def obtain(self, report: Callable[[str], None]) -> None:
        """Raises MachineError where a server is not on this machine and cannot be fetched."""
        if self.options.nats_server is None:
            nats_binary.obtain(self.versions().values(), report)

    def specs(self, regions: frozenset[str], *, isolated: frozenset[str] = frozenset()) -> tuple[Spec, ...]:
        """Configurations are written here, so that what runs lies in the lab's folder."""
        configs = server_configs(self.deployment, self.addresses, isolated=isolated)
        chosen = [server for server in self.servers if server.region in regions]
        return tuple(self._spec(server, configs[server.name]) for server in chosen)

    def _spec(self, server: NatsServer, config: str) -> Spec:
        path = self.folder / "nats" / f"{server.name}.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.options.pods:  # so that clients learn of no way around the link that can be cut
            advertised = self.addresses.reached_from(server.region, server)
            config += f'client_advertise: "{advertised}:{CLIENT_PORT}"\n'
        path.write_text(config, encoding="utf-8")
        host = self.addresses.listen(server)
        return Spec(
            server.name,
            (str(self._binary(server)), "-c", str(path)),
            ready=lambda: port_open(host, CLIENT_PORT),  # opened last
            region=server.region,
            ready_within_s=self.options.ready_within_s,
        )

    def _binary(self, server: NatsServer) -> Path:
        return self.options.nats_server or nats_binary.find(self.versions()[server.name])
