"""One run of a drill on another machine: an order goes there as text, and its packed evidence comes back as bytes.

Nothing that comes back is believed for where it comes from: the chain is checked here, the run has to be the one that
was ordered, and it is judged here from its raw files. There it runs in a process of its own, as labs and Dask's
threads do not mix: ``… -m secondsite.drill.remote``, with the order on its standard input.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from attrs import asdict, evolve, frozen

from secondsite.catalogue.bundle import load_catalogue
from secondsite.catalogue.table import USER_FOLDER
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.evidence.chain import last_hash
from secondsite.drill.evidence.folder import read_evidence
from secondsite.drill.evidence.packed import PACKED, check_chain, laid_out, pack
from secondsite.drill.play.setup import Setup, make_setup
from secondsite.drill.registry import find_drill
from secondsite.drill.run import RunOf, RunResult, run_drill
from secondsite.drill.verdict.judge import judge
from secondsite.model.errors import InputError, MachineError, SecondsiteError
from secondsite.model.strategy import Strategy

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,200}")
_TAIL = 2000


@frozen
class RemoteOrder:
    """``system`` is the text of the system file, ``catalogue`` the user's own files beside it, by name."""

    system: str
    catalogue: Mapping[str, str]
    drill: str
    strategy: str
    profile: str
    seed: int
    rate_per_s: float
    nats_version: str
    ignoring_ttl: float | None
    trigger: str
    reach_s: float
    soak_s: float
    number: int
    id: str
    campaign: str

    def text(self) -> str:
        return json.dumps(asdict(self))


@frozen
class RemoteRun:
    """``name`` and ``packed`` are empty where it left no evidence, and ``why`` says so."""

    machine: str
    name: str = ""
    packed: bytes = b""
    why: str = ""


def order_of(drill: str, setup: Setup, file: Path, run: RunOf) -> RemoteOrder:
    """Raises InputError for what lies on this machine alone."""
    if setup.nats_server is not None:
        raise InputError.at("--nats-server", "lies on this machine alone", "name a version with --nats-version")
    if setup.one_address:
        raise InputError.at(
            "--one-address", "is about this machine", "leave it out: a worker without other addresses does it"
        )
    folder = file.parent / USER_FOLDER
    own = {each.name: each.read_text(encoding="utf-8") for each in sorted(folder.glob("*")) if each.is_file()}
    return RemoteOrder(
        system=file.read_text(encoding="utf-8"),
        catalogue=own,
        drill=drill,
        strategy=setup.strategy.id,
        profile=setup.profile.name,
        seed=setup.seed,
        rate_per_s=setup.rate_per_s,
        nats_version=setup.nats_version,
        ignoring_ttl=setup.ignoring_ttl,
        trigger=setup.trigger,
        reach_s=setup.reach_s,
        soak_s=setup.profile.soak_s,
        number=run.number,
        id=run.id,
        campaign=run.campaign,
    )


def run_there(text: str) -> tuple[str, str, bytes, str]:
    """What a worker does with an order: the fields of a RemoteRun, plain. Never raises for what a drill can end in."""
    from distributed import get_worker

    machine = f"{get_worker().name} ({socket.gethostname()})"
    with tempfile.TemporaryDirectory(prefix="secondsite-remote-") as folder:
        command = [sys.executable, "-m", "secondsite.drill.remote", folder, machine]
        ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        packed = [path for path in Path(folder).glob(f"evidence/*{PACKED}") if path.is_file()]
        if ended.returncode or len(packed) != 1:
            return machine, "", b"", ended.stderr.strip()[-_TAIL:] or f"ended with {ended.returncode}"
        return machine, packed[0].name, packed[0].read_bytes(), ""


def taken(order: RemoteOrder, setup: Setup, run: RemoteRun, root: Path) -> tuple[RunResult, str]:
    """What came back, as evidence here, with the hash that closes it. Raises MachineError for what was not ordered."""
    place = f"worker {run.machine}"
    if run.why:
        raise MachineError.at(place, run.why, "see the log of that worker")
    if not _NAME.fullmatch(run.name) or not run.name.endswith(PACKED) or (root / run.name).exists():
        raise MachineError.at(place, f"sent evidence as {run.name!r}", "see who answers there")
    path = root / run.name
    root.mkdir(parents=True, exist_ok=True)
    path.write_bytes(run.packed)
    try:
        if problems := check_chain(path):
            raise MachineError.at(place, problems[0].what, problems[0].remedy)
        manifest = read_evidence(path).manifest
        ordered = (order.id, order.campaign, order.number, order.drill, order.strategy, order.seed)
        came = (manifest.id, manifest.campaign, manifest.run, manifest.drill, manifest.strategy, manifest.seed)
        if came != ordered or manifest.control:
            raise MachineError.at(place, "sent a different run from the one that was ordered", "see who answers there")
    except SecondsiteError:
        path.unlink()
        raise
    drill = find_drill(order.drill)
    procedure = setup.procedure(drill.procedure or drill.fault)
    people = tuple(step.id for step in procedure.steps if step.by_person)
    judgement = judge(read_evidence(path))
    result = RunResult(drill, setup, path, 0.0, dict(manifest.versions), judgement, people)
    return result, last_hash(laid_out(path))


def _setup(order: RemoteOrder, folder: Path) -> Setup:
    file = folder / "secondsite.yaml"
    file.write_text(order.system, encoding="utf-8")
    for name, text in order.catalogue.items():
        (folder / USER_FOLDER).mkdir(exist_ok=True)
        (folder / USER_FOLDER / Path(name).name).write_text(text, encoding="utf-8")
    made = make_setup(
        load_system(file),
        load_catalogue(folder / USER_FOLDER),
        Strategy.parse(order.strategy),
        profile_name=order.profile,
        seed=order.seed,
        nats_version=order.nats_version,
        rate_per_s=order.rate_per_s,
        soak_s=order.soak_s,
    )
    return evolve(made, ignoring_ttl=order.ignoring_ttl, trigger=order.trigger, reach_s=order.reach_s)


def main() -> int:
    folder, machine = Path(sys.argv[1]), sys.argv[2]
    order = RemoteOrder(**json.loads(sys.stdin.read()))
    run = RunOf(order.number, order.id, order.campaign, machine)
    try:
        setup = _setup(order, folder)
        work = run_drill(find_drill(order.drill), setup, folder / "evidence", lambda _: None, run=run)
        pack(asyncio.run(work).evidence)
    except SecondsiteError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
