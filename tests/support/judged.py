"""The shipped observers and `watch judge` beside two regions: who decides for a game day.

API servers are not looked at, as they live on there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from leased_home import LeasedPair
from nats_world import free_ports, listening, wait_until
from region_pair import AWAY, HOME

from secondsite.operate.observer_config import ObserverConfig, RegionTargets, observer_text

_INSIDE = {"east": HOME, "west": AWAY, "office": ""}


@contextmanager
def judged(pair: LeasedPair, folder: Path, *, every_s: float, checks: int, window_s: float) -> Iterator[str]:
    """Where the judge answers."""
    regions = tuple(
        RegionTargets(region, nats=f"nats://127.0.0.1:{pair.ports[region][0]}", domain=region)
        for region in (HOME, AWAY)
    )
    ports = dict(zip((*_INSIDE, "judge"), free_ports(len(_INSIDE) + 1), strict=True))
    observers = []
    with ExitStack() as stack:
        for name, inside in _INSIDE.items():
            config = folder / f"observer-{name}.json"
            config.write_text(observer_text(ObserverConfig(name, regions, every_s, every_s)))
            stack.enter_context(_watch(folder, name, ports[name], "observe", "--config", str(config)))
            observers += ["--observer", f"{name}{'@' if inside else ''}{inside}=http://127.0.0.1:{ports[name]}"]
        times = ("--every-s", f"{every_s:g}", "--checks", str(checks), "--window-s", f"{window_s:g}")
        judge = ("judge", "--region", HOME, "--region", AWAY, *observers, *times)
        stack.enter_context(_watch(folder, "judge", ports["judge"], *judge))
        yield f"http://127.0.0.1:{ports['judge']}"


@contextmanager
def _watch(folder: Path, name: str, port: int, *arguments: str) -> Iterator[None]:
    operator = {"NATS_USER": "operator", "NATS_PASSWORD": "operator"}
    logins = {"SECONDSITE_WATCH_TOKEN": "only for this test of ours", **operator}
    with (folder / f"{name}.log").open("wb") as log:
        command = [sys.executable, "-m", "secondsite", "watch", *arguments, "--http", str(port)]
        process = subprocess.Popen(command, env={**os.environ, **logins}, stdout=log, stderr=log)
    try:
        wait_until(lambda: listening(port), 30)
        yield
    finally:
        process.kill()
        process.wait()
