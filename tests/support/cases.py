"""The small inputs of tests/cases/manifests: each shows one kind of thing that people have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from secondsite.discover.manifests import Discovery, discover
from secondsite.discover.system_file.updating import plan
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import NatsCluster

CASES = Path(__file__).parents[1] / "cases" / "manifests"
READ, ASSUMED = Knowledge.READ, Knowledge.ASSUMED


def case(name: str, **options: Any) -> Discovery:
    """What is discovered in a case. That a file can be written of it is part of the answer."""
    found = discover([CASES / name], base=CASES, **options)
    plan(Path("never-written.yaml"), found.system, live=False)
    return found


def only_cluster(found: Discovery) -> NatsCluster:
    (cluster,) = found.system.nats
    return cluster


def mark_of(found: Discovery, path: str) -> Mark:
    """Of a value, or of the nearest noun around it that has one."""
    return found.system.marks[path]


def line_of(found: Discovery, path: str) -> str:
    """The line of the case that a value was read from."""
    place = mark_of(found, path).place
    assert place is not None
    return (CASES / place.file).read_text().splitlines()[place.line - 1].strip()
