"""A standby that is behind when its primary's region goes: by a slow link, or by a long transaction on the primary.

What it never got is lost and found, row by row; of a transaction that never committed nothing is there and nothing is
missed. Each has its control: the same commits over the same link, without what held them up, lose nothing.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from in_loop import in_loop
from postgres_pair import PostgresPair, postgres_pair

from secondsite.lab.postgres_files import TABLE
from secondsite.stores.postgres_rows import salvage_rows

pytestmark = pytest.mark.slow
SLOW_MS = 1500.0
RATE_BYTES_PER_S = 300_000.0
ROWS, ROW_BYTES = 4_000, 1_000
LONG = (
    f"INSERT INTO {TABLE} (id, key, data)"  # noqa: S608 - our own table
    f" SELECT 'long ' || n, 0, repeat('y', {ROW_BYTES}) FROM generate_series(1, {ROWS}) n"
)


async def lost_with_the_region(pair: PostgresPair, acknowledged: list[str], folder: Path) -> set[str]:
    """Acknowledged, and not there once the other region serves; the old primary's files give back just those."""
    await pair.lab.kill_region(pair.home)
    await pair.server(pair.away).promote()
    left = await pair.ids(pair.away)
    assert set(left) <= set(acknowledged), "what never committed is nowhere"
    lost = set(acknowledged) - set(left)
    await pair.lab.restart_region(pair.home, isolated=True)
    tables = await salvage_rows(pair.server(pair.home).place, pair.server(pair.away).place, folder)
    found = {table.name: set(table.keys) for table in tables if not table.sequence}
    assert found[f"postgres.public.{TABLE}"] == lost
    return lost


@in_loop
async def test_a_slow_link_loses_what_has_not_crossed_and_no_more(tmp_path: Path) -> None:
    async with postgres_pair() as pair:
        before, during = [f"b{n}" for n in range(5)], [f"d{n}" for n in range(20)]
        await pair.write(pair.home, *before)
        await pair.caught_up()
        await pair.lab.wan.set(pair.home, pair.away, delay_ms=SLOW_MS)
        await pair.write(pair.home, *during)
        lost = await lost_with_the_region(pair, [*before, *during], tmp_path)
    assert lost == set(during)


@in_loop
async def test_a_long_transaction_on_the_primary_fills_the_link_and_commits_behind_it_are_lost(tmp_path: Path) -> None:
    """Four megabytes of a transaction that never commits stand before them, on a link of 300 kB a second."""
    async with postgres_pair() as pair:
        before, behind = [f"b{n}" for n in range(5)], [f"d{n}" for n in range(20)]
        await pair.write(pair.home, *before)
        await pair.caught_up()
        await pair.lab.wan.set(pair.home, pair.away, rate_bytes_per_s=RATE_BYTES_PER_S)
        with suppress(psycopg.OperationalError):  # its server goes beneath it
            async with pair.writer(pair.home).open() as session:
                await session.rows("BEGIN")
                await session.rows(LONG, within_s=30.0)
                await pair.write(pair.home, *behind)
                (follower,) = (await pair.server(pair.home).look()).followers
                assert follower.behind_bytes > ROWS * ROW_BYTES / 2
                lost = await lost_with_the_region(pair, [*before, *behind], tmp_path)
    assert lost == set(behind)


@in_loop
async def test_the_same_commits_without_it_lose_nothing_over_that_link(tmp_path: Path) -> None:
    """The control: were these lost too, the loss above would be of the link, or of the count."""
    async with postgres_pair() as pair:
        await pair.caught_up()  # a standby that begins reads its segment from the start
        await pair.lab.wan.set(pair.home, pair.away, rate_bytes_per_s=RATE_BYTES_PER_S)
        names = [f"d{n}" for n in range(25)]
        await pair.write(pair.home, *names)
        await pair.caught_up()
        assert await lost_with_the_region(pair, names, tmp_path) == set()
