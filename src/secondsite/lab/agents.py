"""The agents of a lab's regions: the program and the file that a deployment has, started beside the servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from secondsite.lab.supervisor import Spec, python
from secondsite.model.deployment import Deployment
from secondsite.operate.agent import agent_config, agent_text
from secondsite.strategies.server_config import Login


@frozen
class Agents:
    """``url`` says where a region's servers are, without a login."""

    deployment: Deployment
    folder: Path
    url: Callable[[str], str]
    login: Login
    every_s: float

    def specs(self, region: str) -> tuple[Spec, ...]:
        """None where the region has nothing that is mirrored."""
        config = agent_config(self.deployment, region)
        if config is None:
            return ()
        name = f"agent-{region}"
        path = self.folder / f"{name}.json"
        path.write_text(agent_text(config), encoding="utf-8")
        arguments = ("--nats", self.url(region), "--config", str(path), "--every-s", f"{self.every_s:g}")
        alive = ("--alive", str(self.folder / f"{name}.alive"))
        command = tuple(python("secondsite", "agent", *arguments, *alive))
        login = {"NATS_USER": self.login.user, "NATS_PASSWORD": self.login.password}
        return (Spec(name, command, region=region, environment=login),)
