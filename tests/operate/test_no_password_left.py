"""An operation with real logins leaves no password anywhere: evidence, journal, logs, output, process list."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import evolve
from drilled import MANIFEST
from in_loop import in_loop
from left_behind import held_in, watched
from postgres_pair import EXAMPLE, STORE, PostgresPair, postgres_pair
from qdrant_engine import qdrant_engine
from redis_pair import redis_pair

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.__main__ import run
from secondsite.cli.operating_options import store_logins
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.executor import Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan
from secondsite.operate.world import Decision
from secondsite.strategies.compose import lay_out, procedures
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow


def only_stores() -> Procedure:
    kit = Kit.of(load_system(EXAMPLE), load_catalogue())
    whole = procedures(lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit), kit)[Fault.REGION]
    steps = tuple(evolve(step, after=()) for step in whole.steps if step.verb is Verb.PROMOTE_STORES)
    return Procedure("databases alone", Fault.REGION, steps)


def logs(folder: Path) -> list[Path]:
    return list(folder.rglob("*.log"))


async def _failed_over(pair: PostgresPair, folder: Path) -> None:
    """Planned and executed with the logins that an operator gives; journal and server logs go to evidence."""
    logins = store_logins(
        tuple(f"{each}/{STORE}=env:DR_{each[:7]}" for each in (pair.home, pair.away)), pair.lab.deployment
    )
    assert logins is not None
    world = LiveWorld({}, Decision("tester", 1.0, "a test"), stores=logins)
    procedure = only_stores()
    plan = await make_plan(procedure, pair.lab.deployment, world)
    (folder / "plan.txt").write_text(f"{plan!r}", encoding="utf-8")
    with EvidenceWriter.create(folder / "evidence", MANIFEST, []) as writer:
        with Journal(writer.journal, world.clock) as journal:
            options = Options(approved=plan.hash)
            outcome = await execute(procedure, pair.lab.deployment, world, journal, options=options)
        assert outcome.finished, outcome.problems
        writer.take_journal()
        for path in sorted((pair.lab.folder / "logs").glob("*.log")):
            writer.add_log(path)
        writer.close()


@in_loop
async def test_no_password_is_left_by_a_failover_of_databases(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    password = secrets.token_hex()
    async with postgres_pair() as pair, watched(password) as found:
        for region in (pair.home, pair.away):
            place = pair.server(region).place
            monkeypatch.setenv(f"DR_{region[:7]}", f"{place.conninfo} password={password}")
        await _failed_over(pair, tmp_path)
        verbs = [
            ("status", f"env:DR_{pair.away[:7]}"),
            ("salvage", f"env:DR_{pair.home[:7]}", f"env:DR_{pair.away[:7]}"),
        ]
        for verb in verbs:
            more = ("--folder", str(tmp_path / "rows")) if verb[0] == "salvage" else ()
            await asyncio.to_thread(run, ["postgres", *verb, *more])
        live = ["init", "--postgres", f"env:DR_{pair.away[:7]}", "--file", str(tmp_path / "found.yaml")]
        assert await asyncio.to_thread(run, live) == 0
    said = capfd.readouterr()
    (tmp_path / "said.txt").write_text(said.out + said.err + caplog.text, encoding="utf-8")
    assert found == []
    assert held_in(tmp_path, password) == []
    assert len(logs(tmp_path)) >= 2, "the servers' own logs are looked through too"


@in_loop
async def test_no_login_is_left_by_the_verbs_on_redis_and_qdrant(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    key = secrets.token_hex()
    with redis_pair(tmp_path_factory.mktemp("servers")) as pair, qdrant_engine(key, tmp_path / "qdrant") as qdrant:
        qdrant.fill({"docs": [1, 2, 3]})
        password = pair.passwords["operator"]
        monkeypatch.setenv("QDRANT_KEY", key)
        for name, port in (("OLD", pair.primary), ("NEW", pair.replica)):
            monkeypatch.setenv(name, f"redis://operator:{password}@127.0.0.1:{port}")
        told = ("--key", "env:QDRANT_KEY", "--folder", str(tmp_path / "snapshots"))
        verbs = [
            *(("redis", "status", "env:NEW"), ("redis", "caught-up", "env:NEW", "env:OLD")),
            *(("redis", "fence", "env:OLD"), ("redis", "promote", "env:NEW")),
            ("redis", "salvage", "env:OLD", "env:NEW", "--folder", str(tmp_path / "keys")),
            *(("redis", "follow", "env:OLD", "env:NEW"), ("redis", "unfence", "env:OLD")),
            ("init", "--redis", "env:NEW", "--file", str(tmp_path / "found.yaml")),
            *(("qdrant", "save", qdrant.url, *told), ("qdrant", "restore", qdrant.url, *told, "--replace")),
        ]
        async with watched(password, key) as found:
            codes = [await asyncio.to_thread(run, list(verb)) for verb in verbs]
    said = capfd.readouterr()
    (tmp_path / "said.txt").write_text(said.out + said.err + caplog.text, encoding="utf-8")
    assert codes == [0] * len(verbs), said
    assert found == []
    assert [held_in(tmp_path, each) for each in (password, key)] == [[], []]


def test_a_password_that_was_left_is_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "journal.jsonl").write_text('{"dsn": "password=s3cret"}', encoding="utf-8")
    assert held_in(tmp_path, "s3cret") == [str(tmp_path / "deep" / "journal.jsonl")]
    assert held_in(tmp_path, "another") == []


@in_loop
async def test_a_secret_among_a_process_s_arguments_is_found() -> None:
    secret = secrets.token_hex()
    async with watched(secret) as found:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(30)", secret)
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                while not found and process.returncode is None:  # noqa: ASYNC110 - what is looked for is another process
                    await asyncio.sleep(0.01)
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert found
