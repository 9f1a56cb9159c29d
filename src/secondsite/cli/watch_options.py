"""Options of the verbs of a watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import frozen
from cyclopts.types import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from secondsite.cli.operating_world import OperationScope
from secondsite.cli.options import SYSTEM_FILE
from secondsite.cli.stores import option
from secondsite.operate.watch_commands import DEFAULT_CHECKS, DEFAULT_EVERY_S

if TYPE_CHECKING:
    from secondsite.watch.http_server import ListenAt


@frozen
class ListenOptions:
    """Where it answers over HTTP."""

    host: Annotated[str, option("Address to listen on.")] = "127.0.0.1"
    http: Annotated[NonNegativeInt | None, option("Port to listen on; 0 lets the system choose.")] = None
    cert: Annotated[Path | None, option("Certificate (PEM); serves HTTPS.")] = None
    key: Annotated[Path | None, option("Key of the certificate (PEM).")] = None

    def at(self) -> ListenAt:
        from secondsite.watch.http_server import ListenAt

        return ListenAt(self.host, self.http or 0, self.cert, self.key)

    def url(self, port: int) -> str:
        return f"{'https' if self.cert else 'http'}://{self.host}:{port}/"


@frozen
class WatchOptions:
    """Who observes and what may be decided; each overrides `operate: watch:` of the system file."""

    name: Annotated[str, option("Name of this watch; the host name by default.")] = ""
    observer: Annotated[
        tuple[str, ...],
        option("Observer: NAME=URL, or NAME@REGION=URL if it runs inside a region; may be repeated.", negative=""),
    ] = ()
    quorum: Annotated[
        NonNegativeInt | None,
        option("Number of observers that must agree; 0 means a majority of those outside the region."),
    ] = None
    window_s: Annotated[PositiveFloat | None, option("Seconds for which they must agree.")] = None
    checks: Annotated[PositiveInt, option("Consecutive rounds before a signal counts.")] = DEFAULT_CHECKS
    every_s: Annotated[PositiveFloat, option("Seconds between rounds; must match the observers' interval.")] = (
        DEFAULT_EVERY_S
    )
    decide: Annotated[
        tuple[str, ...], option("Fault that triggers a failover without approval: region.", negative="")
    ] = ()
    block_s: Annotated[
        NonNegativeFloat | None, option("Seconds after a failover during which another one needs approval.")
    ] = None
    ready_s: Annotated[PositiveFloat, option("Seconds between two readiness checks.")] = 300.0


@frozen
class WatchScope:
    """Which system is watched, and what its plans may pass over."""

    file: Annotated[Path, option("The system, as written by `secondsite init`.")] = SYSTEM_FILE
    strategy: Annotated[str, option("Deployed strategy; by default `operate: deployed` in the file.")] = ""
    allow: Annotated[
        tuple[str, ...], option("Guard that an automatic failover may override: unfenced.", negative="")
    ] = ()

    @property
    def whole(self) -> OperationScope:
        return OperationScope(self.file, self.strategy, allow=self.allow)
