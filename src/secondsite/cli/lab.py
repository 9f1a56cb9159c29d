"""``secondsite lab``: a strategy as real servers on this machine, left running to look at."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.types import NonNegativeFloat, NonNegativeInt

from secondsite.cli.options import SYSTEM_FILE

if TYPE_CHECKING:
    from secondsite.lab.resident import Resident

app = App(name="lab", help="Run a strategy on this machine, with real servers.")

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Block = Annotated[int | None, Parameter(help="Name of the lab, if several run.")]


@app.command
def up(
    strategy: Annotated[str, Parameter(help="Strategy to run.")] = "warm-standby/leafnode-mirror",
    *,
    file: Annotated[Path, Parameter(help="The system file.")] = SYSTEM_FILE,
    nats_version: Annotated[str, Parameter(help="nats-server version for all servers; by default the system's.")] = "",
    nats_server: Annotated[Path | None, Parameter(help="Use this nats-server binary for all servers.")] = None,
    unprepared: Annotated[
        bool, Parameter(negative="", help="Run the system as it is, without the strategy's requirements.")
    ] = False,
    ttl_s: Annotated[NonNegativeFloat | None, Parameter(help="TTL of the service's record, in seconds.")] = None,
    one_address: Annotated[
        bool, Parameter(negative="", help="Use 127.0.0.1 only, as on machines that have no other loopback address.")
    ] = False,
    seed: Annotated[NonNegativeInt, Parameter(help="Seed of the links' jitter.")] = 1,
    folder: Annotated[
        Path | None, Parameter(help="Folder for logs and JetStream stores; temporary by default.")
    ] = None,
    json_: Json = False,
) -> int:
    """Start a lab, wait until it serves, and print how to connect."""
    from secondsite.evaluate.explain import parse_strategy
    from secondsite.lab.binaries import require_lab_packages
    from secondsite.lab.resident import start

    require_lab_packages()
    arguments = {
        "file": str(file.resolve()),
        "strategy": parse_strategy(strategy).id,
        "nats_version": nats_version,
        "nats_server": str(nats_server.resolve()) if nats_server else "",
        "prepared": not unprepared,
        "ttl_s": ttl_s,
        "one_address": one_address,
        "seed": seed,
    }
    place = folder.resolve() if folder else Path(tempfile.mkdtemp(prefix="secondsite-lab-"))
    _show((start(arguments, place),), json_)
    return 0


@app.command
def down(*, block: Block = None) -> int:
    """Stop a lab, or all labs, with all their processes."""
    from secondsite.lab.resident import stop

    residents = _running(block)
    for resident in residents:
        stop(resident)
        print(f"ended: {resident.strategy}; its logs and stores are in {resident.folder}")
    if not residents:
        print("no lab runs")
    return 0


@app.command
def status(*, block: Block = None, json_: Json = False) -> int:
    """List the running labs, what they contain and how to connect."""
    residents = _running(block)
    if not residents and not json_:
        print("no lab is running; start one with `secondsite lab up`")
    _show(residents, json_)
    return 0


@app.command
def fetch(version: Annotated[str, Parameter(help="Such as 2.12.3, or 2.10.")]) -> int:
    """Download a nats-server version (2.10 means the newest known 2.10), verified by pinned hashes."""
    from secondsite.lab.nats_binary import fetch as download
    from secondsite.lab.nats_binary import resolve

    print(download(resolve(version)))
    return 0


def _running(block: int | None) -> tuple[Resident, ...]:
    from secondsite.lab.resident import residents

    return tuple(each for each in residents() if block in (None, each.block))


def _show(residents: tuple[Resident, ...], as_json: bool) -> None:
    if as_json:
        from attrs import asdict

        print(json.dumps({"schema": "secondsite/lab/1", "labs": [asdict(each) for each in residents]}, indent=2))
        return
    for each in residents:
        print("\n".join(_lines(each)))


def _lines(lab: Resident) -> list[str]:
    """What somebody types next."""
    from secondsite.lab.one_address import DIFFERS, is_shared

    url = next(iter(lab.gateways.values()))
    host, port = lab.resolver.split(":")
    event = json.dumps({"id": "1", "subject": "events.test", "data": "hello"})
    return [
        f"{lab.strategy}: block {lab.block}, up for {time.time() - lab.since:.0f} s, ready after {lab.boot_s:.1f} s",
        *(f"  NATS {region}: {','.join(urls)}" for region, urls in lab.nats.items()),
        *(f"  gateway {region}: {address}" for region, address in lab.gateways.items()),
        f"  publish:  curl -H 'apikey: {lab.api_key}' -d '{event}' {url}/v1/events",
        f"  resolve:  dig @{host} -p {port} {lab.host}",
        f"  objects: {lab.s3} (bucket backups, keys lab and lab-secret)",
        f"  logs and stores: {lab.folder}",
        *((f"  {DIFFERS}",) if is_shared(lab.block) else ()),
        f"  processes: {len(lab.processes)}" + (f", dead: {', '.join(lab.dead)}" if lab.dead else ", all alive"),
    ]
