"""``secondsite init``: discover the system, and write it down or bring what is written up to date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from attrs import evolve, frozen
from cyclopts import Parameter

from secondsite.cli import init_report
from secondsite.cli.init_stores import NO_STORES, RunningStores, with_stores
from secondsite.cli.options import SYSTEM_FILE, confirmed, on_terminal, print_diff
from secondsite.cli.stores import option
from secondsite.discover.live import cluster_from_live, merge_live
from secondsite.discover.manifests import Discovery, discover
from secondsite.discover.system_file.saving import save
from secondsite.discover.system_file.updating import Update, apply, plan
from secondsite.kube.listing import Listing, list_objects
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError
from secondsite.nats.options import ConnectOptions

Flag = Annotated[bool, Parameter(negative="")]


@frozen
class InitReading:
    """What of the paths is read, and how much is told of it."""

    exclude: Annotated[
        tuple[str, ...], option("Exclude paths, folders or file names that match this pattern.", negative="")
    ] = ()
    environment: Annotated[
        tuple[str, ...],
        option("The environment to read, if there are several overlays, folders or values files.", negative=""),
    ] = ()
    kubectl: Annotated[bool, option("Build kustomizations with `kubectl kustomize`.", negative="")] = False
    verbose: Annotated[bool, option("List every skipped file and every value that was not read.", negative="")] = False


@frozen
class RunningCluster:
    """A cluster that is read beside the paths, or alone."""

    kube: Annotated[
        str | None,
        option("Also read the cluster of this kubeconfig context; read-only, Secrets are never read."),
    ] = None
    kubeconfig: Annotated[Path | None, option("The kubeconfig; by default KUBECONFIG, then ~/.kube/config.")] = None
    namespace: Annotated[
        tuple[str, ...], option("Read only this namespace of the cluster; may be repeated.", negative="")
    ] = ()


def init(
    *paths: Path,
    nats: str | None = None,
    creds: Path | None = None,
    user: str | None = None,
    tlsca: Path | None = None,
    tlscert: Path | None = None,
    tlskey: Path | None = None,
    monitor: str | None = None,
    name: str | None = None,
    file: Path = SYSTEM_FILE,
    reading: Annotated[InitReading, Parameter(name="*")] = InitReading(),
    cluster: Annotated[RunningCluster, Parameter(name="*")] = RunningCluster(),
    stores: Annotated[RunningStores, Parameter(name="*")] = NO_STORES,
    yes: Flag = False,
    json: Flag = False,
) -> int:
    """Discover the system from manifests and live servers, and write secondsite.yaml.

    Run again, it keeps what you wrote, shows what changed, and asks before it writes.

    Parameters
    ----------
    paths
        Folders and files: manifests, kustomizations, Helm values, rendered charts; `-` is standard input.
    nats
        Also read streams, consumers and settings from the server at this URL.
    creds
        Credentials file for --nats; by default NATS_CREDS, or NATS_USER and NATS_PASSWORD.
    user
        User name for --nats; the password comes from NATS_PASSWORD.
    tlsca
        CA certificate of the server (PEM).
    tlscert
        Client certificate (PEM).
    tlskey
        Key of the client certificate (PEM).
    monitor
        Monitoring URL of the server; by default port 8222 of its host.
    name
        Name of the system.
    file
        The file to write.
    yes
        Write without asking.
    json
        Print JSON; a changed file is written only with --yes.
    """
    if not (paths or nats or cluster.kube or stores.given):
        remedy = "give folders with manifests, a cluster with --kube, or a server with --nats, --postgres or --redis"
        raise InputError.at("init", "no input is given", remedy)
    listed = _listed(cluster)
    discovery = _discovered(paths, reading, listed, name=name, file=file)
    if nats:
        options = ConnectOptions(credentials=creds, user=user, tls_ca=tlsca, tls_cert=tlscert, tls_key=tlskey)
        discovery = _with_live(discovery, nats, options, monitor)
    discovery = with_stores(discovery, stores)
    _refuse_nothing(discovery, paths, listed)
    update = plan(file, discovery.system, live=nats is not None)
    if update.changed and not update.first and not json:
        print_diff(update.diff())
    written = _may_write(update, yes=yes, json=json)
    if written:
        apply(update)
        if reading.environment:
            save(_answer(file), "".join(f"{name}\n" for name in reading.environment))
    _report(update, discovery, written=written, verbose=reading.verbose, json=json)
    return EXIT_HOLDS if written else EXIT_DOES_NOT_HOLD


def _discovered(
    paths: tuple[Path, ...], reading: InitReading, listed: Listing, *, name: str | None, file: Path
) -> Discovery:
    base = file.resolve().parent
    kept = () if reading.environment else _remembered(file)
    discovery = discover(
        [_under(base, path) for path in paths],
        name=name,
        base=base,
        kubectl=reading.kubectl,
        exclude=reading.exclude,
        environments=reading.environment or kept,
        live=listed.resources,
    )
    again = [f"the environment is {one}, as it was named last; name another with --environment" for one in kept]
    notes = (*again, *discovery.notes, *listed.notes)
    return evolve(discovery, notes=notes, unread=(*discovery.unread, *listed.unread))


def _report(update: Update, discovery: Discovery, *, written: bool, verbose: bool, json: bool) -> None:
    if json:
        print(init_report.as_json(update, discovery, written=written and update.changed))
    else:
        print(init_report.as_text(update, discovery, verbose=verbose))
        print(_outcome(update, written=written), file=sys.stdout if written else sys.stderr)


def _answer(file: Path) -> Path:
    """Where it is kept which environment the file describes, beside what was discovered last."""
    return file.parent / ".secondsite" / "environment"


def _remembered(file: Path) -> tuple[str, ...]:
    kept = _answer(file)
    return tuple(kept.read_text(encoding="utf-8").split("\n")[:-1]) if file.exists() and kept.is_file() else ()


def _listed(cluster: RunningCluster) -> Listing:
    if cluster.kube:
        return list_objects(cluster.kube, kubeconfig=cluster.kubeconfig, namespaces=cluster.namespace)
    if cluster.kubeconfig or cluster.namespace:
        raise InputError.at("init", "no cluster is named", "give the kubeconfig context with --kube")
    return Listing(())


def _refuse_nothing(discovery: Discovery, paths: tuple[Path, ...], listed: Listing) -> None:
    """A system of nothing is no finding: its file would hold assumptions only."""
    if discovery.system.services or discovery.system.nats or discovery.system.stores:
        return
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(discovery.unknown.items()))
    more = "; ".join(
        filter(
            None,
            (
                f"found only {kinds}" if kinds else "",
                f"{len(discovery.skipped)} skipped" if discovery.skipped else "",
                f"{listed.unread[0].place} and {len(listed.unread) - 1} more: {listed.unread[0].what}"
                if listed.unread
                else "",
                *init_report.notes_of_nothing(discovery),
            ),
        )
    )
    what = f"no workload was found{f' ({more})' if more else ''}"
    remedy = "give the folder with the manifests, render Helm charts first, or read the servers with --nats"
    if listed.unread:
        remedy = listed.unread[0].remedy
    raise InputError.at(" ".join(str(path) for path in paths) or "init", what, remedy)


def _under(base: Path, path: Path) -> Path:
    """Absolute where it lies below the base, so that places are told relative to the file; else as it was typed."""
    if str(path) == "-":
        return path
    absolute = path.resolve()
    return absolute if absolute.is_relative_to(base) else path


def _with_live(discovery: Discovery, url: str, options: ConnectOptions, monitor: str | None) -> Discovery:
    import asyncio  # only a live server needs these
    import os

    from secondsite.nats.inspect import inspect

    live = asyncio.run(inspect(url, options=options.with_environment(os.environ), monitor=monitor))
    cluster, marks = cluster_from_live(live)
    system = merge_live(discovery.system, cluster, marks)
    return evolve(discovery, system=system, notes=(*discovery.notes, *live.notes))


def _may_write(update: Update, *, yes: bool, json: bool) -> bool:
    if update.first or not update.changed or yes:
        return True
    return not json and on_terminal() and confirmed(f"Write these changes to {update.path}?")


def _outcome(update: Update, *, written: bool) -> str:
    if not written:
        return f"{update.path}: not written; give --yes to accept the changes above"
    if update.first:
        return f"{update.path}: written"
    return f"{update.path}: updated" if update.changed else f"{update.path}: nothing to change"
