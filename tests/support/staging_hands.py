"""Whoever works on the files of a staging's PostgreSQL, as a command of `follow-stores`: the server of the step's
region is stopped, made to follow the other one by the shipped verb, and started again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from secondsite.cli.__main__ import run
from secondsite.lab.postgres_files import prefix, tools
from secondsite.model.errors import MachineError
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_place import PostgresPlace
from secondsite.strategies.store_servers import SLOT


def main() -> int:
    folder, region = Path(sys.argv[1]), os.environ["SECONDSITE_REGION"]
    known, programs = json.loads((folder / "hands.json").read_text()), tools()
    assert programs
    (other,) = (one for one in known if one != region)
    data, stopped = known[region]["data"], folder / f"{region}.stopped"
    stopped.touch()
    subprocess.run([*prefix(), programs / "pg_ctl", "stop", "-D", data, "-m", "fast", "-w"], check=True)
    followed = run(
        ["postgres", "follow", known[other]["login"], "--data", data, "--tools", str(programs), "--slot", SLOT]
    )
    stopped.unlink()
    return followed or asyncio.run(_answers(known[region]["login"]))


async def _answers(login: str) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(MachineError):
            await PostgresServer(PostgresPlace(login, 1.0)).look()
            return 0
        await asyncio.sleep(0.05)
    return 1


if __name__ == "__main__":
    sys.exit(main())
