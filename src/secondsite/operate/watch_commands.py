"""The command lines of observers, watch and judge, in one place: the lab starts them, `render` ships them.

Pure: only addresses, files and times differ between a lab and a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from secondsite.model.endpoint import Endpoint
from secondsite.model.watching import WatchObserver

DEFAULT_EVERY_S, DEFAULT_CHECKS = 10.0, 3


@frozen
class JudgedBy:
    """Who observes, which regions, the one that serves first; and how long a finding has to hold."""

    regions: tuple[str, ...]
    observers: tuple[WatchObserver, ...]
    window_s: float
    quorum: int = 0
    every_s: float = DEFAULT_EVERY_S
    checks: int = DEFAULT_CHECKS


def observe_command(config: str, at: Endpoint) -> tuple[str, ...]:
    return ("watch", "observe", "--config", config, *_listens(at))


def watch_command(file: str, name: str, at: Endpoint) -> tuple[str, ...]:
    return ("watch", "--file", file, "--name", name, *_listens(at))


def judge_command(by: JudgedBy, name: str, at: Endpoint) -> tuple[str, ...]:
    """It needs no system file: all that it is told stands here."""
    return (
        *("watch", "judge"),
        *_each("--region", by.regions),
        *_each("--observer", (_named(one) for one in by.observers)),
        *("--quorum", str(by.quorum), "--window-s", f"{by.window_s:g}"),
        *("--every-s", f"{by.every_s:g}", "--checks", str(by.checks)),
        *("--name", name, *_listens(at)),
    )


def _listens(at: Endpoint) -> tuple[str, ...]:
    return ("--host", at.host, "--http", str(at.port))


def _each(option: str, values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield from (option, value)


def _named(one: WatchObserver) -> str:
    return f"{one.name}{'@' if one.region else ''}{one.region}={one.at}"
