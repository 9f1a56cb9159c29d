"""The executor's commands that the published runbook prints, typed as they stand there, on two real servers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from printed_runbook import carried_out, printed, serves, shop, type_line, write_url
from region_pair import AWAY, HOME, Pair, door

pytestmark = pytest.mark.slow
__all__ = ["shop", "write_url"]
"""Fixtures."""


@pytest.fixture
def own_pair(tmp_path: Path) -> Iterator[Pair]:
    found = Pair(tmp_path / "servers", denied=("events.>", "agentese.>", "kgent.>"))
    found.folder.mkdir()
    try:
        for region in (HOME, AWAY):
            found.start(region)
        yield found
    finally:
        for region in (HOME, AWAY):
            found.kill(region)


def test_there_back_and_there_again_by_the_printed_commands(
    own_pair: Pair, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each time with what was acknowledged before; and in the end there is nothing to resume or abort."""
    asyncio.run(_write(own_pair, HOME, "first"))
    own_pair.kill(HOME)
    carried_out("failover", monkeypatch, capsys)
    *_, status, abort = printed("failover")
    assert type_line(status) == 0
    assert re.search(r"operation failover-[0-9a-f]{8}, begun \S+ \S+ UTC by ann on ", capsys.readouterr().out)
    assert type_line(abort) in (1, 2)
    asyncio.run(serves(own_pair, AWAY))
    asyncio.run(_write(own_pair, AWAY, "second"))
    own_pair.start(HOME)
    carried_out("failback", monkeypatch, capsys)
    asyncio.run(serves(own_pair, HOME))
    asyncio.run(_write(own_pair, HOME, "third"))
    own_pair.kill(HOME)
    carried_out("failover", monkeypatch, capsys)
    asyncio.run(serves(own_pair, AWAY))
    kept = asyncio.run(_kept(own_pair, AWAY))
    assert kept == [f"{name} {subject}" for name in ("first", "second", "third") for subject in SUBJECTS]
    assert len(list((shop / ".secondsite" / "operations").glob("failover-*.jsonl"))) == 1


SUBJECTS = ("events.a", "events.b")


async def _write(pair: Pair, region: str, told: str) -> None:
    """Acknowledged, and in both regions where both are there."""
    async with door(pair, region) as streams:
        for subject in SUBJECTS:
            answer = await streams.publish(subject, told.encode(), {"Nats-Msg-Id": f"{told} {subject}"})
            assert not answer.code, answer
        wanted = answer.sequence
    if region == HOME:
        async with door(pair, AWAY) as streams:
            for _ in range(200):
                look = await streams.stream("EVENTS")
                if look is not None and look.last_seq >= wanted:
                    break
                await asyncio.sleep(0.05)


async def _kept(pair: Pair, region: str) -> list[str]:
    async with door(pair, region) as streams:
        found = [message async for message in streams.many("EVENTS", 1, 1000)]
    return [message.headers["Nats-Msg-Id"] for message in found if message.subject in SUBJECTS]
