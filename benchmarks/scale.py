"""How an evaluation grows with the system: services and streams (four consumers each), at a size and at twice the size.

The whole of it, as the verb does it: the deployment of every strategy, the audit of each, simulated years, the study.
Goals: 5,000 of each in 30 s and 1 GiB on two idle cores, and twice the size in at most 2.2 times the time. Each size
runs in a process of its own, so that its memory is its own; times are CPU seconds of that process. Exit code 1 when a
goal is missed.

    python benchmarks/scale.py [SIZE]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from attrs import evolve

from secondsite.audit.registry import audit
from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.evaluate.compare import compare
from secondsite.model.nats import Consumer, Stream
from secondsite.model.system import System

EXAMPLE = Path(__file__).parent.parent / "examples" / "kgents" / "secondsite.yaml"
SIZE, CONSUMERS = 5000, 4
GOAL_S, GOAL_MB, GOAL_RATIO = 30.0, 1024.0, 2.2


def enlarged(system: System, size: int) -> System:
    """The example with so many services more, and so many streams more."""
    api = next(service for service in system.services if service.name == "kgent-api")
    services = (evolve(api, name=f"service-{i}", depends_on=("nats",), ack_buffer=None) for i in range(size))
    first, *rest = system.nats
    streams = (
        Stream(f"S{i}", (f"s{i}.>",), replicas=3, consumers=tuple(Consumer(f"c{i}-{n}") for n in range(CONSUMERS)))
        for i in range(size)
    )
    nats = (evolve(first, streams=(*first.streams, *streams)), *rest)
    return evolve(system, services=(*system.services, *services), nats=nats)


def one(size: int) -> dict[str, float]:
    system, catalogue = enlarged(load_system(EXAMPLE), size), load_catalogue()
    begin, cpu = time.monotonic(), time.process_time()
    compare(system, catalogue, audit)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"size": size, "wall_s": time.monotonic() - begin, "cpu_s": time.process_time() - cpu, "mb": used}


def main(size: int) -> int:
    found = []
    for each in (size // 2, size):
        text = subprocess.run(
            [sys.executable, __file__, "--one", str(each)], capture_output=True, text=True, check=True
        )
        found.append(json.loads(text.stdout))
        print("{size:,.0f} services and streams: {wall_s:.1f} s, {cpu_s:.1f} s of CPU, {mb:.0f} MB".format(**found[-1]))
    half, whole = found
    ratio = whole["cpu_s"] / half["cpu_s"]
    print(f"twice the size: {ratio:.2f} times the time (goal: {GOAL_RATIO:g})")
    return int(ratio > GOAL_RATIO or whole["cpu_s"] > GOAL_S or whole["mb"] > GOAL_MB)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(int(sys.argv[2]))))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE))
