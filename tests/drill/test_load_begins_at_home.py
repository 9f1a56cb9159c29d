"""The load begins once the service's name leads to the region that serves."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from secondsite.dns.lookup import Resolved
from secondsite.drill.play import stage as of_stage
from secondsite.drill.play.stage import Stage
from secondsite.model.errors import MachineError
from secondsite.model.units import Seconds

HOME, AWAY = "127.1.0.80", "127.2.0.80"


def waited(monkeypatch: pytest.MonkeyPatch, answers: list[str | None], serving: int = 1) -> int:
    """How often the resolver was asked; None: it does not answer."""
    asked = iter(answers)

    async def look_up(*_: object) -> Resolved:
        answer = next(asked)
        if answer is None:
            raise MachineError.at("resolver", "does not answer", "look again")
        return Resolved((answer,), Seconds(2))

    monkeypatch.setattr(of_stage, "look_up", look_up)
    monkeypatch.setattr(of_stage, "_LOOK_S", 0.0)
    monkeypatch.setattr(of_stage, "_HOME_WITHIN_S", 5.0)
    lab = SimpleNamespace(resolver="", host="", address=lambda _: HOME)
    deployment = SimpleNamespace(serving=("site",) * serving)
    scene: Any = SimpleNamespace(setup=SimpleNamespace(deployment=deployment), lab=lab, home="home")
    asyncio.run(Stage.leads_home(scene))
    return len(answers) - len(list(asked))


def test_it_waits_until_the_name_leads_home(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited(monkeypatch, [AWAY, None, AWAY, HOME, HOME]) == 4


def test_where_several_regions_serve_any_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited(monkeypatch, [AWAY], serving=2) == 0
