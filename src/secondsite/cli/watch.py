"""``secondsite watch``: notices that a region is lost, and fails over, or asks; and the observers it listens to."""

from __future__ import annotations

import asyncio
import json as json_
import os
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from attrs import frozen
from cyclopts import App, Parameter
from cyclopts.types import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from secondsite.cli.operating_world import OperationPlaces, OperationScope, Placed
from secondsite.cli.options import SYSTEM_FILE
from secondsite.cli.stores import Flag, option, print_json
from secondsite.model.errors import EXIT_HOLDS, EXIT_INTERRUPTED, InputError

if TYPE_CHECKING:
    from secondsite.watch.http_server import ListenAt

TOKEN, PAGE_TOKEN = "SECONDSITE_WATCH_TOKEN", "SECONDSITE_WATCH_PAGE_TOKEN"  # where they are read
WHERE = OperationPlaces()
app = App(name="watch", help="Notice that a region is lost, and fail over or ask; by a quorum of observers.")


@frozen
class ListenOptions:
    """Where it answers over HTTP."""

    host: Annotated[str, option("Address to listen on.")] = "127.0.0.1"
    http: Annotated[NonNegativeInt | None, option("Port to listen on; 0 lets the system choose.")] = None
    cert: Annotated[Path | None, option("Certificate (PEM); then it speaks https.")] = None
    key: Annotated[Path | None, option("Key of the certificate (PEM).")] = None

    def at(self) -> ListenAt:
        from secondsite.watch.http_server import ListenAt

        return ListenAt(self.host, self.http or 0, self.cert, self.key)

    def url(self, port: int) -> str:
        return f"{'https' if self.cert else 'http'}://{self.host}:{port}/"


@frozen
class WatchOptions:
    """Who observes and what may be decided; each overrides `operate: watch:` of the system file."""

    name: Annotated[str, option("Name of this watch; by default the machine's.")] = ""
    observer: Annotated[
        tuple[str, ...], option("NAME=URL, or NAME@REGION=URL for one inside a region; for each.", negative="")
    ] = ()
    quorum: Annotated[
        NonNegativeInt | None,
        option("How many observers agree; 0: more than half of those outside of the region."),
    ] = None
    window_s: Annotated[PositiveFloat | None, option("For how long they have to agree, in seconds.")] = None
    checks: Annotated[PositiveInt, option("Rounds in a row before a signal counts.")] = 3
    every_s: Annotated[PositiveFloat, option("Seconds between rounds; as the observers have it.")] = 10.0
    decide: Annotated[tuple[str, ...], option("Fault that is failed over without a person: region.", negative="")] = ()
    block_s: Annotated[NonNegativeFloat | None, option("A second failover within so many seconds needs a person.")] = (
        None
    )
    ready_s: Annotated[PositiveFloat, option("Seconds between two looks at whether a failover could run.")] = 300.0


@frozen
class WatchScope:
    """Which system is watched, and what its plans may pass over."""

    file: Annotated[Path, option("The system, as written by `secondsite init`.")] = SYSTEM_FILE
    strategy: Annotated[str, option("The strategy that is deployed; else `operate: deployed`.")] = ""
    allow: Annotated[
        tuple[str, ...], option("A guard that an automatic failover passes over: unfenced.", negative="")
    ] = ()

    @property
    def whole(self) -> OperationScope:
        return OperationScope(self.file, self.strategy, allow=self.allow)


LISTEN, RULES, SCOPE = ListenOptions(), WatchOptions(), WatchScope()
Scoped = Annotated[WatchScope, Parameter(name="*")]
Listen = Annotated[ListenOptions, Parameter(name="*")]
Ruled = Annotated[WatchOptions, Parameter(name="*")]


@app.default
def watch(*, scope: Scoped = SCOPE, where: Placed = WHERE, rules: Ruled = RULES, listen: Listen = LISTEN) -> int:
    """Listen to the observers, decide by their quorum, and fail over, or ask a person, until it is ended.

    The token that it shares with the observers comes from SECONDSITE_WATCH_TOKEN, that of the page's own form from
    SECONDSITE_WATCH_PAGE_TOKEN.
    """
    from secondsite.cli.watch_parts import watch_parts
    from secondsite.watch.answering import Answering
    from secondsite.watch.http_server import HttpServer

    parts = watch_parts(scope.whole, where, rules, _token(), _say)
    running = parts.running

    async def keep() -> None:
        if listen.http is None:
            await running.keep()
            return
        answering = Answering(running, asyncio.get_running_loop(), parts.approvers, os.environ.get(PAGE_TOKEN, ""))
        with HttpServer(listen.at(), answering) as server:
            _say(f"page on {listen.url(server.port)}")
            await running.keep()

    return _until_ended(keep())


