"""What `failover`, `failback` and whoever starts them work with: a procedure, and the world that it is carried out in.

Everything stands in `operate:` of the system file; an option goes before what stands there.
"""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import evolve, frozen
from cyclopts import Parameter
from cyclopts.types import NonNegativeFloat, PositiveFloat

from secondsite.cli.operating_options import (
    check_allowed,
    commands_of,
    destroying,
    done_by,
    path_line,
    path_of,
    places_given,
    shown_clusters,
    store_logins,
    target_of,
)
from secondsite.cli.options import SYSTEM_FILE
from secondsite.cli.restored_origins import NOTHING_CHOSEN, RestoredOrigins
from secondsite.cli.stores import open_store, option
from secondsite.model.errors import InputError

if TYPE_CHECKING:
    from secondsite.model.deployment import Deployment
    from secondsite.model.procedure import Procedure
    from secondsite.model.system import System
    from secondsite.nats.place import NatsPlace
    from secondsite.operate.live import LiveWorld


UNTOLD = "warm-standby/leafnode-mirror"
"""What is deployed where neither an option nor the file says so."""


DESTROYED = "data is destroyed"
"""How the name of a procedure begins that brings back what was deleted or overwritten."""


class ProcedureDirection(StrEnum):
    OVER = "failover"
    BACK = "failback"
    REPAIR = "repair"

    @property
    def others(self) -> tuple[ProcedureDirection, ...]:
        return tuple(one for one in ProcedureDirection if one is not self)

    @property
    def begins(self) -> str:
        """How the names of its procedures begin."""
        return DESTROYED if self is ProcedureDirection.REPAIR else str(self)


@frozen
class OperationScope:
    """Which procedure of which system."""

    file: Annotated[Path, option("The system, as written by `secondsite init`.")] = SYSTEM_FILE
    strategy: Annotated[
        str, option(f"Deployed strategy; by default `operate: deployed` in the file, then {UNTOLD}.", name="--strategy")
    ] = ""
    fault: Annotated[
        str, option("The fault: region, gray, control-plane, … (failover); repair needs deletion or bad-write.")
    ] = "region"
    allow: Annotated[
        tuple[str, ...], option("Override a guard of the plan by its id; may be repeated.", negative="")
    ] = ()


@frozen
class OperationPlaces:
    """Regions as REGION=VALUE; the user and its secret come from NATS_CREDS, NATS_USER and NATS_PASSWORD."""

    nats: Annotated[
        tuple[str, ...],
        option(
            "NATS servers of a region: REGION=nats://host:4222 or REGION=context:NAME; once per region.", negative=""
        ),
    ] = ()
    system: Annotated[
        tuple[str, ...],
        option("The same for the system account, which meta-group rescue and peer removal need.", negative=""),
    ] = ()
    reach_s: Annotated[
        PositiveFloat, option("Seconds without an answer after which a region counts as unreachable.")
    ] = 2.0
    patience: Annotated[
        PositiveFloat, option("Multiply each step's time limit by this factor; a limit counts from the last progress.")
    ] = 1.0
    path_url: Annotated[str, option("The URL that clients write to; overrides `operate.path` in the system file.")] = ""
    from_: Annotated[str, option("Backup store, for strategies that restore from one.", name="--from")] = ""
    restored: Annotated[RestoredOrigins, Parameter(name="*")] = NOTHING_CHOSEN
    store: Annotated[
        tuple[str, ...],
        option("Login of a database: REGION/STORE=env:NAME, file:PATH or service:NAME; once per region.", negative=""),
    ] = ()
    done: Annotated[
        tuple[str, ...], option("Mark a manual step as done: STEP=WHO, or STEP (then --who did it).", negative="")
    ] = ()
    command: Annotated[
        tuple[str, ...], option("Run a command for a manual step: STEP=COMMAND or VERB=COMMAND.", negative="")
    ] = ()


@frozen
class Who:
    who: Annotated[str, option("Who declares the operation.")] = ""
    why: Annotated[str, option("Reason, for the journal.")] = ""
    fault_at: Annotated[NonNegativeFloat, option("When the fault happened, in seconds since the epoch, if known.")] = (
        0.0
    )


WHAT, WHERE, WHO = OperationScope(), OperationPlaces(), Who()
Chosen = Annotated[OperationScope, Parameter(name="*")]
Placed = Annotated[OperationPlaces, Parameter(name="*")]
Declared = Annotated[Who, Parameter(name="*")]


