"""The shipped observers and a watch beside a system in two regions: what a region holds of them is lost with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
from attrs import define, field
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nats_world import free_ports
from operated_system import Production
from region_pair import AWAY, HOME, wait_until

from secondsite.model.fault import Fault
from secondsite.model.units import Seconds
from secondsite.model.watching import WatchObserver, WatchPolicy
from secondsite.operate.observer_config import ObserverConfig, RegionTargets, observer_text

TOKEN = "only for this test, of nobody else"
EVERY_S, CHECKS, WINDOW_S = 2.0, 3, 20.0
_INSIDE = {"east": HOME, "west": AWAY, "office": ""}


def policy(folder: Path) -> WatchPolicy:
    """Loss is decided without a person; the way back by one who signs."""
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    (folder / "ann").write_bytes(secret)
    (folder / "ann").chmod(0o600)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (folder / "approvers").write_bytes(public + b" ann\n")
    ports = free_ports(len(_INSIDE))
    observers = tuple(
        WatchObserver(name, region, f"http://127.0.0.1:{port}")
        for (name, region), port in zip(_INSIDE.items(), ports, strict=True)
    )
    return WatchPolicy(
        observers,
        window_s=Seconds(WINDOW_S),
        decide=(Fault.REGION,),
        approvers=f"file:{folder / 'approvers'}",
        block_s=Seconds(0),
    )


@define
class Watching:
    """``log`` of the watch, as it is written."""

    system: Production
    policy: WatchPolicy
    port: int = field(factory=lambda: free_ports(1)[0])
    running: dict[str, subprocess.Popen[bytes]] = field(factory=dict)

    @contextmanager
    def up(self) -> Iterator[None]:
        try:
            for one in self.policy.observers:
                self.observe(one)
            options = ("--file", self.system.file, "--every-s", f"{EVERY_S:g}", "--checks", str(CHECKS))
            here = ("--name", "office", "--http", str(self.port), "--command", "announce=true")
            self._start("watch", "watch", *options, *here)
            self._answers(f"http://127.0.0.1:{self.port}")
            yield
        finally:
            for name in tuple(self.running):
                self.kill(name)

    def observe(self, one: WatchObserver) -> None:
        """As `watch observe` is told by its file."""
        pair, clusters = self.system.pair, self.system.clusters
        regions = tuple(
            RegionTargets(
                region,
                nats=f"nats://127.0.0.1:{pair.ports[region][0]}",
                domain=region,
                kube=f"https://localhost:{clusters[region].port}",
                kube_ca=str(clusters[region].folder / "apiserver.crt"),
            )
            for region in (HOME, AWAY)
        )
        path = self.system.folder / f"{one.name}.json"
        path.write_text(observer_text(ObserverConfig(one.name, regions, EVERY_S, EVERY_S)))
        self._start(one.name, "watch", "observe", "--config", str(path), "--http", one.at.rpartition(":")[2])
        self._answers(one.at)

    def _answers(self, at: str) -> None:
        def there() -> bool:
            with suppress(httpx2.HTTPError):
                return httpx2.get(f"{at}/alive", trust_env=False, timeout=1).status_code == 200
            return False

        wait_until(there, f"{at} answers", 60)

    def _start(self, name: str, *arguments: str) -> None:
        logins = {"SECONDSITE_WATCH_TOKEN": TOKEN, "NATS_USER": "operator", "NATS_PASSWORD": "operator"}
        with (self.system.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "secondsite", *arguments],
                env={**self.system.environment, **logins},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        process = self.running.pop(name, None)
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)

    def lose(self, region: str) -> tuple[float, float]:
        """The region with all that is in it; when, on the monotonic clock and on the wall's."""
        for name, inside in _INSIDE.items():
            if inside == region:
                self.kill(name)
        self.system.lose(region)
        return time.monotonic(), time.time()

    def repair(self, region: str) -> None:
        self.system.repair(region)
        for one in self.policy.observers:
            if one.region == region:
                self.observe(one)

    @property
    def log(self) -> str:
        return (self.system.folder / "watch.log").read_text()

    async def status(self) -> dict[str, Any]:
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            found: dict[str, Any] = json.loads((await client.get(f"{self.at}/status")).content)
        return found

    @property
    def at(self) -> str:
        return f"http://127.0.0.1:{self.port}"
