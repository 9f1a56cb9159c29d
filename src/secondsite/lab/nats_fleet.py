"""The nats-servers of a lab: which binary, which configuration, when one is ready."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from secondsite.lab import nats_binary
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.one_address import dialled
from secondsite.lab.options import LabOptions
from secondsite.lab.supervisor import Spec, port_open, python
from secondsite.model.deployment import Deployment
from secondsite.operate.gate_config import GateConfig, gate_config, gate_text
from secondsite.strategies.server_config import CLIENT_PORT, NatsServer, gate_system, server_configs, servers_of


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

    def digests(self) -> dict[str, str]:
        """The digest of each binary that runs, by name and version."""
        kinds = {self.versions()[server.name]: self._binary(server) for server in self.servers}
        return {f"nats-server {version}": nats_binary.digest(path) for version, path in sorted(kinds.items())}

    def replaced(self) -> tuple[str, ...]:
        """What runs in the place of a version that cannot be had, in words."""
        if self.options.nats_server is not None:
            return ()
        asked = dict.fromkeys(self.options.nats_version or server.cluster.version for server in self.servers)
        return tuple(filter(None, map(nats_binary.replaced, asked)))

    def obtain(self, report: Callable[[str], None]) -> None:
        """Raises MachineError where a server is not installed and cannot be fetched."""
        if self.options.nats_server is None:
            nats_binary.obtain(self.versions().values(), report)

    def specs(self, regions: frozenset[str], *, isolated: frozenset[str] = frozenset()) -> tuple[Spec, ...]:
        """Configurations are written here, so that what runs lies in the lab's folder."""
        configs = server_configs(self.deployment, self.addresses, isolated=isolated)
        chosen = [server for server in self.servers if server.region in regions]
        return tuple(self._spec(server, configs[server.name]) for server in chosen)

    def _spec(self, server: NatsServer, config: str) -> Spec:
        path = self.conf(server)
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.options.pods:  # so that clients learn of no way around the link that can be cut
            advertised = self.addresses.reached_from(server.region, server)
            config += f'client_advertise: "{self.addresses.at(advertised, CLIENT_PORT)}"\n'
        path.write_text(config, encoding="utf-8")
        at = dialled(self.addresses.listen(server), CLIENT_PORT)
        command: tuple[str, ...] = (str(self._binary(server)), "-c", str(path))
        environment: dict[str, str] = {}
        if gate := self.leased(server.region):
            command, environment = self._kept(server, path, gate, command)
        return Spec(
            server.name,
            command,
            ready=lambda: port_open(at.host, at.port),  # opened last
            region=server.region,
            environment=environment,
            ready_within_s=self.options.ready_within_s,
        )

    def conf(self, server: NatsServer) -> Path:
        """In a folder of its own where the server has a gate of its own."""
        folder = self.folder / "nats"
        return (folder / server.name if self.leased(server.region) else folder) / f"{server.name}.conf"

    def leased(self, region: str) -> GateConfig | None:
        """The gate that is the parent of each server of the region; None where none is."""
        gate = gate_config(self.deployment, region)
        return gate if gate and gate.lease else None

    def leased_first(self, region: str) -> bool:
        """Whether its writers have the right from the begin on."""
        gate = self.leased(region)
        return bool(gate and gate.lease and gate.lease.at_first)

    def _kept(
        self, server: NatsServer, path: Path, gate: GateConfig, command: tuple[str, ...]
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """The command of the rendered container, for this server."""
        config = path.with_name("gate.json")
        config.write_text(gate_text(gate), encoding="utf-8")
        url = f"nats://{dialled(self.addresses.listen(server), CLIENT_PORT)}"
        where = ("--nats", url, "--system", url, "--folder", str(path.parent), "--config", str(config))
        logins = (("NATS", self.addresses.gate), ("NATS_SYSTEM", gate_system(self.addresses.gate)))
        environment = {
            key: value
            for prefix, login in logins
            for key, value in ((f"{prefix}_USER", login.user), (f"{prefix}_PASSWORD", login.password))
        }
        kept = python("secondsite", "gate", *where, "--server", shlex.join(command))
        return tuple(kept), {**environment, "POD_NAME": server.name}

    def _binary(self, server: NatsServer) -> Path:
        return self.options.nats_server or nats_binary.find(self.versions()[server.name])
