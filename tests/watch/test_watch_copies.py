"""What a watch knows of copies: how far each is behind, on two real servers and a link that is cut, and how old
what was saved is, in a real folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from in_loop import in_loop
from leased_home import Link
from made_archive import MadeArchive
from nats_world import free_ports
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, make_world, stream_named, synchronised

from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage
from secondsite.strategies.compose import failover
from secondsite.strategies.design import Kit
from secondsite.watch.copy_sight import ROUNDS, CopySight, SavedAges, saved_ages

pytestmark = pytest.mark.slow


class LinkedPair(Pair):
    """The leaf node connects through ``link``, and learns of no way around it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.link = free_ports(1)[0]

    def _config(self, region: str) -> str:
        return super()._config(region).replace("leafnodes { listen:", "leafnodes { no_advertise: true, listen:")

    def _remote(self) -> str:
        return super()._remote().replace(f":{self.ports[HOME][2]}", f":{self.link}")


class Copied:
    def __init__(self, kit: Kit, folder: Path) -> None:
        self.deployment = deployment_of(kit, "warm-standby/leafnode-mirror", stream_named("A"))
        self.pair = LinkedPair(folder)
        self.link = Link(self.pair.link, self.pair.ports[HOME][2])
        self.now_s, self.folder = 1000.0, folder
        procedure = failover(self.deployment, kit, Fault.REGION)
        self.world = make_world(self.pair, folder)
        self.sight = CopySight(
            self.deployment, procedure, lambda: self.world, lambda: self.now_s, lambda: self.now_s, every_s=60.0
        )

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Copied]:
        async with self.link.up():
            try:
                for region in (HOME, AWAY):
                    await asyncio.to_thread(self.pair.start, region)
                await create(self.pair, self.deployment)
                await fill(self.pair, HOME, "e.A.x", 5)
                await synchronised(self.pair, self.deployment)
                yield self
            finally:
                for region in (HOME, AWAY):
                    self.pair.kill(region)

    async def look(self) -> dict[str, Any]:
        await self.sight.look(self.world)
        (stream,) = self.sight.plain()["streams"]
        found: dict[str, Any] = stream
        return found

    async def last_ages_s(self) -> float:
        """Between the newest message of the copy and that of the origin, by their own times."""
        times = []
        for region in (AWAY, HOME):
            async with door(self.pair, region) as streams:
                state = await streams.stream("A")
                assert state
                times.append(datetime.fromisoformat(state.last_at.replace("Z", "+00:00")))
        return (times[1] - times[0]).total_seconds()


@in_loop
async def test_lag_is_measured_kept_and_a_gap_where_nobody_answers(kit: Kit, tmp_path: Path) -> None:
    async with Copied(kit, tmp_path).up() as copied:
        first = await copied.look()
        assert (first["stream"], first["missing_messages"], first["behind_s"]) == ("A", 0, 0.0)
        copied.link.cut()
        await fill(copied.pair, HOME, "e.A.y", 7)
        second, behind_s = await copied.look(), await copied.last_ages_s()
        assert second["missing_messages"] == 7
        assert second["behind_s"] == pytest.approx(behind_s, abs=0.001)
        assert behind_s > 0
        copied.pair.kill(HOME)
        third = await copied.look()
        assert (third["missing_messages"], third["behind_s"]) == (None, None)
        assert third["history_s"] == [0.0, second["behind_s"], None]
        assert third["highest_s"] == second["behind_s"]
        copied.now_s += 90
        assert copied.sight.plain()["looked_s"] == 90.0
        assert copied.sight.history["A"].maxlen == ROUNDS


@in_loop
async def test_the_age_of_what_was_saved_grows_until_something_newer_is_there(kit: Kit, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    store = ObjectStorage(parse_store(f"file://{folder}", None, "--from"))
    assert await saved_ages(store) == SavedAges()
    (tmp_path / "servers").mkdir()
    async with Copied(kit, tmp_path / "servers").up() as copied:
        manifest = await run_backup(copied.pair.place(HOME, "operator"), store, BackupPlan(), Silent())
    await MadeArchive(store).checkpoint(10)
    ages = await saved_ages(store)
    assert ages.backup_at == manifest.finished
    (index,) = (folder / "index").iterdir()
    assert ages.archive_at == datetime.fromtimestamp(index.stat().st_mtime, UTC)
    wall_s = manifest.finished.timestamp() + 30
    sight = evolve(copied.sight, wall=lambda: wall_s, saved=lambda: saved_ages(store))
    await sight.look_at_store()
    assert sight.plain()["backup_age_s"] == pytest.approx(30.0)
    wall_s += 60

    async def away() -> SavedAges:
        raise MachineError.at("s3://backups", "no answer", "check the network")

    sight.saved = away
    await sight.look_at_store()
    plain = sight.plain()
    assert plain["backup_age_s"] == pytest.approx(90.0), "what was read before grows older"
    assert plain["store_problem"] == "no answer"
