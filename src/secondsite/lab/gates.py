"""The write gates of a lab's regions: the file that servers include, and the process that keeps it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import frozen

from secondsite.lab.supervisor import Spec, python
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.operate.gate import is_open_file, write_gate_file
from secondsite.operate.gate_config import gate_config, gate_text
from secondsite.strategies.server_config import Login, gate_system
from secondsite.strategies.write_gate import gate_file, gated_subjects

_LOOK_S = 0.1


@frozen
class Gates:
    """``url`` says where a region's servers are, without a login. A gate that is the parent of its server
    (`nats_fleet.py`) is none of these."""

    deployment: Deployment
    folder: Path
    url: Callable[[str], str]
    login: Login

    def set(self, region: str, *, is_open: bool) -> None:
        """Before its servers start: open where they are started for the first time, shut where they return."""
        if subjects := gated_subjects(self.deployment, region):
            write_gate_file(self.folder / "nats" / gate_file(region), subjects, is_open=is_open)

    def specs(self, region: str) -> tuple[Spec, ...]:
        """None where the region has no gate beside its servers."""
        config = gate_config(self.deployment, region)
        if config is None or config.lease is not None:
            return ()
        name = f"gate-{region}"
        path = self.folder / f"{name}.json"
        path.write_text(gate_text(config), encoding="utf-8")
        url = self.url(region)
        where = ("--nats", url, "--system", url, "--folder", str(self.folder / "nats"), "--config", str(path))
        logins = {
            **{"NATS_USER": self.login.user, "NATS_PASSWORD": self.login.password},
            **{"NATS_SYSTEM_USER": gate_system(self.login).user, "NATS_SYSTEM_PASSWORD": self.login.password},
        }
        return (Spec(name, tuple(python("secondsite", "gate", *where)), region=region, environment=logins),)


async def all_open(gates: Iterable[Path], within_s: float) -> None:
    """Returns when every file lets writers in; raises MachineError where one does not within that time."""
    files, end = list(gates), time.monotonic() + within_s
    while not all(map(is_open_file, files)):
        if time.monotonic() > end:
            what = "a server got no lease to accept writes"
            raise MachineError.at("lab", what, "stop other work on this machine, and start the lab again")
        await asyncio.sleep(_LOOK_S)
