"""A zone takes its API pods with it, and not only a nats-server."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.faults import zone_loss


class _Scene:
    """What the drill asks of its stage; ``killed`` is all that died with the zone."""

    def __init__(self, pods: int, zones: int) -> None:
        self.home = "east"
        self.killed: tuple[str, ...] = ()
        self.milestones: dict[Milestone, int] = {}
        self.lab = self
        self.setup = SimpleNamespace(
            deployment=SimpleNamespace(primary=SimpleNamespace(region=SimpleNamespace(zones=zones)))
        )
        self._pods = [SimpleNamespace(name=f"api-{number}") for number in range(pods)]

    def pods(self, _region: str) -> list[SimpleNamespace]:
        return self._pods

    def kill(self, *names: str) -> int:
        self.killed = names
        return 0

    def struck(self, _moment: int, _what: str) -> None:
        self.milestones[Milestone.FAULT] = 0

    def reach(self, milestone: Milestone, at_ns: int) -> None:
        self.milestones[milestone] = at_ns

    def note(self, _event: str, **_data: Any) -> None: ...

    async def nothing(self, *_: Any) -> None: ...

    strike = end_kubelet = pass_time = restart = settled = nothing


@pytest.mark.parametrize(("pods", "zones", "lost"), [(3, 3, 1), (4, 3, 2), (2, 1, 2), (5, 2, 3)])
def test_the_zones_share_of_the_pods_dies_with_its_server(
    pods: int, zones: int, lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leader(_stage: Any) -> str:
        return "nats-1"

    monkeypatch.setattr(zone_loss, "leading", leader)
    scene: Any = _Scene(pods, zones)
    asyncio.run(zone_loss.play(scene))
    assert scene.killed == ("nats-1", *(f"api-{number}" for number in range(lost)))
