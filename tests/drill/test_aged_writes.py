"""Old writes are made once, kept with the times at which a server stored them, and a run's origin begins with them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from in_loop import in_loop
from postgres_pair import STORE, postgres_pair

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill import series
from secondsite.drill.play.aged import AgedWrites, read_aged, save_aged
from secondsite.drill.play.ageing import can_be_kept, kept_as
from secondsite.drill.play.setup import make_setup
from secondsite.drill.series import series_size
from secondsite.lab import postgres_files
from secondsite.lab.aged import AgedStream, keep_stream
from secondsite.lab.options import LabOptions
from secondsite.lab.world import Lab
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.strategy import Strategy
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import connect
from secondsite.nats.jetstream import JetStream, Json
from secondsite.nats.options import ConnectOptions

HOME, AWAY, STREAM = "us-east-1", "us-west-2", "kgent-events"
EXAMPLE = Path("examples/kgents/secondsite.yaml")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """As a drill keeps them: ledger and summary of the client, a stream's archive, and what is known of them."""
    (tmp_path / "client-900.ledger").write_bytes(b"ledger")
    (tmp_path / "client-900.summary.json").write_text(json.dumps({"acknowledged": 60}))
    (tmp_path / "A.archive").write_bytes(b"archive")
    stream = AgedStream("A", {"messages": 60}, tmp_path / "A.archive")
    (tmp_path / "postgres.files").write_bytes(b"files")
    stores = {"postgres": tmp_path / "postgres.files"}
    save_aged(tmp_path, "old1", 7, "2026-11-28T00:00:00+00:00", (stream,), stores)
    return tmp_path


def _read(folder: Path, most_s: float = 1e12) -> AgedWrites:
    found = read_aged(folder, most_s)
    assert found is not None
    return found


def test_what_was_kept_is_handed_to_each_run(kept: Path, tmp_path: Path) -> None:
    found = _read(kept)
    assert (found.run, found.acknowledged, [each.name for each in found.streams]) == ("old1", 60, ["A"])
    assert found.stores == {"postgres": kept / "postgres.files"}
    assert found.until_s(0) == 0
    assert found.until_s(found.age_s + 60) == pytest.approx(60, abs=5)
    ledgers = tmp_path / "evidence"
    ledgers.mkdir()
    assert [path.read_bytes() for path in found.hand_over(ledgers)] == [b"ledger"]
    assert (ledgers / "client-900.summary.json").exists()


def _other_archive(folder: Path) -> None:
    (folder / "A.archive").write_bytes(b"another")


def _other_files(folder: Path) -> None:
    (folder / "postgres.files").write_bytes(b"another")


def _other_ledger(folder: Path) -> None:
    (folder / "client-900.ledger").write_bytes(b"another")


def _other_boot(folder: Path) -> None:
    """The clock began anew, so nobody knows how old they are."""
    facts = json.loads((folder / "aged.json").read_text())
    (folder / "aged.json").write_text(json.dumps({**facts, "boot": "another"}))


def _no_facts(folder: Path) -> None:
    (folder / "aged.json").unlink()


@pytest.mark.parametrize("spoil", [_other_archive, _other_files, _other_ledger, _other_boot, _no_facts])
def test_what_was_changed_or_is_of_another_boot_is_written_anew(spoil: Callable[[Path], None], kept: Path) -> None:
    spoil(kept)
    assert read_aged(kept, 1e12) is None


def test_what_its_stream_may_have_forgotten_is_written_anew(kept: Path) -> None:
    assert read_aged(kept, _read(kept).age_s - 1) is None


@pytest.mark.parametrize(
    ("strategy", "can"), [("warm-standby/leafnode-mirror", True), ("active-active/sourced", False)]
)
def test_only_streams_of_their_own_clients_can_be_kept(strategy: str, can: bool) -> None:
    setup = make_setup(load_system(EXAMPLE), load_catalogue(), Strategy.parse(strategy))
    assert can_be_kept(setup) is can


