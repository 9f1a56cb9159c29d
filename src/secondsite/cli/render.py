"""``secondsite render``: what to deploy for a strategy, as the lab starts it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from secondsite import __version__
from secondsite.cli.evaluations import HELP, NO_CACHE
from secondsite.cli.options import SYSTEM_FILE
from secondsite.cli.stores import option, print_json
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError, Problem
from secondsite.model.field_support import clusters_not_taking
from secondsite.model.mark import NOT_SET
from secondsite.model.validate import not_a_subject

if TYPE_CHECKING:
    from secondsite.model.deployment import Deployment
    from secondsite.model.system import System
    from secondsite.publish.files.folder import Change

FOLDER = Path("deploy")
_ACCOUNT = re.compile(r"A[A-Z2-7]{55}")
GATE_IMAGE = f"secondsite:{__version__}"


def render(
    folder: Annotated[Path, option("Folder for the files.")] = FOLDER,
    *,
    file: Annotated[Path, option("The system.")] = SYSTEM_FILE,
    strategy: Annotated[str, option("Strategy, or STRATEGY@today; by default the recommended one.")] = "",
    domain: Annotated[str, option("Domain under which other regions resolve a server: POD.REGION.DOMAIN.")] = "",
    app_subject: Annotated[
        tuple[str, ...],
        option("Subject that the application uses besides its streams, such as rpc.>; may be repeated.", negative=""),
    ] = (),
    account: Annotated[
        str,
        option("Operator mode: public key of the account with the streams; by default the preloaded one."),
    ] = "",
    gate_image: Annotated[str, option("Container image with secondsite, for the write gate.")] = GATE_IMAGE,
    backup_bucket: Annotated[
        str, option("s3://NAME/PREFIX of scheduled backups: also write the bucket in the second region.")
    ] = "",
    check: Annotated[
        bool, option("Write nothing; print a diff and exit with 1 if a file is out of date.", negative="")
    ] = False,
    years: Annotated[PositiveInt, option("Years to simulate, where no strategy is named.")] = 200_000,
    seed: Annotated[NonNegativeInt, option("Random seed; the same seed gives the same recommendation.")] = 1,
    json_: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
    no_cache: Annotated[bool, Parameter(help=HELP, env_var=NO_CACHE, negative="")] = False,
) -> int:
    """Write what to deploy: each server's nats.conf, streams, consumers, Kubernetes parts, and in which order.

    Same inputs, same bytes; no secret is in them. Exit code 0, or with --check 1 when a file is stale.
    """
    from secondsite.publish.deploy.tree import files, left_over
    from secondsite.publish.files.folder import changes, write
    from secondsite.strategies.deployed_addresses import DeployedAddresses

    chosen, deployment = _chosen(file, strategy, years, seed, anew=no_cache)
    key = _account_of(deployment, account)
    _refuse_fields(deployment)
    _refuse_unread(deployment.system)
    running = tuple(cluster.name for cluster in deployment.system.nats)
    for subject in app_subject:
        _check_subject(subject)
    book = DeployedAddresses(
        deployment.system.services, domain, running, application_subjects=app_subject, account_key=key
    )
    again = ["secondsite", "render", "DIR", "--strategy", chosen, *(["--domain", domain] if domain else [])]
    again += [part for subject in app_subject for part in ("--app-subject", subject)]
    again += ["--account", account] if account else []
    again += ["--gate-image", gate_image] if gate_image != GATE_IMAGE else []
    again += ["--backup-bucket", backup_bucket] if backup_bucket else []
    texts = files(deployment, book, join(again), gate_image, backup_bucket)
    changed, old = changes(folder, texts), left_over(folder, texts)
    needed = [change for change in changed if change.needed]
    if not check:
        for change in needed:
            write(change)
    if json_:
        print_json(_shape(chosen, changed, old))
    else:
        _print(folder, needed, old, check=check)
    return EXIT_DOES_NOT_HOLD if check and (needed or old) else EXIT_HOLDS


def _check_subject(subject: str) -> None:
    if why := not_a_subject(subject):
        raise InputError.at("--app-subject", f"{subject!r} is not a subject: {why}", "give one such as rpc.>")


def _account_of(deployment: Deployment, given: str) -> str:
    """In operator mode the account with the streams, by its public key; else empty. Raises InputError where the
    operator's part of a configuration was not read: users and passwords in its place would lock every client out.
    """
    cluster = next((cluster for cluster in deployment.system.nats if cluster.operator), None)
    if cluster is None:
        if given:
            raise InputError.at("--account", "no cluster is in operator mode", "leave it out")
        return ""
    place = deployment.system.place(f"nats.{cluster.name}.operator")
    if not cluster.trust.get("resolver") or not cluster.system_account:
        what = f"the accounts of {cluster.name} are JWTs; its operator, resolver and system account were not all read"
        raise InputError.at(place, what, f"write them under `nats: {cluster.name}: trust:`, as its nats.conf has them")
    preloaded = cluster.trust.get("resolver_preload")
    others = [key for key in (preloaded if isinstance(preloaded, dict) else {}) if key != cluster.system_account]
    key = given or (others[0] if len(others) == 1 else "")
    if not _ACCOUNT.fullmatch(key):
        known = f": one of {', '.join(others)}" if others else ""
        unclear = f"which account of {cluster.name} holds the streams is not clear"
        what = f"{key!r} is not the public key of an account" if key else unclear
        raise InputError.at("--account", what, f"give the public key of the account with the streams{known}")
    return key


def _refuse_fields(deployment: Deployment) -> None:
    """What a server would drop silently is no deployment of this system."""
    for cluster, stream, fields in clusters_not_taking(deployment.clusters):
        place = deployment.system.place(f"nats.{cluster.name}.streams.{stream.name}")
        what = f"nats-server {cluster.version} in {cluster.region} does not take {', '.join(fields)} of {stream.name}"
        raise InputError.at(place, what, "render for a release that takes it, or remove it from the stream")


def _refuse_unread(system: System) -> None:
    """Under another name a running cluster is another cluster, and in another folder it finds none of its streams."""
    problems = []
    for cluster in system.nats:
        for key, needed in (("cluster_name", cluster.servers > 1), ("store_dir", cluster.jetstream)):
            path = f"nats.{cluster.name}.{key}"
            mark = system.marks.get(path)
            if needed and not getattr(cluster, key) and mark and mark.why not in ("", NOT_SET):
                what = f"the {key} of the running servers of {cluster.name} is not known: {mark.why}"
                remedy = f"write `{key}:` under `nats`, as their nats.conf has it"
                problems.append(Problem(system.place(path), what, remedy))
    if problems:
        raise InputError(problems)


def _chosen(file: Path, text: str, years: int, seed: int, *, anew: bool) -> tuple[str, Deployment]:
    """The strategy as it is named on the command line, laid out. Raises InputError."""
    from secondsite.catalogue.bundle import load_catalogue
    from secondsite.catalogue.table import USER_FOLDER
    from secondsite.discover.system_file.reading import load_system
    from secondsite.drill.play.setup import on_version
    from secondsite.evaluate.explain import parse_strategy
    from secondsite.strategies.design import Kit

    if not text:
        from secondsite.cli.publish import gather

        best = gather(file, file.parent, None, "", years, seed, anew=anew).chosen.deployment
        return best.strategy.id, best
    name, _, version = text.partition("@")
    catalogue = load_catalogue(file.parent / USER_FOLDER)
    kit = Kit.of(load_system(file), catalogue)
    return text, on_version(parse_strategy(name), kit, version)


def _print(folder: Path, needed: list[Change], old: tuple[Path, ...], *, check: bool) -> None:
    for change in needed:
        if check:
            sys.stdout.writelines(change.diff())
        else:
            print(f"{'new' if change.before is None else 'changed'}: {change.path}")
    for path in old:
        print(f"left over: {path}; this strategy has no such file: delete it", file=sys.stderr)
    if check and (needed or old):
        again = f"update them with `secondsite render {folder}`"
        print(f"stale: {len(needed) + len(old)}; {again}", file=sys.stderr)
    elif not check:
        print(f"{len(needed)} written in {folder}" if needed else f"up to date: {folder}")
        print(f"begin with: {folder / 'README.md'}")


def _shape(strategy: str, changed: tuple[Change, ...], old: tuple[Path, ...]) -> dict[str, object]:
    """``stale``: the file was not there, or not so, before this run."""
    return {
        "schema": "secondsite/render/1",
        "strategy": strategy,
        "files": [{"path": str(change.path), "stale": change.needed} for change in changed],
        "left_over": [str(path) for path in old],
    }
