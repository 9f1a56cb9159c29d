"""Clocks that are off, of programs that know nothing of it: looked at in a process that was started so."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from secondsite.lab.clocks import ClockFile, ClockSkew, LabClocks
from secondsite.lab.skewed import true_end

HOUR_S, APART_S = 3600.0, 30.0
LOOKS = """
import json, sys, time
from pathlib import Path
boot, mono, wall = time.CLOCK_BOOTTIME, time.monotonic, time.time
true = time.clock_gettime
from secondsite.lab.skewed import skewed
skewed(Path(sys.argv[1]))
from secondsite.operate.kernel_timer import now_s
for line in sys.stdin:
    pairs = [(wall(), time.time()), (mono(), time.monotonic()), (true(boot), now_s())]
    print(json.dumps([seen - was for was, seen in pairs]), flush=True)
"""


def test_a_clock_that_is_set_while_a_program_runs(tmp_path: Path) -> None:
    """Time of day jumps; the clocks of a lease begin apart and run fast, and never jump."""
    file = ClockFile(tmp_path / "clocks" / "gate.clock")
    file.begin(ClockSkew(ahead_s=APART_S))
    command = [sys.executable, "-c", LOOKS, str(file.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def look() -> list[float]:
            print(file=process.stdin, flush=True)
            seen: list[float] = json.loads(process.stdout.readline())  # type: ignore[union-attr] # asserted above
            return seen

        assert look() == pytest.approx([0.0, APART_S, APART_S], abs=0.05)
        file.step(-HOUR_S)
        assert look() == pytest.approx([-HOUR_S, APART_S, APART_S], abs=0.05)
        file.step(0.0)
        began_s = time.monotonic()
        file.drift(1.0)
        while time.monotonic() < began_s + 0.3:
            time.sleep(0.01)
        wall, monotonic, boot = look()
        assert wall == pytest.approx(0.0, abs=0.05)
        assert monotonic >= APART_S + 0.3
        assert boot >= APART_S + 0.3
        file.drift(0.0)
        gained = look()[1]
        assert gained >= monotonic
        assert look()[1] == pytest.approx(gained, abs=0.02), "it keeps what it gained, and gains no more"
        process.stdin.close()


@pytest.mark.parametrize(("faster", "lasts_s"), [(0.0, 10.0), (0.25, 8.0), (-0.5, 20.0)])
def test_a_timer_ends_when_the_clock_that_set_it_says_so(faster: float, lasts_s: float) -> None:
    assert true_end(at_s=110.0, now_s=100.0, true_s=7.0, faster=faster) == 7.0 + lasts_s


def test_programs_of_ours_have_one_and_no_others(tmp_path: Path) -> None:
    clocks = LabClocks(tmp_path, ("east", "west"))
    server = ("/usr/bin/nats-server", "-c", "x")
    assert clocks.on("n0", "east", server) == server
    gate = (sys.executable, "-m", "secondsite", "gate", "--nats", "x")
    began = clocks.on("gate-west", "west", gate)
    assert began == (sys.executable, "-m", "secondsite.lab.skewed", str(tmp_path / "gate-west.clock"), *gate[3:])
    assert clocks.of("gate-west").read() == ClockSkew(ahead_s=APART_S)
    clocks.of("gate-west").step(5.0)
    assert clocks.on("gate-west", "west", gate) == began
    assert clocks.of("gate-west").read().wall_s == 5.0, "one that is started again goes on by its clock"
