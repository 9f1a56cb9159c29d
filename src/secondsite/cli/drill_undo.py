"""``secondsite drill undo``: a region of a game day given back, at once or when its time is over."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts.types import PositiveFloat

from secondsite.cli.options import SYSTEM_FILE
from secondsite.cli.stores import option
from secondsite.model.errors import EXIT_HOLDS, EXIT_INTERRUPTED, InputError

if TYPE_CHECKING:
    from secondsite.kube.cluster import ClusterPlace

EVERY_S = 5.0


def undo(
    *,
    file: Annotated[Path, option("The system file of staging, for the cluster of its first region.")] = SYSTEM_FILE,
    in_cluster: Annotated[bool, option("Use the cluster that this runs in, with its service account.")] = False,
    namespace: Annotated[
        tuple[str, ...], option("--in-cluster: namespace in which faults are recorded; may be repeated.", negative="")
    ] = (),
    guard: Annotated[
        bool, option("Keep running: undo each fault when it expires, and report that this guard is alive.")
    ] = False,
    every_s: Annotated[PositiveFloat, option("--guard: seconds between checks.")] = EVERY_S,
    quiet: Annotated[bool, option("Do not report what is undone.", negative="")] = False,
) -> int:
    """Undo every fault of a game day that is still in force, expired or not; with --guard only those that have expired.

    Running it again changes nothing. A workload that somebody else has scaled since then stays as it is.
    """
    from secondsite.drill.gameday.guard import FaultGuard, give_back

    place, spaces = _inside(namespace) if in_cluster else _from_file(file)

    def report(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    if guard:
        holder = f"{socket.gethostname()}-{os.getpid()}"
        try:
            asyncio.run(FaultGuard(place, spaces, holder, every_s, report).watch())
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
    given = asyncio.run(give_back(place, spaces))
    report("\n".join(f"{one} is undone" for one in given) or "no fault stands")
    return EXIT_HOLDS


def _from_file(file: Path) -> tuple[ClusterPlace, tuple[str, ...]]:
    from secondsite.cli.game_day import namespaces_of
    from secondsite.cli.operating_world import OperationScope, ProcedureDirection, procedure_of
    from secondsite.discover.system_file.reading import load_system
    from secondsite.operate.places import cluster_places

    deployment, _ = procedure_of(ProcedureDirection.OVER, OperationScope(file))
    home = deployment.primary.region.name
    place = cluster_places(deployment.system.operate).get(home)
    if place is None:
        what = f"no way is configured to reach the cluster of {home}"
        raise InputError.at("operate.places", what, f"write `kube` under {home}")
    return place, namespaces_of(load_system(file))[:1]


def _inside(namespaces: tuple[str, ...]) -> tuple[ClusterPlace, tuple[str, ...]]:
    from secondsite.kube.cluster import ClusterPlace
    from secondsite.kube.kubeconfig import service_account

    if not namespaces:
        raise InputError.at(
            "--namespace", "it is not known where faults are written down", "name the first one that is harmed"
        )
    return ClusterPlace(service_account(), "this cluster"), namespaces