def procedure_of(direction: ProcedureDirection, what: OperationScope) -> tuple[Deployment, Procedure]:
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.discover.system_file.reading import load_system
    from secondsite.evaluate.explain import parse_strategy
    from secondsite.model.fault import LEAVES_REGION, Fault
    from secondsite.strategies.compose import failback, failover, lay_out, procedures
    from secondsite.strategies.design import Kit

    catalogue = load_catalogue(what.file.parent / USER_FOLDER)
    system = load_system(what.file)
    kit = Kit.of(system, catalogue)
    deployment = lay_out(parse_strategy(deployed(system, what.strategy)), kit)
    ready = evolve(kit, system=deployment.system)
    if direction is ProcedureDirection.BACK:
        return deployment, failback(deployment, ready)
    if direction is ProcedureDirection.REPAIR:
        return deployment, procedures(deployment, ready)[destroying(what.fault)]
    names = sorted(LEAVES_REGION)
    if what.fault not in names:
        raise InputError.at("--fault", f"there is no failover for {what.fault!r}", f"name one of {', '.join(names)}")
    return deployment, failover(deployment, ready, Fault(what.fault))


def world_of(
    what: OperationScope, where: OperationPlaces, who: Who, deployment: Deployment, procedure: Procedure
) -> LiveWorld:
    from secondsite.model.operate import Environment
    from secondsite.operate.cluster_workloads import cluster_workloads
    from secondsite.operate.commands import Commands
    from secondsite.operate.identity import identities
    from secondsite.operate.live import LiveWorld, ReportedManualSteps
    from secondsite.operate.places import cluster_places, with_domains
    from secondsite.operate.record_door import record_doorway
    from secondsite.operate.record_look import record_look
    from secondsite.operate.restorer import BackupRestorer
    from secondsite.operate.secret_places import secret_places
    from secondsite.operate.world import Decision

    check_allowed(what.allow)
    where.restored.check(procedure)
    operate = deployment.system.operate
    regions, system = _places(deployment, where.nats, "nats"), _places(deployment, where.system, "system")
    commands = commands_of(where.command, procedure)
    reported = ReportedManualSteps(done_by(where.done, procedure, who.who))
    manual_steps = Commands(commands, reported, target_of(procedure))
    path, logins = path_of(deployment.system, where.path_url), store_logins(where.store, deployment)
    clusters, secrets = cluster_places(operate), secret_places(deployment)
    record = record_doorway(deployment.traffic, operate, clusters)
    known = with_domains(identities(deployment), operate)
    bound = {
        "environment": str(operate.environment if operate else Environment.PRODUCTION),
        "domains": {region: ", ".join(sorted(one.domains)) for region, one in sorted(known.items()) if one.domains},
        **shown_clusters(deployment.system, clusters),
        **({"stores": logins.shown} if logins else {}),
        **({"secrets": secrets.shown} if secrets else {}),
        "servers": {region: place.shown for region, place in sorted(regions.items())},
        "system servers": {region: place.shown for region, place in sorted(system.items())},
        "record": record.source.shown if record else "",
        "commands": dict(sorted(commands.items())),
        "path": path_line(path),
        "backups": where.from_,
        **where.restored.bound,
    }
    return LiveWorld(
        regions=regions,
        system=system,
        decision=Decision(who.who, time.time(), who.why, who.fault_at),
        reach_s=where.reach_s,
        manual_steps=manual_steps,
        path=path,
        services=None
        if _typed(commands, _SCALING)
        else cluster_workloads(clusters, deployment.system.services, operate),
        dns=None if _typed(commands, ("change-traffic",)) else record,
        record_look=record_look(deployment.system.traffic.host, operate),
        restorer=BackupRestorer(open_store(where.from_, None, "--from"), regions) if where.from_ else None,
        origins=where.restored.restorer(where.from_, regions) if where.from_ else None,
        stores=logins,
        secrets=secrets,
        bound=bound,
        identities=known,
    )


def _places(deployment: Deployment, given: tuple[str, ...], account: str) -> dict[str, NatsPlace]:
    """Those of the file, and over them those that are given."""
    from secondsite.nats.options import ConnectOptions
    from secondsite.nats.place import nats_place
    from secondsite.operate.places import nats_places

    options = ConnectOptions().with_environment(os.environ)
    operate, named = deployment.system.operate, places_given(given, f"--{account}", deployment)
    written = evolve(operate, places=tuple(p for p in operate.places if p.region not in named)) if operate else None
    places = nats_places(written, account, options)
    for region, where in named.items():
        context = where.removeprefix("context:") if where.startswith("context:") else None
        places[region] = nats_place(
            None if context else where, ConnectOptions() if context else options, context=context
        )
    return places


_SCALING = ("start-services", "scale-services")


def _typed(commands: dict[str, str], names: tuple[str, ...]) -> bool:
    """A command that somebody gives for a step goes before the door of the file."""
    return any(name in commands for name in names)


def any_place(what: OperationScope, where: OperationPlaces) -> bool:
    """Whether it is known where any region is."""
    from secondsite.discover.system_file.reading import load_system

    operate = load_system(what.file).operate if what.file.exists() else None
    return bool(where.nats) or any(place.nats for place in (operate.places if operate else ()))


def deployed(system: System, given: str) -> str:
    """The strategy that runs: as given, as the file says, or what is most often meant."""
    return given or (system.operate.deployed if system.operate else "") or UNTOLD
