"""kill -9 at random moments of shipping, compacting and restoring. SECONDSITE_KILLS=100 for as many of each."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import killable
import pytest
from moments import bring_back, ship
from nats_world import connect, eventually, publish, run
from stream_kinds import facts

from secondsite.archive.chain import Chain
from secondsite.archive.check import verify_archive
from secondsite.backup.codec import Keys
from secondsite.objects.store import ObjectStorage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
KILLS = int(os.environ.get("SECONDSITE_KILLS", "6"))
SEED = int(os.environ.get("SECONDSITE_SEED", "7"))


def _begun(work: Callable[[str, str], None], url: str, address: str) -> ForkServerProcess:
    """Forked from a process that has imported everything, so that the work begins at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killable"])
    process = context.Process(target=work, args=(url, address), daemon=True)
    process.start()
    return process


def _killed(work: Callable[[str, str], None], url: str, address: str, after_s: float) -> None:
    process = _begun(work, url, address)
    time.sleep(after_s)
    assert process.is_alive(), "it ended by itself"
    process.kill()
    process.join()


def test_nothing_that_was_sealed_is_lost(
    start: Any, store: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    source, target, chance = start("source"), start("target"), random.Random(SEED)

    async def orders() -> None:
        client = await connect(source.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])

    async def more() -> None:
        client = await connect(source.url)
        await publish(client, "ORDERS", 60, 300)
        last = (await client.jetstream().stream_info("ORDERS")).state.last_seq
        await client.jetstream().delete_msg("ORDERS", last - chance.randrange(50))

    async def through() -> int:
        checked = await verify_archive(await Chain(store).read(), Keys())
        assert checked.problems == ()
        return checked.messages

    run(orders())
    sealed = 0
    for _ in range(KILLS):
        run(more())
        _killed(killable.ship_on_and_on, source.url, store.shown, chance.uniform(0.02, 0.5))
        _killed(killable.compact_on_and_on, "", store.shown, chance.uniform(0.02, 0.5)) if sealed else None
        now_sealed = run(through())
        assert now_sealed >= sealed
        sealed = now_sealed

    async def told(url: str) -> dict[str, Any]:
        """Without consumers: those that killed archivers read by go by themselves, a little later."""
        return {**await facts(await connect(url), "ORDERS"), "consumers": {}}

    async def last() -> dict[str, Any]:
        async def all_of_it() -> bool:
            return not (await ship(source.place, store)).missing  # a busy machine may be too slow to read it

        await eventually(all_of_it, "everything is shipped")
        return await told(source.url)

    expected = run(last())

    async def nothing_looks_whole_that_is_not() -> None:
        """What listens to clients is all of it, and goes, so that the next kill meets a restore again."""
        client = await connect(target.url)
        for info in await client.jetstream().streams_info():
            if info.config.subjects == ["orders.>"]:
                assert await told(target.url) == expected
                await client.jetstream().delete_stream("ORDERS")

    for _ in range(KILLS):
        _killed(killable.restore_on_and_on, target.url, store.shown, chance.uniform(0.02, 0.6))
        run(nothing_looks_whole_that_is_not())

    async def restored() -> None:
        outcomes = await bring_back(target.place, store)
        assert {name: item.why_not for name, item in outcomes.items()} == {"ORDERS": ""}
        assert await told(target.url) == expected

    run(restored())


def test_a_full_disk_seals_nothing(start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and what was sealed before is whole; with room again everything is shipped."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    source, target = start("source"), start("target")

    async def more(count: int) -> None:
        client = await connect(source.url)
        if count == 3:
            await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await publish(client, "ORDERS", count, 500)

    async def checked() -> int:
        result = await verify_archive(await Chain(store).read(), Keys())
        assert result.problems == ()
        return result.messages

    run(more(3))
    run(ship(source.place, store))
    run(more(40))
    process = _begun(killable.ship_without_room, source.url, store.shown)
    process.join()
    assert process.exitcode == 3
    assert run(checked()) == 3

    async def again() -> None:
        assert (await ship(source.place, store)).messages == 40
        assert (await bring_back(target.place, store))["ORDERS"].proof.verdict == "equal"

    run(again())
