"""``secondsite operate``: whether a failover could be carried out now, and what it would leave to a person."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from attrs import evolve
from cyclopts import App
from cyclopts.types import PositiveFloat

from secondsite.cli.operating_world import (
    WHAT,
    WHERE,
    Chosen,
    Placed,
    ProcedureDirection,
    Who,
    procedure_of,
    world_of,
)
from secondsite.cli.stores import Json, option, print_json
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, EXIT_UNPROVEN, InputError

if TYPE_CHECKING:
    from secondsite.kube.cluster import ClusterPlace
    from secondsite.model.operate import Operate

app = App(
    name="operate",
    help="Check that a failover could run now; in a region, resume controllers, isolate services, run a Job.",
)


RegionName = Annotated[str, option("Region, as named in `operate: places:`.")]


@app.command
def check(*, what: Chosen = WHAT, where: Placed = WHERE, json: Json = False) -> int:
    """Connect to every place in `operate:`, check its identity and our rights, and list the manual steps. Changes
    nothing. Exit code: 0 ready, 1 something is wrong or refused, 3 something did not answer.
    """
    from secondsite.discover.system_file.reading import load_system
    from secondsite.operate.check import Answer, plain, prepared
    from secondsite.operate.references import unfollowed
    from secondsite.publish.terminal.preparation import preparation_text

    if missing := tuple(unfollowed(load_system(what.file).operate, "operate")):
        raise InputError(missing)
    deployment, over = procedure_of(ProcedureDirection.OVER, what)
    _, back = procedure_of(ProcedureDirection.BACK, what)
    world = world_of(what, evolve(where, done=(), command=()), Who("operate check"), deployment, over)
    preparation = asyncio.run(prepared(deployment, world, (over, back), deployment.strategy.id))
    print_json(plain(preparation)) if json else print(preparation_text(preparation))
    return {Answer.YES: EXIT_HOLDS, Answer.NO: EXIT_DOES_NOT_HOLD, Answer.UNKNOWN: EXIT_UNPROVEN}[preparation.answer]


@app.command
def release(region: RegionName, /, *, what: Chosen = WHAT) -> int:
    """Resume the controllers (Argo CD, Flux) that a failover paused in a region. First commit what should run there
    now: they apply what is in Git.
    """
    from secondsite.discover.system_file.reading import load_system
    from secondsite.operate.cluster_workloads import cluster_workloads
    from secondsite.operate.places import cluster_places

    system = load_system(what.file)
    services = cluster_workloads(cluster_places(system.operate), system.services, system.operate)
    if services is None or not services.reaches(region):
        remedy = f"write `kube` under {region} in `operate: places:`"
        raise InputError.at("REGION", f"no way to reach the cluster of {region} is configured", remedy)
    freed = asyncio.run(services.release(region))
    print("\n".join(f"released: {one}" for one in freed) or f"nothing is held in {region}")
    return EXIT_HOLDS


@app.command
def fence(
    region: RegionName,
    /,
    *,
    what: Chosen = WHAT,
    lift: Annotated[bool, option("Remove the policies again.", negative="")] = False,
    apply: Annotated[
        bool, option("Carry it out; without this option, only show what would be done.", negative="")
    ] = False,
) -> int:
    """Isolate the services of a region by NetworkPolicies that deny all traffic to and from them.

    NATS and databases are not affected. It works only if the network plugin of the cluster enforces policies, and open
    connections may survive. Exit code: 0 isolated (or possible), 1 another policy still allows traffic to a service.
    """
    from secondsite.discover.system_file.reading import load_system
    from secondsite.operate.cluster_fence import fence_lines, fenced_region, lifted_region, region_state

    system = load_system(what.file)
    place, services = _place_of(system.operate, region), system.services
    if lift and apply:
        print(
            "\n".join(f"lifted: {one.shown}" for one in asyncio.run(lifted_region(place, services)))
            or "no policy of ours"
        )
        return EXIT_HOLDS
    work = fenced_region(place, services) if apply else region_state(place, services)
    states = asyncio.run(work)
    print("\n".join(fence_lines(states, lifts=lift)) or f"no service of {region} is deployed there")
    return EXIT_DOES_NOT_HOLD if any(one.opened_by for one in states) else EXIT_HOLDS


@app.command
def job(
    region: RegionName,
    of: Annotated[str, option("cronjob/NAMESPACE/NAME or job/NAMESPACE/NAME.")],
    /,
    *,
    what: Chosen = WHAT,
    as_: Annotated[str, option("Name of the Job to run.", name="--as")],
    within: Annotated[PositiveFloat, option("Seconds to wait until it has ended.")] = 600.0,
    apply: Annotated[
        bool, option("Carry it out; without this option, only show what would be done.", negative="")
    ] = False,
) -> int:
    """Run a Job in the cluster of a region: from the template of `cronjob/NAMESPACE/NAME`, or as a copy of
    `job/NAMESPACE/NAME`.

    A Job of this name runs once: if it exists already, it is waited for and not started again. Shows the last lines of
    its log. Exit code: 0 complete (or can be started), 1 failed, 3 still running after --within.
    """
    from secondsite.discover.system_file.reading import load_system
    from secondsite.operate.cluster_jobs import job_origin, job_run, job_shown, ran_lines, shown_lines

    origin = job_origin(of, as_)
    place = _place_of(load_system(what.file).operate, region)
    if not apply:
        print("\n".join(shown_lines(asyncio.run(job_shown(place, origin)))))
        return EXIT_HOLDS
    ran = asyncio.run(job_run(place, origin, within))
    print("\n".join(ran_lines(ran, within)))
    return ran.code


def _place_of(operate: Operate | None, region: str) -> ClusterPlace:
    from secondsite.operate.places import cluster_places

    if place := cluster_places(operate).get(region):
        return place
    remedy = f"write `kube` under {region} in `operate: places:`"
    raise InputError.at("REGION", f"no way to reach the cluster of {region} is configured", remedy)
