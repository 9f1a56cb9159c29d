"""``secondsite backup``: save streams with their messages, elsewhere: once, or every so often."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from attrs import frozen
from cyclopts import App, Parameter
from cyclopts.types import NonNegativeInt

from secondsite.cli.backup_options import EVERYTHING, KEEP_ALL, BackupScope, Keep, every
from secondsite.cli.backup_summary import content_line, summary
from secondsite.cli.stores import NO_SERVER, Endpoint, Flag, Server, open_store, option, print_json, telling
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS

if TYPE_CHECKING:
    from secondsite.backup.keep import KeepRules
    from secondsite.backup.manifest import BackupManifest
    from secondsite.backup.run import BackupPlan
    from secondsite.backup.signing import Trust
    from secondsite.nats.place import NatsPlace
    from secondsite.objects.store import ObjectStorage

app = App(name="backup", help="Back up streams, with their messages, to an object store.")
for _name, _help in (
    ("list", "List the backups, newest first."),
    ("verify", "Restore a backup into a temporary server and compare every message."),
    ("prune", "Delete the backups that no --keep rule holds."),
    ("hold", "Keep a backup from being pruned."),
    ("release", "End a hold."),
    ("cronjob", "Print a Kubernetes CronJob that backs up with the same options."),
):
    app.command(f"secondsite.cli.backups:{_name}_", name=_name, help=_help)


@frozen
class Daemon:
    """A schedule, and where its metrics are asked for."""

    every: Annotated[str | None, option("Keep running and back up at this interval, such as 5m or 1h.")] = None
    metrics_host: Annotated[str, option("Address for the metrics; 0.0.0.0 in a pod that Prometheus scrapes.")] = (
        "127.0.0.1"
    )
    metrics_port: Annotated[NonNegativeInt | None, option("Port for the metrics; no metrics by default.")] = None


ONCE = Daemon()


@app.default
def backup(
    *,
    server: Annotated[Server, Parameter(name="*")] = NO_SERVER,
    to: str,
    endpoint: Endpoint = None,
    what: Annotated[BackupScope, Parameter(name="*")] = EVERYTHING,
    keep: Annotated[Keep, Parameter(name="*")] = KEEP_ALL,
    daemon: Annotated[Daemon, Parameter(name="*")] = ONCE,
    json: Flag = False,
) -> int:
    """Save streams with their messages, consumers and positions to an object store.

    A backup exists when its manifest does, which is written last. One that holds no stream, or lacks streams that the
    last good one has, is suspicious: the exit code is 1, and nothing is pruned. With --every it goes on until it is
    stopped, and deletes what the --keep rules let go after each good backup.

    Parameters
    ----------
    to
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    json
        Print JSON.
    """
    from secondsite.strategies.rights import BACKUP_INBOX

    every_s = every(daemon.every)
    place, store, plan = server.place(BACKUP_INBOX), open_store(to, endpoint, "--to", make=True), what.plan()
    if every_s is not None:
        return asyncio.run(_go_on(place, store, plan, keep.rules(), every_s, daemon, json=json))
    manifest = asyncio.run(_once(place, store, plan, keep.rules(), json=json))
    if json:
        print_json(summary(manifest))
    else:
        print(_summary_line(manifest, store))
    return EXIT_DOES_NOT_HOLD if manifest.suspicious else EXIT_HOLDS


async def _once(
    place: NatsPlace, store: ObjectStorage, plan: BackupPlan, rules: KeepRules, *, json: bool
) -> BackupManifest:
    from secondsite.backup.run import run_backup

    with telling("saved", machine=json) as progress:
        manifest = await run_backup(place, store, plan, progress)
    if not manifest.suspicious:
        await _retain(store, rules, plan.trust, manifest)
    return manifest


async def _retain(store: ObjectStorage, rules: KeepRules, trust: Trust, made: BackupManifest) -> None:
    from secondsite.backup.inventory import take_inventory
    from secondsite.backup.prune import apply_pruning, plan_pruning

    if rules.any:
        now = datetime.now(UTC)
        inventory = await take_inventory(store, trust, now)
        for entry in inventory.entries:
            if entry.clock:
                print(f"{entry.id}: {entry.clock}", file=sys.stderr, flush=True)
        await apply_pruning(store, plan_pruning(inventory, rules, now, frozenset({made.id})), now)


async def _go_on(
    place: NatsPlace,
    store: ObjectStorage,
    plan: BackupPlan,
    rules: KeepRules,
    every_s: float,
    daemon: Daemon,
    *,
    json: bool,
) -> int:
    from secondsite.backup.metrics import BackupMetrics
    from secondsite.backup.run import check_store, run_backup
    from secondsite.backup.schedule import Schedule

    await check_store(store, single_writer=plan.single_writer)
    metrics = BackupMetrics(every_s)
    if daemon.metrics_port is not None:
        port = metrics.serve(daemon.metrics_host, daemon.metrics_port)
        print(f"metrics on http://{daemon.metrics_host}:{port}/metrics", file=sys.stderr, flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async def one() -> BackupManifest:
        with telling("saved", machine=json) as progress:
            manifest = await run_backup(place, store, plan, progress)
        print_json(summary(manifest)) if json or not sys.stdout.isatty() else print(
            _summary_line(manifest, store), flush=True
        )
        return manifest

    schedule = Schedule(
        store=store,
        interval=timedelta(seconds=every_s),
        back_up=one,
        retain=lambda made: _retain(store, rules, plan.trust, made),
        report=lambda text: print(text, file=sys.stderr, flush=True),
        metrics=metrics,
        claim=not plan.single_writer,
        trust=plan.trust,
    )
    await schedule.run(stop)
    return EXIT_HOLDS


def _summary_line(manifest: BackupManifest, store: ObjectStorage) -> str:
    lines = [f"{manifest.id} in {store.shown}: {content_line(manifest)}"]
    lines += [f"  {name}: deleted while the backup ran; not in the backup" for name in manifest.gone]
    lines += [f"  SUSPICIOUS: {why}" for why in manifest.suspicious]
    if manifest.suspicious:
        lines.append("  it does not count as good and nothing was pruned; if this is intended, give --accept-fewer")
    return "\n".join(lines)
