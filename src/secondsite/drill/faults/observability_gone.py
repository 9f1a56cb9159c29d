"""What observes the API stands still, then dies: the API must not notice.

A collector that hangs is worse than one that is gone, so it comes first. Its death proves no contract about the API,
as nothing of the API was hurt.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from secondsite.drill.check.served import Served, served
from secondsite.drill.faults.pods import note_pods, serves_at_home, without_decision
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.model.fault import Fault

_WATCH_S, _LOOKS = 8.0, 3
_FAILED = 0.001
_P95_MS = 200.0
_TIMES = 2.0


async def play(stage: Stage) -> None:
    collector, record = f"collector-{stage.home}", stage.lab.services.observed(stage.home)
    begin_ns = time.monotonic_ns()
    await stage.pass_time(_WATCH_S, "observed as usual")
    kinds, before = _lines(record), served(stage.history(), begin_ns, time.monotonic_ns())
    collected = ", ".join(f"{count} {kind}s" for kind, count in sorted(kinds.items()))
    stage.observe(f"before, the collector has {collected}", kinds.get("scrape", 0) > 0 and kinds.get("report", 0) > 0)
    await stage.strike()
    stage.struck(stage.lab.freeze(collector), f"{collector} stands still")
    without_decision(stage)
    await _unhurt(stage, "while it is paused", before)
    stage.lab.kill(collector)
    stage.note("collector-killed")
    stage.report(f"{collector} is killed")
    await _unhurt(stage, "while it is down", before)
    note_pods(stage)


async def _unhurt(stage: Stage, when: str, before: Served) -> None:
    """Slow is what stays slow: a machine that was busy for a moment is looked at again, an API that waits for its
    collector waits then too. A write that failed counts whenever it was.
    """
    first_ns = time.monotonic_ns()
    for left in reversed(range(_LOOKS)):
        begin_ns = time.monotonic_ns()
        await stage.pass_time(_WATCH_S, f"{when}")
        end_ns = time.monotonic_ns() - 1_000_000_000
        since, p95_ms = served(stage.history(), first_ns, end_ns), served(stage.history(), begin_ns, end_ns).p95_ms
        slow = p95_ms > max(_P95_MS, _TIMES * before.p95_ms)
        if not slow or not left:
            break
    measured = f"{when}: {since.failed:.2%} of {since.writes} writes failed, p95 {p95_ms:.0f} ms"
    stage.observe(f"{measured} (before: {before.p95_ms:.0f} ms)", since.failed <= _FAILED and not slow)


def _lines(record: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line in record.read_text(encoding="utf-8").splitlines():
        kind = json.loads(line)["kind"]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


DRILL = Drill(
    "observability-gone",
    "the collector hangs, then dies",
    Fault.PROCESS,
    play,
    serves_at_home,
    moves=False,
    subjects=(),
    pods=True,
)
