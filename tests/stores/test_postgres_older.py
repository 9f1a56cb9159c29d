"""The door and the lab on a major version that systems run still, where a package of the distribution has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_loop import in_loop
from postgres_conformance import (
    copies_anew_what_cannot_be_rewound,
    fences_whoever_lifts_what_a_session_can,
    has_one_identity_and_a_timeline_a_promotion,
    saves_what_only_the_old_primary_committed_and_rewinds_it,
)
from postgres_pair import STORE, postgres_pair

from secondsite.model.store import RunningStore
from secondsite.stores.inspect import inspect_postgres
from secondsite.stores.postgres_host import COPY

pytestmark = pytest.mark.slow
FIFTEEN = RunningStore(version="15.4")


@in_loop
async def test_the_lab_plays_the_major_version_that_the_system_runs() -> None:
    async with postgres_pair(running=FIFTEEN) as pair:
        fleet = pair.lab.databases
        assert fleet.replaced() == ()
        assert [name.rpartition(".")[0] for name in fleet.digests()] == ["PostgreSQL 15"]
        live = await inspect_postgres(pair.server(pair.home).place, 0.0)
        assert (live.running.version.split(".")[0], live.running.rewindable) == ("15", True)
        await has_one_identity_and_a_timeline_a_promotion(pair)


@in_loop
async def test_its_fence_holds() -> None:
    async with postgres_pair(running=FIFTEEN) as pair:
        await fences_whoever_lifts_what_a_session_can(pair)


@in_loop
async def test_it_is_rewound_right_after_the_promotion(tmp_path: Path) -> None:
    """Its pg_rewind reads the new timeline from a control file that shows it only after a checkpoint."""
    async with postgres_pair(running=FIFTEEN) as pair:
        await saves_what_only_the_old_primary_committed_and_rewinds_it(pair, tmp_path)


@in_loop
async def test_it_is_copied_anew_where_its_history_is_gone() -> None:
    async with postgres_pair(running=FIFTEEN) as pair:
        await copies_anew_what_cannot_be_rewound(pair)


@in_loop
async def test_one_without_checksums_is_played_without_and_copied_anew() -> None:
    """As initdb makes them before PostgreSQL 18."""
    async with postgres_pair(running=RunningStore(version="15.4", rewindable=False)) as pair:
        await pair.write(pair.home, "a")
        await pair.caught_up()
        assert (await inspect_postgres(pair.server(pair.home).place, 0.0)).running.rewindable is False
        pair.lab.kill(pair.name(pair.home))
        await pair.server(pair.away).promote()
        followed = await pair.lab.databases.host(STORE, pair.home).follow(pair.server(pair.away).place)
        assert (followed.how, "checksums" in followed.why) == (COPY, True)
        await pair.lab.restart(pair.name(pair.home))
        assert await pair.ids(pair.home) == ["a"]