def test_files_of_another_major_version_of_postgresql_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its package was installed since: no server reads the files of another one."""
    setup = make_setup(load_system(EXAMPLE), load_catalogue(), Strategy.parse("warm-standby/leafnode-mirror"))
    monkeypatch.setattr(postgres_files, "PACKAGED", (str(tmp_path / "{major}"),))
    before = kept_as(setup, LabOptions(databases=True))
    assert kept_as(setup, LabOptions(databases=True)) == before
    (tmp_path / "16").mkdir()  # as the example's image says
    for name in ("postgres", "initdb", "pg_ctl", "pg_basebackup", "pg_rewind"):
        (tmp_path / "16" / name).touch()
    assert kept_as(setup, LabOptions(databases=True)) != before


def test_labs_stand_idle_only_while_writes_grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "_free_bytes", lambda: 2**40)
    monkeypatch.setattr(series, "free_blocks", lambda **_: 64)
    cores = os.cpu_count() or 1
    old, young = series_size(22, 0.0), series_size(22, 300.0)
    assert old.measured == young.measured <= 2 * cores
    assert old.labs == old.measured + 1 < young.labs


@pytest.mark.slow
def test_an_origin_begins_with_them_at_their_places_and_times(
    laid_out: Callable[[str], Deployment], tmp_path: Path
) -> None:
    """And its mirror copies them: one that did not would have lost them."""
    deployment = laid_out("warm-standby/leafnode-mirror")

    async def info(lab: Lab, region: str) -> Json:
        async with connect(parse_addresses(lab.nats_url(region)), ConnectOptions()) as connection:
            state: Json = (await JetStream(connection).ask(f"STREAM.INFO.{STREAM}"))["state"]
            return state

    async def write() -> tuple[AgedStream, Json]:
        async with Lab.up(deployment, LabOptions(services=False)) as lab:
            async with connect(parse_addresses(lab.nats_url(HOME, operator=True)), ConnectOptions()) as connection:
                publisher = connection.client.jetstream()
                for number in range(5):
                    await publisher.publish("kgent.test", b"old", headers={"Nats-Msg-Id": f"old.{number}"})
                stream = await keep_stream(JetStream(connection), STREAM, tmp_path / "stream.archive")
            return stream, await info(lab, HOME)

    async def begin(stream: AgedStream) -> tuple[Json, Json]:
        async with Lab.up(deployment, LabOptions(services=False, aged={STREAM: stream})) as lab:
            for _ in range(200):
                if (await info(lab, AWAY))["messages"] >= 5:
                    break
                await asyncio.sleep(0.1)
            return await info(lab, HOME), await info(lab, AWAY)

    stream, before = asyncio.run(write())
    origin, mirror = asyncio.run(begin(stream))
    for name in ("messages", "first_seq", "last_seq", "first_ts", "last_ts"):
        assert before[name] == origin[name] == mirror[name]


@pytest.mark.slow
@in_loop
async def test_a_database_begins_with_the_rows_that_its_server_kept_and_its_standby_has_them(tmp_path: Path) -> None:
    """One that were begun empty would have lost them."""
    archive = tmp_path / "postgres.files"
    async with postgres_pair() as pair:
        await pair.write(pair.home, "old")
        await asyncio.to_thread(pair.lab.databases.keep, STORE, pair.home, archive)
        with pytest.raises(MachineError):
            await pair.server(pair.home).look()
    async with postgres_pair({STORE: archive}) as pair:
        assert await pair.ids(pair.away) == ["old"]
        await pair.write(pair.home, "new")
        await pair.caught_up()
        assert await pair.ids(pair.away) == ["new", "old"]


def test_runs_follow_one_another_where_the_system_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS."""

    def unknown(_name: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr("os.sysconf", unknown)
    assert series_size(22, 0.0).labs == 1
