"""``secondsite archive``: ship what is new of every stream to an object store, once or on and on."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import frozen
from cyclopts import App, Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from secondsite.cli.backup_options import every as seconds
from secondsite.cli.stores import NO_SERVER, Endpoint, Flag, Server, open_store, option, print_json, read_keys
from secondsite.model.errors import EXIT_DOES_NOT_HOLD, EXIT_HOLDS, InputError
from secondsite.model.units import parse_bytes
from secondsite.model.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondsite.archive.daemon import ArchiveDaemon, Rhythm
    from secondsite.archive.plan import ArchivePlan, Shipped
    from secondsite.backup.codec import Keys
    from secondsite.nats.place import NatsPlace
    from secondsite.objects.store import ObjectStorage

app = App(name="archive", help="Ship new messages of every stream to an object store, continuously.")
for _module, _name, _help in (
    ("archives", "verify", "Read the whole archive, and restore it into a temporary server."),
    ("archive_after", "after", "List the good messages after a point in time that do not depend on the bad ones."),
    ("archives", "compact", "Compact an archive, and delete what is older than --keep."),
    ("archive_manifests", "deployment", "Print a Kubernetes Deployment that archives with the same options."),
    ("archive_manifests", "policy", "Print the AWS IAM policy that an archiver needs."),
):
    app.command(f"secondsite.cli.{_module}:{_name}_", name=_name, help=_help)


@frozen
class ArchiveScope:
    """Which streams, and how they are written."""

    stream: Annotated[
        tuple[str, ...], option("Stream name or pattern such as KV_*; all streams by default.", negative="")
    ] = ()
    exclude: Annotated[tuple[str, ...], option("Stream name or pattern to exclude.", negative="")] = ()
    recipient: Annotated[tuple[str, ...], option("Encrypt for this age public key.", negative="")] = ()
    sign: Annotated[Path | None, option("Sign with this ed25519 secret key, or with this age identity.")] = None
    parallel: Annotated[PositiveInt, option("Streams at the same time; each takes up to 32 MiB of memory.")] = 4
    single_writer: Annotated[bool, option("Accept a store that ignores conditional writes.", negative="")] = False

    def plan(self, report: Callable[[str], None], keys: Keys | None = None) -> ArchivePlan:
        from secondsite.archive.plan import ArchivePlan
        from secondsite.backup.signing import read_signing_key

        return ArchivePlan(
            streams=self.stream or ("*",),
            exclude=self.exclude,
            keys=keys or read_keys(self.recipient, ()),
            signing=read_signing_key(self.sign) if self.sign else None,
            parallel=self.parallel,
            report=report,
        )

    def flags(self) -> list[str]:
        """The same options, spelled out."""
        flags = []
        for name, values in (("--stream", self.stream), ("--exclude", self.exclude), ("--recipient", self.recipient)):
            flags += [part for value in values for part in (name, value)]
        flags += ["--parallel", str(self.parallel)] if self.parallel != ArchiveScope().parallel else []
        return [*flags, "--single-writer"] if self.single_writer else flags


@frozen
class Pace:
    """How often, and where its metrics are asked for."""

    once: Annotated[bool, option("Ship what is new now, then exit.", negative="")] = False
    every: Annotated[str, option("How often to look for new messages, such as 5s.")] = "5s"
    bytes: Annotated[str, option("Ship earlier once this much is waiting, such as 8Mi.")] = "8Mi"
    metrics_host: Annotated[str, option("Address for the metrics; 0.0.0.0 in a pod that Prometheus scrapes.")] = (
        "127.0.0.1"
    )
    metrics_port: Annotated[NonNegativeInt | None, option("Port for the metrics; no metrics by default.")] = None

    def rhythm(self) -> Rhythm:
        from secondsite.archive.daemon import Rhythm

        try:
            size = parse_bytes(self.bytes)
        except ValueError as error:
            raise InputError.at("--bytes", str(error), "such as 8Mi") from None
        if size < 1:
            raise InputError.at("--bytes", "is less than a byte", "such as 8Mi")
        return Rhythm(seconds(self.every) or 5.0, int(size))


EVERY_STREAM, ON_AND_ON = ArchiveScope(), Pace()


@app.default
def archive(
    *,
    server: Annotated[Server, Parameter(name="*")] = NO_SERVER,
    to: str,
    endpoint: Endpoint = None,
    what: Annotated[ArchiveScope, Parameter(name="*")] = EVERY_STREAM,
    pace: Annotated[Pace, Parameter(name="*")] = ON_AND_ON,
    json: Flag = False,
) -> int:
    """Ship new messages of every stream to an object store, continuously, so that any point in time can be restored.

    Messages, deletions, consumers' positions and configurations. It resumes where the archive ends; several copies may
    run, and one of them ships.

    Parameters
    ----------
    to
        The store: file:///folder, s3://bucket/prefix, gs://… or az://….
    json
        Print a line of JSON after each checkpoint that shipped something.
    """
    from secondsite.strategies.rights import ARCHIVE_INBOX

    rhythm = pace.rhythm()
    place, store = server.place(ARCHIVE_INBOX), open_store(to, endpoint, "--to", make=True).below("archive")
    plan = what.plan(lambda text: print(text, file=sys.stderr, flush=True))
    if pace.once:
        return asyncio.run(_once(place, store, plan, single_writer=what.single_writer, json=json))
    return asyncio.run(_on_and_on(place, store, plan, pace, rhythm, single_writer=what.single_writer, json=json))


async def _once(place: NatsPlace, store: ObjectStorage, plan: ArchivePlan, *, single_writer: bool, json: bool) -> int:
    from secondsite.archive.daemon import archive_once

    done = await archive_once(place, store, plan, single_writer=single_writer)
    for shipped in done:
        _print(shipped, store, json=json)
    return EXIT_DOES_NOT_HOLD if done[-1].missing else EXIT_HOLDS


async def _on_and_on(
    place: NatsPlace,
    store: ObjectStorage,
    plan: ArchivePlan,
    pace: Pace,
    rhythm: Rhythm,
    *,
    single_writer: bool,
    json: bool,
) -> int:
    from secondsite.archive.daemon import ArchiveDaemon
    from secondsite.archive.metrics import ArchiveMetrics
    from secondsite.archive.shipper import Shipper
    from secondsite.backup.run import check_store

    metrics = ArchiveMetrics(rhythm.every_s)
    if pace.metrics_port is not None:
        port = metrics.serve(pace.metrics_host, pace.metrics_port)
        print(f"metrics on http://{pace.metrics_host}:{port}/metrics", file=sys.stderr, flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await check_store(store, single_writer=single_writer)

    async def after(_: Shipper, shipped: Shipped) -> None:
        if shipped.number and (shipped.messages or shipped.streams):
            _print(shipped, store, json=json)

    daemon: ArchiveDaemon = ArchiveDaemon(place, store, plan, rhythm, metrics, plan.report, after)
    await daemon.run(stop)
    return EXIT_HOLDS


def _print(shipped: Shipped, store: ObjectStorage, *, json: bool) -> None:
    if json:
        print_json(
            {
                "schema": "secondsite/archive/1",
                "look": shipped.number,
                "streams": shipped.streams,
                "messages": shipped.messages,
                "bytes": shipped.plain_bytes,
                "stored_bytes": shipped.stored_bytes,
                "behind_bytes": sum(shipped.behind.values()),
                "missing": list(shipped.missing),
            }
        )
        return
    behind = f", {sum(shipped.behind.values())} bytes behind" if shipped.behind else ""
    print(
        f"checkpoint {shipped.number} in {store.shown}: {counted(shipped.messages, 'messages')} "
        f"of {counted(shipped.streams, 'streams')}, "
        f"{shipped.plain_bytes} bytes, {shipped.stored_bytes} stored{behind}",
        flush=True,
    )
    for name in shipped.missing:
        print(f"  {name}: could not be inspected", flush=True)
