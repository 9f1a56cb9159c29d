"""The shipped observers and `watch judge` beside two regions, by their shipped commands: who decides for a game day.

API servers are not looked at, as they live on there. An observer that lies is a shipped one as well: of the first
region it was told addresses where nobody is, and of the other the true ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from nats_world import free_ports, wait_until
from region_pair import AWAY, HOME, Pair

from secondsite.model.endpoint import Endpoint
from secondsite.model.watching import WatchObserver
from secondsite.operate.observer_config import ObserverConfig, RegionTargets, observer_text
from secondsite.operate.watch_commands import JudgedBy, judge_command, observe_command

INSIDE: Mapping[str, str] = {"east": HOME, "west": AWAY, "office": ""}
_NOBODY = "127.0.0.1:9"


@frozen
class Rounds:
    every_s: float
    checks: int
    window_s: float


@contextmanager
def observer(pair: Pair, folder: Path, name: str, every_s: float, *, lies: bool = False) -> Iterator[WatchObserver]:
    targets = [
        RegionTargets(region, nats=f"nats://127.0.0.1:{pair.ports[region][0]}", domain=region)
        for region in (HOME, AWAY)
    ]
    if lies:
        targets[0] = evolve(targets[0], api=f"http://{_NOBODY}/", nats=f"nats://{_NOBODY}", domain="")
    inside, told = INSIDE[name], f"{name}-lies" if lies else name
    config, at = folder / f"observer-{told}.json", Endpoint("127.0.0.1", free_ports(1)[0])
    config.write_text(observer_text(ObserverConfig(name, tuple(targets), every_s, every_s)))
    with _running(folder, told, observe_command(str(config), at)):
        yield WatchObserver(name, inside, f"http://{at}")


@contextmanager
def judge_of(folder: Path, name: str, observers: Collection[WatchObserver], rounds: Rounds) -> Iterator[str]:
    """Where it will answer."""
    by = JudgedBy((HOME, AWAY), tuple(observers), rounds.window_s, every_s=rounds.every_s, checks=rounds.checks)
    at = Endpoint("127.0.0.1", free_ports(1)[0])
    with _running(folder, name, judge_command(by, name, at)):
        yield f"http://{at}"


@contextmanager
def judged(pair: Pair, folder: Path, *, every_s: float, checks: int, window_s: float) -> Iterator[str]:
    """Three observers who tell what they see, and where their judge answers."""
    with ExitStack() as stack:
        observers = [stack.enter_context(observer(pair, folder, name, every_s)) for name in INSIDE]
        judge = stack.enter_context(judge_of(folder, "judge", observers, Rounds(every_s, checks, window_s)))
        wait_until(lambda: bool(region_judged(judge)), 60)
        yield judge


def region_judged(judge: str, region: str = HOME) -> dict[str, Any]:
    """What the judge shows of it now; nothing before its first round."""
    try:
        with urllib.request.urlopen(f"{judge}/status", timeout=5) as answer:  # noqa: S310 - our own loopback
            shown = json.loads(answer.read())
    except OSError:
        return {}
    found: dict[str, Any] = next((one for one in shown["regions"] if one["region"] == region), {})
    return found


@contextmanager
def _running(folder: Path, name: str, command: tuple[str, ...]) -> Iterator[None]:
    operator = {"NATS_USER": "operator", "NATS_PASSWORD": "operator"}
    logins = {"SECONDSITE_WATCH_TOKEN": "only for this test of ours", **operator}
    with (folder / f"{name}.log").open("wb") as log:
        words = [sys.executable, "-m", "secondsite", *command]
        process = subprocess.Popen(words, env={**os.environ, **logins}, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()
