"""What somebody does for a record of the lab: `set` it, and `wait` until resolvers follow. Run as a program."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from secondsite.dns.lookup import look_up
from secondsite.lab.names import Names
from secondsite.model.endpoint import Endpoint


async def main(known: dict[str, Any], what: str) -> None:
    names = Names(Endpoint(*known["dns"]), Endpoint(*known["control"]), known["zone"], known["key"])
    if what == "set":
        await names.set(known["host"], [known["address"]], known["ttl_s"])
        return
    while True:
        resolved = await look_up(Endpoint(*known["resolver"]), known["host"])
        if resolved and tuple(resolved.addresses) == (known["address"],):
            return
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text("utf-8")), sys.argv[2]))
