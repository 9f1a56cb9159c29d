"""A lab that is left running to look at: a process of its own, known by a file in the user's state folder.

The file says how to reach everything and who keeps it. A lab whose block nobody holds any more is gone, whatever its
file says; the file is then removed by whoever looks.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import cattrs
from attrs import asdict, evolve, frozen

from secondsite.lab.claim import is_claimed
from secondsite.lab.folders import state
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError

_STOP_S = 20.0
_LOOK_S = 0.05


@frozen
class Resident:
    """What a person needs to look at a running lab. ``dead`` are processes that ended by themselves."""

    block: int
    pid: int
    strategy: str
    folder: str
    boot_s: float
    since: float
    host: str
    resolver: str
    s3: str
    api_key: str
    nats: dict[str, list[str]]
    gateways: dict[str, str]
    processes: dict[str, int]
    dead: tuple[str, ...] = ()


def described(lab: Lab, folder: Path) -> Resident:
    return Resident(
        block=lab.addresses.block,
        pid=os.getpid(),
        strategy=lab.deployment.strategy.id,
        folder=str(folder),
        boot_s=lab.boot_s,
        since=time.time(),
        host=lab.host,
        resolver=str(lab.resolver),
        s3=lab.s3.endpoint,
        api_key=lab.options.keys[0],
        nats={region: list(lab.nats_urls(region)) for region in lab.regions},
        gateways={region: f"http://{lab.gateway(region)}" for region in lab.regions},
        processes={name: lab.supervisor.pid(name) for name in lab.processes()},
    )


def residents() -> tuple[Resident, ...]:
    """Those that run now."""
    running = []
    for path in sorted(_folder().glob("*.json")):
        resident = cattrs.structure(json.loads(path.read_text(encoding="utf-8")), Resident)
        if is_claimed(resident.block):
            running.append(resident)
        else:
            path.unlink(missing_ok=True)
    return tuple(running)


def stop(resident: Resident) -> None:
    """Ask it to end; where it does not, kill it, and its warden cleans up."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(resident.pid, number)
        deadline = time.monotonic() + _STOP_S
        while is_claimed(resident.block) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        if not is_claimed(resident.block):
            break
    _path(resident.block).unlink(missing_ok=True)


def start(arguments: dict[str, Any], folder: Path) -> Resident:
    """Start a keeper that outlives this process; returns when the lab is up, raises MachineError with its words."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "keeper.log"
    with log.open("wb") as output:
        keeper = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "secondsite.lab.keeper", json.dumps(arguments | {"folder": str(folder)})],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while keeper.poll() is None:
            mine = [resident for resident in residents() if resident.pid == keeper.pid]
            if mine:
                return mine[0]
            time.sleep(_LOOK_S)
    except BaseException:
        keeper.terminate()
        keeper.wait()
        raise
    raise MachineError.at("lab", log.read_text(encoding="utf-8").strip() or "the lab ended", f"see {folder}")


async def keep(lab: Lab, folder: Path) -> None:
    """Tell that the lab is up, and hold it until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    path, resident = _path(lab.addresses.block), described(lab, folder)
    _write(path, resident)
    try:
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _LOOK_S * 10)
            dead = tuple(name for name in resident.processes if not lab.supervisor.alive(name))
            if dead != resident.dead:
                resident = evolve(resident, dead=dead)
                _write(path, resident)
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, resident: Resident) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(resident)), encoding="utf-8")
    partial.replace(path)


def _folder() -> Path:
    return state() / "labs"


def _path(block: int) -> Path:
    return _folder() / f"{block}.json"
