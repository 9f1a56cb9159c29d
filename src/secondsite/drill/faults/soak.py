"""A steady load for a long time: what grows, and whether the API stays as quick and as sound as promised.

The promise is that of the example's soak test, about 24 hours: p95 below 200 ms, errors below 0.1 %, memory growth
below 10 %. A shorter run says what it can; see `secondsite.drill.check.trend`.
"""

from __future__ import annotations

import asyncio
import itertools
import time

import numpy as np

from secondsite.drill.check.served import served
from secondsite.drill.check.trend import STRETCHES, WARM_UP, Limit, Trend, judged, trend
from secondsite.drill.faults.pods import kubelet, nobody_decides, note_pods, serves_at_home
from secondsite.drill.ledger.history import History
from secondsite.drill.play.sampling import Sampler, Series, read_samples
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.lab.kubelet import Happened
from secondsite.lab.world import Moment
from secondsite.model.contract import Verdict
from secondsite.model.fault import Fault

HORIZON_S = 86400.0
P95_MS = 200.0
FAILED = 0.001
SAMPLES = "samples.jsonl"
_MEMORY = Limit(0.1, HORIZON_S, float(4 << 20))
_DESCRIPTORS = Limit(0.1, HORIZON_S, 5.0)
_MOST_SAMPLES = 2000
_MIB = 1 << 20
_SECOND_NS = 1_000_000_000


async def play(stage: Stage) -> None:
    lasts_s = stage.setup.profile.soak_s
    names = [pod.name for pod in stage.lab.pods(stage.home)]
    names += [server.name for server in stage.lab.servers(stage.home)]
    sampler = Sampler(stage.lab.supervisor, tuple(names), stage.writer.folder / SAMPLES)
    stage.struck(Moment.now(), "none: a steady load")
    nobody_decides(stage)
    begin_ns = time.monotonic_ns()
    await _sample(stage, sampler, lasts_s)
    died = [event.pod for event in kubelet(stage).events if event.what is Happened.DIED]
    stage.observe(f"processes that died: {', '.join(died) or 'none'}", not died)
    note_pods(stage)
    for name, series in read_samples(sampler.path).items():
        _judge_process(stage, name, series)
    _judge_service(stage, stage.history(), begin_ns, lasts_s)


async def _sample(stage: Stage, sampler: Sampler, lasts_s: float) -> None:
    begin, every_s, tenth = time.monotonic(), min(max(0.5, lasts_s / _MOST_SAMPLES), 60.0), 0
    while (passed_s := time.monotonic() - begin) < lasts_s:
        sampler.look()
        stage.load.check()
        kubelet(stage).check()
        if int(10 * passed_s / lasts_s) > tenth:
            tenth = int(10 * passed_s / lasts_s)
            stage.report(f"{tenth * 10} % of {lasts_s:g} s")
        await asyncio.sleep(every_s)


def _judge_process(stage: Stage, name: str, series: Series) -> None:
    memory, descriptors = trend(series.times_s, series.rss_bytes), trend(series.times_s, series.descriptors)
    _say(stage, f"{name}, memory", memory, "MiB", _MIB, judged(memory, _MEMORY))
    _say(stage, f"{name}, open descriptors", descriptors, "", 1, judged(descriptors, _DESCRIPTORS))


def _say(stage: Stage, what: str, trend: Trend | None, unit: str, size: int, judgement: tuple[Verdict, str]) -> None:
    verdict, why = judgement
    text = what
    if trend:
        per_hour = 3600 / size
        text += f" {trend.level / size:.0f} {unit}".rstrip()
        text += f", {trend.low * per_hour:+.2f} to {trend.high * per_hour:+.2f} {unit}".rstrip() + " an hour"
    holds = {Verdict.MET: True, Verdict.BREACHED: False}.get(verdict)
    stage.observe(f"{text}{': ' if why else ''}{why}", holds, unproven=verdict is Verdict.UNPROVEN)


def _judge_service(stage: Stage, history: History, begin_ns: int, lasts_s: float) -> None:
    """Writes of the last two seconds may still be under way."""
    end_ns = begin_ns + round((lasts_s - 2.0) * _SECOND_NS)
    service = served(history, begin_ns + round(WARM_UP * lasts_s * _SECOND_NS), end_ns)
    stage.observe(
        f"{service.failed:.3%} of {service.writes:,} writes failed (limit {FAILED:.1%})", service.failed < FAILED
    )
    stage.observe(f"p95 {service.p95_ms:.1f} ms (limit {P95_MS:g} ms)", service.p95_ms < P95_MS)
    edges = np.linspace(begin_ns, end_ns, 4 * STRETCHES + 1).astype(np.int64)
    p95s_ms = [served(history, int(a), int(b)).p95_ms for a, b in itertools.pairwise(edges)]
    slope = trend(((edges[:-1] - begin_ns) / _SECOND_NS).tolist(), p95s_ms)
    if slope:
        limit = Limit(P95_MS / slope.level - 1, HORIZON_S, P95_MS - slope.level)
        _say(stage, "p95 within 24 h, from", slope, "ms", 1, judged(slope, limit))


DRILL = Drill(
    "soak",
    "a steady load for a long time (--duration)",
    Fault.PROCESS,
    play,
    serves_at_home,
    moves=False,
    subjects=(),
    pods=True,
    lasts=lambda profile: profile.soak_s,
)
