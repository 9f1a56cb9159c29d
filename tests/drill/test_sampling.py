"""What real processes use: one that leaks is found, one that does not is not, one that died is left out."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from secondsite.drill.check.trend import Limit, judged, trend
from secondsite.drill.play.sampling import Sampler, read_samples
from secondsite.lab.supervisor import Spec, Supervisor
from secondsite.model.contract import Verdict
from secondsite.model.errors import MachineError

HELD = "import os, time; held = []; files = []\nwhile True: {}; time.sleep(0.02)"
LEAKS = HELD.format("held.append(b'x' * (1 << 19)); files.append(os.open('/dev/null', os.O_RDONLY))")
DAY_S = 86400.0


@pytest.mark.slow
def test_a_process_that_leaks_is_found_and_one_that_does_not_is_not(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    sampler = Sampler(supervisor, ("leaky", "flat", "dead"), tmp_path / "samples.jsonl")
    try:
        specs = [("leaky", LEAKS), ("flat", HELD.format("pass")), ("dead", "raise SystemExit")]
        for name, program in specs:
            asyncio.run(supervisor.start(Spec(name, (sys.executable, "-c", program))))
        end = time.monotonic() + 4
        while time.monotonic() < end:
            sampler.look()
            time.sleep(0.05)
    finally:
        supervisor.close()
    found = read_samples(sampler.path)
    verdicts = {
        name: (
            judged(trend(series.times_s, series.rss_bytes), Limit(0.1, DAY_S, 4 << 20))[0],
            judged(trend(series.times_s, series.descriptors), Limit(0.1, DAY_S, 5))[0],
        )
        for name, series in found.items()
        if name != "dead"
    }
    assert verdicts == {
        "leaky": (Verdict.BREACHED, Verdict.BREACHED),
        "flat": (Verdict.UNPROVEN, Verdict.UNPROVEN),
    }
    assert len(found["flat"].times_s) > len(found["dead"].times_s if "dead" in found else [])


def test_samples_that_cannot_be_kept_end_the_drill_with_the_remedy(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    try:
        with pytest.raises(MachineError, match="free space on that disk"):
            Sampler(supervisor, (), tmp_path / "nowhere" / "samples.jsonl").look()
    finally:
        supervisor.close()
