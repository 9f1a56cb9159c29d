"""What ``--workers dask://`` saves: 16 systems, and one large one, here and on two workers of a real cluster.

Wall time, as workers are processes of their own; both sides have the same two cores. Figures have to be the same. Exit
code 1 where a cluster is no faster on 16 systems, or where figures differ.

    python benchmarks/spread.py [SERVICES]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from attrs import evolve
from distributed import LocalCluster
from scale import EXAMPLE, enlarged

from secondsite.audit.registry import audit
from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.workers import distributed_over
from secondsite.discover.system_file.reading import load_system
from secondsite.evaluate.compare import compare, evaluate_many
from secondsite.evaluate.evaluation import Evaluation
from secondsite.evaluate.parallel import ParallelMap, here
from secondsite.evaluate.recorded import record
from secondsite.model.system import System

SYSTEMS, SERVICES = 16, 1000


def timed(systems: Sequence[System], parallel_map: ParallelMap) -> tuple[tuple[Evaluation, ...], float]:
    begin = time.monotonic()
    if len(systems) > 1:
        found = evaluate_many(systems, load_catalogue(), audit, parallel_map=parallel_map)
    else:
        found = (compare(systems[0], load_catalogue(), audit, parallel_map=parallel_map),)
    return found, time.monotonic() - begin


def main(services: int) -> int:
    example = load_system(EXAMPLE)
    many = [evolve(example, name=f"s{i}", load=evolve(example.load, mean_per_s=40.0 + i)) for i in range(SYSTEMS)]
    good = True
    start = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**start) as cluster:  # type: ignore[no-untyped-call] # theirs
        address = cluster.scheduler_address.replace("tcp://", "dask://")
        with distributed_over(address) as parallel_map:
            for systems in (many, [enlarged(example, services)]):
                name = f"{SYSTEMS} systems" if len(systems) > 1 else f"one system, {services:,} services"
                there, there_s = timed(systems, parallel_map)
                ours, ours_s = timed(systems, here)
                same = [record(one) for one in there] == [record(one) for one in ours]
                print(f"{name}: here {ours_s:.1f} s, two workers {there_s:.1f} s, the same figures: {same}", flush=True)
                good = good and same and (len(systems) == 1 or there_s < ours_s)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SERVICES))
