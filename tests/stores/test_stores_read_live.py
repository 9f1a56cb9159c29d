"""`init --postgres` and `--redis` against real servers: what they say of themselves, and what no login is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from in_loop import in_loop
from postgres_pair import PostgresPair, postgres_pair
from redis_pair import redis_pair

from secondsite.cli.__main__ import app, run
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.postgres_files import WRITER
from secondsite.model.errors import InputError
from secondsite.model.store import CopiesToday, Loss, Store
from secondsite.stores.inspect import inspect_postgres
from secondsite.stores.postgres_place import PostgresPlace

pytestmark = pytest.mark.slow
MANIFEST = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ledger}
spec:
  replicas: 1
  selector: {matchLabels: {app: ledger}}
  template:
    metadata: {labels: {app: ledger}}
    spec: {containers: [{name: db, image: "postgres:18"}]}
  volumeClaimTemplates:
    - {metadata: {name: data}, spec: {resources: {requests: {storage: 20Gi}}}}
"""


async def _until(pair: PostgresPair, said: CopiesToday) -> None:
    place = pair.server(pair.home).place
    async with asyncio.timeout(30):
        while (await inspect_postgres(place, 0.0)).running.replicated is not said:  # noqa: ASYNC110 - of a server
            await asyncio.sleep(0.05)


async def _init(*arguments: str) -> int:
    return await asyncio.to_thread(app, ["init", *arguments], result_action="return_value")


async def _ask(pair: PostgresPair, *statements: str) -> None:
    async with pair.server(pair.home).place.open() as session:
        for statement in statements:
            await session.rows(statement)


def _running(file: Path) -> Store:
    (store,) = load_system(file).stores
    assert store.running is not None
    return store


@in_loop
async def test_a_primary_says_how_it_is_replicated_and_what_it_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, manifest = tmp_path / "secondsite.yaml", tmp_path / "ledger.yaml"
    manifest.write_text(MANIFEST, encoding="utf-8")
    async with postgres_pair() as pair:
        monkeypatch.setenv("DR_PG", pair.server(pair.home).place.conninfo)
        assert await _init(str(manifest), "--postgres", "env:DR_PG", "--file", str(file)) == 0
        store = _running(file)
        said = store.running
        assert said is not None
        assert (store.name, said.replicated, said.slots, said.bounded_slots) == (
            *("ledger", CopiesToday.ASYNCHRONOUS, 1, False),
        )
        assert (said.archived, said.rewindable, said.sequences, said.extensions) == (False, True, 1, ())
        assert said.version.startswith("18")
        assert 1_000_000 < (store.size_bytes or 0) < 20 * 2**30  # of its databases, not of its volume
        assert "read postgresql://127." in file.read_text(encoding="utf-8").split("bounded_slots")[1]

        await _ask(
            pair,
            "ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'",
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "SELECT pg_reload_conf()",
            "CREATE TABLE more (id bigserial)",
        )
        await _until(pair, CopiesToday.SYNCHRONOUS)
        assert await _init(str(manifest), "--postgres", "ledger=env:DR_PG", "--file", str(file), "--yes") == 0
        again = _running(file).running
        assert again is not None
        assert (again.replicated, again.bounded_slots, again.sequences) == (CopiesToday.SYNCHRONOUS, True, 2)

        assert await _init(str(manifest), "--file", str(file), "--yes") == 0
        assert _running(file).running == again  # nobody was asked: what was said last stays

        with pytest.raises(InputError, match="is a standby"):
            await inspect_postgres(pair.server(pair.away).place)
        bare = await inspect_postgres(PostgresPlace(pair.writer(pair.home).conninfo), 0.0)
        assert bare.running.replicated is None  # unknown to such a login, not "single"
        assert any("pg_monitor" in note for note in bare.notes)
        pair.lab.kill(pair.name(pair.away))
        await _until(pair, CopiesToday.SINGLE)
    assert WRITER not in file.read_text(encoding="utf-8")


@in_loop
async def test_a_redis_says_whether_it_is_followed_and_whether_it_keeps_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secondsite.yaml"
    with redis_pair(tmp_path) as pair:
        async with asyncio.timeout(30):
            while not (await pair.server(pair.replica).look()).linked:  # noqa: ASYNC110 - of a server
                await asyncio.sleep(0.05)
        monkeypatch.setenv("DR_REDIS", pair.place(pair.primary).url)
        assert await _init("--redis", "sessions=env:DR_REDIS", "--file", str(file)) == 0
        store = _running(file)
        assert store.running is not None
        assert (store.name, store.loss, store.persistent) == ("sessions", Loss.DATA, True)
        assert store.running.replicated is CopiesToday.ASYNCHRONOUS
        assert store.running.written_bytes_per_s is not None
        text = file.read_text(encoding="utf-8")
        assert not [word for word in pair.passwords.values() if word in text]
        monkeypatch.setenv("DR_REDIS", pair.place(pair.replica).url)
        with pytest.raises(InputError, match="is a replica"):
            await _init("--redis", "env:DR_REDIS", "--file", str(tmp_path / "other.yaml"))


@pytest.mark.parametrize(
    "option", [("--postgres", "postgresql://me:s3cret@db:5432/x"), ("--redis", "redis://me:s3cret@cache:6379")]
)
def test_a_password_on_the_command_line_is_refused(
    option: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["init", *option, "--file", str(tmp_path / "s.yaml")]) == 2
    printed = capsys.readouterr()
    assert "command line" in printed.err
    assert "s3cret" not in printed.out + printed.err
