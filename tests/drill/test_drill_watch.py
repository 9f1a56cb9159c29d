"""Health checks count failures in a row; the second signal has to agree for the whole window."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from secondsite.drill.play.watching import HealthCheck, agreed, http_well, nats_speaks
from secondsite.model.endpoint import Endpoint


async def _run(answers: Iterable[bool], threshold: int) -> HealthCheck:
    rest = iter(answers)
    ended = asyncio.Event()

    async def probe() -> bool:
        found = next(rest, None)
        if found is None:
            ended.set()
            await asyncio.Event().wait()
        return bool(found)

    check = HealthCheck(probe, 0.01, threshold)
    task = asyncio.ensure_future(check.watch())
    await ended.wait()
    task.cancel()
    return check


@pytest.mark.parametrize(
    ("answers", "bad"),
    [
        ([False, False, False], True),
        ([False, False], False),
        ([False, False, True, False, False], False),
        ([False, False, False, True], False),
        ([True, False, False, False, False], True),
    ],
)
def test_so_many_failures_in_a_row_are_bad_and_one_success_ends_it(answers: list[bool], bad: bool) -> None:
    check = asyncio.run(_run(answers, 3))
    assert check.bad.is_set() is bad


def test_a_check_that_hangs_has_failed() -> None:
    async def run() -> HealthCheck:
        async def hangs() -> bool:
            await asyncio.sleep(60)
            return True

        check = HealthCheck(hangs, 0.02, 2)
        task = asyncio.ensure_future(check.watch())
        async with asyncio.timeout(20):
            await check.bad.wait()
        task.cancel()
        return check

    assert asyncio.run(run()).failures >= 2


@pytest.mark.parametrize(("alive_after", "wanted"), [(99, True), (2, False)])
def test_the_second_signal_agrees_only_for_the_whole_window(alive_after: int, wanted: bool) -> None:
    async def run() -> bool:
        asked = 0

        async def signal() -> bool:
            nonlocal asked
            asked += 1
            return asked > alive_after

        check = HealthCheck(signal, 1.0, 1)
        check.bad.set()
        return await agreed(signal, check, 0.7)

    assert asyncio.run(run()) is wanted


def test_a_check_that_passes_again_ends_the_window() -> None:
    async def run() -> bool:
        async def silent() -> bool:
            return False

        return await agreed(silent, HealthCheck(silent, 1.0, 1), 0.1)

    assert asyncio.run(run()) is False


@pytest.mark.parametrize(
    ("line", "well", "speaks"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True, False),
        (b"HTTP/1.1 503 no\r\n\r\n", False, False),
        (b"INFO {}\r\n", False, True),
    ],
)
def test_what_servers_answer(line: bytes, well: bool, speaks: bool) -> None:
    async def run() -> tuple[bool, bool]:
        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(line)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        at = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        async with server:
            return await http_well(at, "/health"), await nats_speaks(at)

    assert asyncio.run(run()) == (well, speaks)


def test_nobody_there_does_not_speak() -> None:
    assert asyncio.run(nats_speaks(Endpoint("127.0.0.1", 1))) is False
