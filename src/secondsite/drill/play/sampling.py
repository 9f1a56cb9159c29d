"""What processes use over a long run: a line for each look, on the disk as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import field, frozen

from secondsite.drill.ledger.envelope import disk_error
from secondsite.lab.supervisor import Supervisor
from secondsite.lab.usage import Usage, usage


@frozen
class Series:
    """Of one process, in the order of time."""

    times_s: list[float] = field(factory=list)
    rss_bytes: list[int] = field(factory=list)
    descriptors: list[int] = field(factory=list)


@frozen
class Sampler:
    supervisor: Supervisor
    names: tuple[str, ...]
    path: Path

    def look(self) -> None:
        """One line; a process that does not run is not in it. Raises MachineError where the disk is full."""
        usage = {name: used for name in self.names if (used := self._used(name))}
        line = {name: [used.rss_bytes, used.descriptors] for name, used in usage.items()}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"monotonic_s": time.monotonic(), "processes": line}) + "\n")
        except OSError as error:
            raise disk_error(self.path, error) from None

    def _used(self, name: str) -> Usage | None:
        return usage(self.supervisor.pid(name)) if self.supervisor.alive(name) else None


def read_samples(path: Path) -> Mapping[str, Series]:
    return _series(path.read_text(encoding="utf-8").splitlines())


def _series(lines: Iterable[str]) -> Mapping[str, Series]:
    by_name: dict[str, Series] = {}
    for line in lines:
        sample = json.loads(line)
        for name, (rss_bytes, descriptors) in sample["processes"].items():
            series = by_name.setdefault(name, Series())
            series.times_s.append(sample["monotonic_s"])
            series.rss_bytes.append(rss_bytes)
            series.descriptors.append(descriptors)
    return by_name
