"""One run of one drill on the example, with less patience than people have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.controls import CONTROLS, Checked, check_control
from secondsite.drill.play.setup import CHECKS, Setup, make_setup
from secondsite.drill.registry import find_drill
from secondsite.drill.run import RunResult, run_drill
from secondsite.drill.verdict.effects import EFFECTS
from secondsite.model.contract import Verdict
from secondsite.model.strategy import Strategy
from secondsite.model.units import Seconds

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
SEEN = Seconds(2.0)
"""An RPO that the load of a hurried drill reaches back to."""
LEAFNODE = "warm-standby/leafnode-mirror"
_TOO_BUSY = tuple(effect.phrase for effect in EFFECTS if effect.finding in ("late", "withheld"))


def setup_of(strategy: str = LEAFNODE, *, version: str = "", seed: int = 1) -> Setup:
    system, catalogue = load_system(EXAMPLE), load_catalogue()
    system = evolve(system, contracts=tuple(evolve(each, rpo_s=each.rpo_s and SEEN) for each in system.contracts))
    return make_setup(system, catalogue, Strategy.parse(strategy), nats_version=version, seed=seed, rate_per_s=60.0)


def hurried(setup: Setup) -> Setup:
    return evolve(setup, profile=evolve(setup.profile, steady_s=3.0))


def drilled(
    folder: Path,
    name: str,
    strategy: str = LEAFNODE,
    *,
    version: str = "",
    one_address: bool = False,
    trigger: str = CHECKS,
) -> RunResult:
    setup = evolve(hurried(setup_of(strategy, version=version)), one_address=one_address, trigger=trigger)
    return timely(lambda: asyncio.run(run_drill(find_drill(name), setup, folder, lambda _what: None)))


def timely(play: Callable[[], RunResult]) -> RunResult:
    """A run of which the judge says that the machine was too busy for reliable timing shows nothing: it is played once
    more. What was breached stays so.
    """
    result = play()
    busy = [each.why for each in result.judged if each.verdict is Verdict.UNPROVEN]
    return play() if any(phrase in why for phrase in _TOO_BUSY for why in busy) else result


def controlled(folder: Path, name: str) -> Checked:
    control = CONTROLS[name]
    setup = control.spoil(hurried(setup_of(control.strategy.id)))
    options = control.options(setup)
    result = timely(
        lambda: asyncio.run(
            run_drill(control.drill, setup, folder, lambda _what: None, control=control.id, options=options)
        )
    )
    return check_control(control, result)
