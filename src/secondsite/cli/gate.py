"""``secondsite gate``: keeps the write gate of the first region, beside its servers, for as long as they run."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from secondsite.cli.options import SYSTEM_FILE
from secondsite.cli.stores import option
from secondsite.model.errors import EXIT_HOLDS, InputError

if TYPE_CHECKING:
    from secondsite.operate.gate_config import GateConfig

_NEAR_S = 1.0
"""The servers are beside this, or it is no use to go on asking them."""


def gate(
    *,
    nats: Annotated[str, option("NATS URL of this region.")],
    system: Annotated[str, option("NATS URL of this region with the system account, which reloads the configuration.")],
    folder: Annotated[Path, option("Folder of nats.conf, which includes gate/REGION.conf.")],
    config: Annotated[Path | None, option("gate.json as written by `secondsite render`; replaces --file.")] = None,
    file: Annotated[Path, option("The system, as written by `secondsite init`.")] = SYSTEM_FILE,
    strategy: Annotated[str, option("Deployed strategy; by default the one in the file.")] = "",
    shut: Annotated[bool, option("Close the gate and exit; run this before a server starts.", negative="")] = False,
    server: Annotated[
        str,
        option("Start this nats-server with the gate closed, and stop it when the gate process ends for any reason."),
    ] = "",
) -> int:
    """Let writers in while the other region mirrors, and shut them out from the moment that it was promoted.

    User and password come from NATS_USER and NATS_PASSWORD, those of the system account from NATS_SYSTEM_USER and
    NATS_SYSTEM_PASSWORD: logins that `render` writes for the gate.
    """
    from secondsite.nats.options import ConnectOptions
    from secondsite.nats.place import nats_place
    from secondsite.operate.gate import gate_of, write_gate_file
    from secondsite.operate.gate_config import read_gate
    from secondsite.operate.guarded import as_child, run_guarded
    from secondsite.strategies.rights import GATE_INBOX
    from secondsite.strategies.write_gate import gate_file

    config_read = read_gate(config) if config else _configured(file, strategy)
    if shut:
        write_gate_file(folder / gate_file(config_read.region), config_read.subjects, is_open=False)
        return EXIT_HOLDS
    if server and (code := as_child(["-m", "secondsite", *sys.argv[1:]])) is not None:
        return code
    environment = {key.replace("NATS_SYSTEM_", "NATS_"): v for key, v in os.environ.items() if "NATS_SYSTEM_" in key}
    near = ConnectOptions(timeout_s=_NEAR_S).with_inbox(GATE_INBOX)
    options = (near.with_environment(os.environ), near.with_environment(environment))
    kept = gate_of(
        config_read,
        nats_place(nats, options[0]),
        nats_place(system, options[1]),
        folder,
        lambda what: print(what, file=sys.stderr, flush=True),
        keeper=os.environ.get("POD_NAME", socket.gethostname()) if server else "",
    )
    if server:
        write_gate_file(kept.file, config_read.subjects, is_open=False)
        return asyncio.run(run_guarded(shlex.split(server), kept.keep))
    asyncio.run(kept.keep())
    return EXIT_HOLDS


def _configured(file: Path, strategy: str) -> GateConfig:
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.cli.operating_world import deployed
    from secondsite.discover.system_file.reading import load_system
    from secondsite.evaluate.explain import parse_strategy
    from secondsite.operate.gate_config import gate_config
    from secondsite.strategies.compose import lay_out
    from secondsite.strategies.design import Kit

    catalogue = load_catalogue(file.parent / USER_FOLDER)
    system = load_system(file)
    strategy = deployed(system, strategy)
    deployment = lay_out(parse_strategy(strategy), Kit.of(system, catalogue))
    region = deployment.primary.region.name
    config_read = gate_config(deployment, region)
    if config_read is None:
        what = f"{strategy} has no write gate: no stream of {region} is mirrored elsewhere"
        raise InputError.at(
            "--strategy", what, "it needs no gate; `secondsite evaluate` lists the strategies that have one"
        )
    return config_read