@app.command
def observe(
    *,
    config: Annotated[Path, option("What to look at, as docs/watch.md shows it.")],
    listen: Listen = LISTEN,
) -> int:
    """Look along every way into each region, and tell the watches that hold the token."""
    from secondsite.operate.observer_config import read_observer
    from secondsite.watch.http_server import HttpServer
    from secondsite.watch.observer import Observer
    from secondsite.watch.probes import looks

    looked_at = read_observer(config)
    observer = Observer(looked_at, looks(looked_at), _token(), _say)

    async def keep() -> None:
        with HttpServer(listen.at(), observer.answering) as server:
            _say(f"observer {looked_at.name} on {listen.url(server.port)}")
            await observer.keep()

    return _until_ended(keep())


@app.command
def describe(
    *,
    name: Annotated[str, option("Name of the observer, as `operate: watch: observers` has it.")],
    scope: Scoped = SCOPE,
    every_s: Annotated[PositiveFloat, option("Seconds between two rounds.")] = 10.0,
) -> int:
    """Print what an observer would look at, from the system file: complete it, and give it to `watch observe`."""
    from secondsite.cli.operating_world import ProcedureDirection, procedure_of
    from secondsite.operate.observer_config import observer_config, observer_text

    deployment, _ = procedure_of(ProcedureDirection.OVER, scope.whole)
    print(observer_text(observer_config(deployment, name, every_s)), end="")
    return EXIT_HOLDS


@app.command
def status(*, at: Annotated[str, option("Where the watch answers: http://127.0.0.1:8088.")], json: Flag = False) -> int:
    """What a watch sees now, what it asks, and whether a failover could run."""
    from secondsite.cli.watch_parts import asked
    from secondsite.publish.terminal.watch import status_text

    plain = json_.loads(asked(at, "/status"))
    print_json(plain) if json else print(status_text(plain))
    return EXIT_HOLDS


@app.command
def approve(
    *,
    at: Annotated[str, option("Where the watch answers.")],
    key: Annotated[Path, option("Your ed25519 secret key; its public key is among the approvers.")],
    plan: Annotated[str, option("Hash of the plan that you looked at.")],
    ask: Annotated[str, option("The question's id, as the watch shows it.")],
    allow: Annotated[tuple[str, ...], option("A guard of the plan that you lift, by its id.", negative="")] = (),
) -> int:
    """Answer what a watch asks: sign that this very plan may run."""
    from secondsite.backup.signing import read_signing_key
    from secondsite.cli.operating_options import check_allowed
    from secondsite.cli.watch_parts import asked
    from secondsite.watch.approvals import Approval, signed

    check_allowed(allow)
    print(
        asked(at, "/approve", signed(Approval(ask, plan, tuple(sorted(allow))), read_signing_key(key))).decode().strip()
    )
    return EXIT_HOLDS


@app.command
def maintain(
    *,
    at: Annotated[str, option("Where the watch answers.")],
    minutes: Annotated[NonNegativeFloat, option("For how long; 0 ends it.")],
) -> int:
    """Announce work on the home region: until it is over, the watch asks where it would have acted.

    The page's token comes from SECONDSITE_WATCH_PAGE_TOKEN.
    """
    from urllib.parse import urlencode

    from secondsite.cli.watch_parts import asked

    form = urlencode({"token": os.environ.get(PAGE_TOKEN, ""), "seconds": minutes * 60})
    print(asked(at, "/maintenance", form.encode()).decode().strip())
    return EXIT_HOLDS


def _token() -> str:
    from secondsite.watch.shared_token import LEAST_LENGTH

    token = os.environ.get(TOKEN, "")
    if len(token) < LEAST_LENGTH:
        what = f"{TOKEN} has {len(token)} characters" if token else f"{TOKEN} is not set"
        raise InputError.at(TOKEN, what, f"make one of at least {LEAST_LENGTH}: openssl rand -hex 32")
    return token


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _until_ended(work: Coroutine[Any, Any, None]) -> int:
    """Until SIGTERM, which ends it well, or an interrupt."""

    async def keep() -> None:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise

    try:
        asyncio.run(keep())
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_HOLDS
