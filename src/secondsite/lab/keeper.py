"""The process that holds a resident lab: ``python -m secondsite.lab.keeper JSON``, started by `resident.start`.

What goes wrong is written to its log as a user reads it, one problem a line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from secondsite.catalogue.bundle import load_catalogue
from secondsite.catalogue.table import USER_FOLDER
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.options import LabOptions
from secondsite.lab.resident import keep
from secondsite.lab.world import Lab
from secondsite.model.deployment import Deployment
from secondsite.model.errors import SecondsiteError
from secondsite.model.strategy import Strategy
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit


def deployment_of(file: Path, strategy: str, *, prepared: bool) -> Deployment:
    catalogue = load_catalogue(file.parent / USER_FOLDER)
    kit = Kit.of(load_system(file), catalogue)
    return lay_out(Strategy.parse(strategy), kit, prepared=prepared)


async def _hold(arguments: dict[str, Any]) -> None:
    folder = Path(arguments["folder"])
    server = arguments["nats_server"]
    options = LabOptions(
        folder=folder,
        nats_version=arguments["nats_version"],
        nats_server=Path(server) if server else None,
        seed=arguments["seed"],
        ttl_s=arguments["ttl_s"],
        one_address=arguments["one_address"],
    )
    deployment = deployment_of(Path(arguments["file"]), arguments["strategy"], prepared=arguments["prepared"])
    async with Lab.up(deployment, options) as lab:
        await keep(lab, folder)


def main() -> None:
    try:
        asyncio.run(_hold(json.loads(sys.argv[1])))
    except SecondsiteError as error:
        sys.exit("\n".join(str(problem) for problem in error.problems))


if __name__ == "__main__":
    main()
