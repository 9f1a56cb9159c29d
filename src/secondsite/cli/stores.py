"""What `backup` and `restore` share on the command line: the server, the store, the keys, the progress."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from attrs import evolve, frozen
from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from secondsite.backup.codec import Keys
    from secondsite.backup.progress import Progress
    from secondsite.backup.signing import Trust
    from secondsite.nats.place import NatsPlace
    from secondsite.objects.store import ObjectStorage

Flag = Annotated[bool, Parameter(negative="")]
Json = Annotated[bool, Parameter(negative="", help="Print JSON.")]
Endpoint = Annotated[str | None, Parameter(help="The server of an S3-compatible store, such as http://minio:9000.")]


def option(text: str, **more: Any) -> Parameter:
    """An option with its help."""
    return Parameter(help=text, **more)


@frozen
class Server:
    """Which NATS servers, and who we are to them."""

    nats: Annotated[str | None, option("NATS URL, such as nats://host:4222; separate several by commas.")] = None
    context: Annotated[str | None, option("Context of the nats CLI; by default NATS_CONTEXT, then NATS_URL.")] = None
    creds: Annotated[
        Path | None, option("Credentials file; by default NATS_CREDS, or NATS_USER and NATS_PASSWORD.")
    ] = None
    nkey: Annotated[Path | None, option("NKey seed file; by default NATS_NKEY.")] = None
    user: Annotated[str | None, option("User name; the password comes from NATS_PASSWORD.")] = None
    tlsca: Annotated[Path | None, option("CA certificate of the server (PEM).")] = None
    tlscert: Annotated[Path | None, option("Client certificate (PEM).")] = None
    tlskey: Annotated[Path | None, option("Key of the client certificate (PEM).")] = None
    domain: Annotated[str | None, option("JetStream domain, if not the server's own.")] = None

    def place(self, inbox: str = "") -> NatsPlace:
        """``inbox`` is where answers are heard, where no context says otherwise."""
        import os

        from secondsite.nats.options import ConnectOptions
        from secondsite.nats.place import nats_place

        options = ConnectOptions(
            credentials=self.creds,
            nkey=self.nkey,
            user=self.user,
            tls_ca=self.tlsca,
            tls_cert=self.tlscert,
            tls_key=self.tlskey,
        )
        url, context = self.nats, self.context
        if not url and not context:
            url, context = os.environ.get("NATS_URL"), os.environ.get("NATS_CONTEXT")
        place = nats_place(url, options.with_environment(os.environ), context=context, domain=self.domain)
        return evolve(place, options=place.options.with_inbox(inbox)) if inbox else place


NO_SERVER = Server()


def open_store(url: str, endpoint: str | None, flag: str, *, make: bool = False) -> ObjectStorage:
    """The store at a URL; ``flag`` is the option it came from."""
    from secondsite.objects.address import parse_store
    from secondsite.objects.store import ObjectStorage

    return ObjectStorage(parse_store(url, endpoint, flag), make=make)


def read_keys(recipients: tuple[str, ...], identities: tuple[Path, ...]) -> Keys:
    from secondsite.backup.codec import read_keys as read

    return read(recipients, identities)


@frozen
class TrustOptions:
    """Whose backups count."""

    signer: Annotated[
        tuple[Path, ...], option("Accept only backups signed by this ed25519 public key.", negative="")
    ] = ()
    allow: Annotated[
        tuple[Literal["unsigned"], ...],
        option("Accept backups without a known signature or without encryption.", negative=""),
    ] = ()

    def trust(self, keys: Keys | None = None) -> Trust:
        """With an identity, its own signatures count too, and plain backups do not."""
        from secondsite.backup.signing import Trust, of_identity, read_signer

        if self.allow:
            passed_over("--allow unsigned: backups without a known signature are accepted")
        identities = keys.identities if keys else ()
        signers = {read_signer(path) for path in self.signer} | {of_identity(item).public for item in identities}
        return Trust(frozenset(signers), encrypted=bool(identities), unsigned=bool(self.allow))


ANY_SIGNER = TrustOptions()


def passed_over(text: str) -> None:
    """What a person should see on standard error."""
    print(text, file=sys.stderr, flush=True)


def print_json(content: object) -> None:
    """One line, at once: somebody may be waiting at the other end of a pipe."""
    print(json.dumps(content), flush=True)


@contextmanager
def telling(verb: str, *, machine: bool) -> Iterator[Progress]:
    """On standard error: bars with rate and time left on a terminal, else one JSON line per stream."""
    if machine or not sys.stderr.isatty():
        yield Lines(verb)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    from secondsite.publish.terminal.console import PrintableConsole

    whole = Column(no_wrap=True)
    columns = (
        TextColumn("{task.description}", table_column=Column(ratio=3, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        DownloadColumn(binary_units=True, table_column=whole),
        TransferSpeedColumn(table_column=whole.copy()),
        TimeRemainingColumn(table_column=whole.copy()),
    )
    with Progress(*columns, console=PrintableConsole(stderr=True), expand=True) as bars:
        yield Barred(bars)


class Barred:
    """A bar per stream."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def begin(self, stream: str, total_bytes: int) -> None:
        if stream in self._tasks:
            self._bars.reset(self._tasks[stream], total=total_bytes)
        else:
            self._tasks[stream] = self._bars.add_task(stream, total=total_bytes)

    def at(self, stream: str, done_bytes: int) -> None:
        self._bars.update(self._tasks[stream], completed=done_bytes)

    def comparing(self, stream: str) -> None:
        if stream in self._tasks:
            self._whole(stream, f"comparing {stream}")

    def end(self, stream: str) -> None:
        if stream in self._tasks:
            self._whole(stream, stream)

    def _whole(self, stream: str, description: str) -> None:
        """Its size before the transfer was an estimate."""
        task = self._tasks[stream]
        self._bars.update(task, total=self._bars.tasks[task].completed, description=description)

    def note(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


class Lines:
    """A JSON line when a stream ends. The rate is that of its transfer, without its proof."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._begun: dict[str, float] = {}
        self._there: dict[str, float] = {}
        self._bytes: dict[str, int] = {}

    def begin(self, stream: str, total_bytes: int) -> None:
        self._begun[stream] = time.monotonic()
        self._bytes[stream] = 0

    def comparing(self, stream: str) -> None:
        self._there.setdefault(stream, time.monotonic())

    def at(self, stream: str, done_bytes: int) -> None:
        self._bytes[stream] = done_bytes

    def end(self, stream: str) -> None:
        now = time.monotonic()
        begun, size = self._begun.get(stream, now), self._bytes.get(stream, 0)
        seconds, transfer_s = now - begun, self._there.get(stream, now) - begun
        rate = round(size / transfer_s / 1e6, 1) if size and transfer_s > 0 else None
        event = {"event": self._verb, "stream": stream, "bytes": size, "seconds": round(seconds, 3), "mb_per_s": rate}
        print(json.dumps(event), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        print(json.dumps({"event": "note", "text": text}), file=sys.stderr, flush=True)
