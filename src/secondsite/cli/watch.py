"""``secondsite watch``: notices that a region is lost, and fails over, or asks; and the observers it listens to."""

from __future__ import annotations

import asyncio
import json as json_
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from cyclopts.types import NonNegativeFloat, PositiveFloat

from secondsite.cli.operating_world import OperationPlaces, Placed
from secondsite.cli.stores import Json, option, print_json
from secondsite.cli.watch_options import ListenOptions, WatchOptions, WatchScope
from secondsite.model.errors import EXIT_HOLDS, EXIT_INTERRUPTED, InputError

if TYPE_CHECKING:
    pass

TOKEN, PAGE_TOKEN = "SECONDSITE_WATCH_TOKEN", "SECONDSITE_WATCH_PAGE_TOKEN"  # where they are read
WHERE = OperationPlaces()
app = App(
    name="watch", help="Detect the loss of a region by a quorum of observers, then fail over or ask for approval."
)


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
def judge(
    *,
    region: Annotated[tuple[str, ...], option("Region to judge, the one that serves first; repeat it.", negative="")],
    rules: Ruled = RULES,
    listen: Listen = LISTEN,
) -> int:
    """Listen to the observers and show what their quorum finds, and start nothing: no plan, right or login is needed.

    For a watch that is tried before it may act, and the trigger of drills (`drill --trigger watch`).
    """
    from secondsite.cli.watch_parts import policy_of, rules_of
    from secondsite.watch.answering import Answering
    from secondsite.watch.http_server import HttpServer
    from secondsite.watch.no_operations import judging_watch

    policy = policy_of(None, rules)
    addresses = {one.name: one.at for one in policy.observers}
    agreed = rules_of(policy, rules, region)
    running = judging_watch(rules.name or socket.gethostname(), region[0], agreed, addresses, _token(), _say)

    async def keep() -> None:
        answering = Answering(running, asyncio.get_running_loop(), {})
        with HttpServer(listen.at(), answering) as server:
            _say(f"judges {region[0]}, and starts nothing; page on {listen.url(server.port)}")
            await running.keep()

    return _until_ended(keep())


@app.command
def observe(
    *,
    config: Annotated[Path, option("Configuration of the observer; see docs/watch.md.")],
    listen: Listen = LISTEN,
) -> int:
    """Probe every path into each region, and report to watches that hold the token."""
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
    name: Annotated[str, option("Name of the observer in `operate: watch: observers`.")],
    scope: Scoped = SCOPE,
    every_s: Annotated[PositiveFloat, option("Seconds between two rounds.")] = 10.0,
) -> int:
    """Print an observer configuration from the system file, to complete and pass to `watch observe`."""
    from secondsite.cli.operating_world import ProcedureDirection, procedure_of
    from secondsite.cli.watch_parts import check_observer
    from secondsite.operate.observer_config import observer_config, observer_text

    deployment, _ = procedure_of(ProcedureDirection.OVER, scope.whole)
    check_observer(deployment.system, name)
    print(observer_text(observer_config(deployment, name, every_s)), end="")
    return EXIT_HOLDS


@app.command
def status(
    *, at: Annotated[str, option("URL of the watch, such as http://127.0.0.1:8088.")], json: Json = False
) -> int:
    """Show what a watch sees, which approvals it waits for, and whether a failover could run."""
    from secondsite.cli.watch_parts import asked
    from secondsite.publish.terminal.watch import status_text

    plain = json_.loads(asked(at, "/status"))
    print_json(plain) if json else print(status_text(plain))
    return EXIT_HOLDS


@app.command
def approve(
    *,
    at: Annotated[str, option("URL of the watch.")],
    key: Annotated[Path, option("Your ed25519 secret key; its public key must be listed in approvers.")],
    plan: Annotated[str, option("Hash of the plan that you reviewed.")],
    ask: Annotated[str, option("ID of the approval request, as the watch shows it.")],
    allow: Annotated[tuple[str, ...], option("ID of a guard to override; may be repeated.", negative="")] = (),
) -> int:
    """Approve a request of a watch: sign the hash of the plan that may run."""
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
    at: Annotated[str, option("URL of the watch.")],
    minutes: Annotated[NonNegativeFloat, option("Minutes of maintenance; 0 ends it.")],
) -> int:
    """Announce maintenance of the home region; until it ends, the watch asks for approval and never acts alone.

    The token of the page comes from SECONDSITE_WATCH_PAGE_TOKEN.
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
