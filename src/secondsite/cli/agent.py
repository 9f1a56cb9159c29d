"""``secondsite agent``: copies consumers' positions to where a region may have to take over, as long as it runs."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts.types import PositiveFloat

from secondsite.cli.stores import option
from secondsite.model.errors import EXIT_HOLDS


def agent(
    *,
    nats: Annotated[str, option("The region's own servers.")],
    config: Annotated[Path, option("REGION/agent.json, as written by `secondsite render`.")],
    every_s: Annotated[
        PositiveFloat, option("Interval between copies; after a loss, positions can be this old.")
    ] = 5.0,
    alive: Annotated[Path | None, option("File touched after every copy, for a liveness probe.")] = None,
) -> int:
    """Copy the positions of every durable consumer to where the stream is a mirror.

    User and password come from NATS_USER and NATS_PASSWORD.
    """
    from secondsite.nats.options import ConnectOptions
    from secondsite.nats.place import nats_place
    from secondsite.operate.agent import Agent, read_agent
    from secondsite.strategies.rights import AGENT_INBOX

    place = nats_place(nats, ConnectOptions().with_environment(os.environ).with_inbox(AGENT_INBOX))
    kept = Agent(read_agent(config), place, every_s, lambda what: print(what, file=sys.stderr, flush=True), alive)
    asyncio.run(kept.keep())
    return EXIT_HOLDS
