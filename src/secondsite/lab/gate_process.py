"""The keeper of one region's write gate: ``… -m secondsite.lab.gate_process FILE``, beside its servers."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.operate.gate import Gate, GuardedStream

_TIMEOUT_S = 1.0


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    options = ConnectOptions(timeout_s=_TIMEOUT_S)
    gate = Gate(
        config["region"],
        NatsPlace(parse_addresses(config["nats"]), options),
        NatsPlace(parse_addresses(config["system"]), options),
        tuple(
            GuardedStream(each["name"], tuple(each["subjects"]), tuple(map(tuple, each["copies"])))
            for each in config["streams"]
        ),
        Path(config["folder"]),
        lambda what: print(what, flush=True),
    )
    asyncio.run(gate.keep())


if __name__ == "__main__":
    main()
