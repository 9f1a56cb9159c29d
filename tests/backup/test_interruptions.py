"""What happens in the middle: kills, lost leaders, purges and writers. A good backup or a clear error, never half."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from nats.js.errors import NoStreamResponseError
from nats_world import Server, cluster_place, connect, consume, everything, fill, publish, run, wait_until

from secondsite.backup import restore as restore_module
from secondsite.backup import run as module
from secondsite.backup import stream_restore
from secondsite.backup.codec import Keys
from secondsite.backup.inventory import choose_backup, take_inventory
from secondsite.backup.keep import KeepRules
from secondsite.backup.passing import Passed
from secondsite.backup.progress import Silent
from secondsite.backup.prune import apply_pruning, plan_pruning
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.target import Changes, mark_of
from secondsite.backup.verify import run_verify
from secondsite.model.errors import MachineError
from secondsite.nats.snapshot import SnapshotCutError, open_snapshot
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent


def begin(*arguments: str, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [BIN / "secondsite", *arguments], stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
    )


def caught(process: subprocess.Popen[bytes], when: Callable[[], bool], number: int = signal.SIGKILL) -> bool:
    """Kill it once ``when`` holds; False when it ended before."""
    wait_until(lambda: when() or process.poll() is not None)
    if process.poll() is not None:
        return False
    os.killpg(process.pid, number)
    process.wait()
    return True


class Slow(Silent):
    """Holds a run at its first progress, so that something can be done to it in the middle."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    def at(self, stream: str, done_bytes: int) -> None:
        if not self.reached.is_set() and done_bytes > 4 * 1024**2:
            self.reached.set()
            time.sleep(0.5)


def test_a_killed_backup_is_no_backup(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    server = start()
    url = f"file://{tmp_path / 'backups'}"

    async def load() -> None:
        await fill(await connect(server.url), "BIG", 60_000, 2000)

    run(load())
    killed, saved = 0, tmp_path / "backups"

    def more(before: int) -> bool:
        return len(list(saved.glob("*/streams/BIG"))) > before

    for _ in range(4):
        process = begin("backup", "--nats", server.url, "--to", url)
        if caught(process, partial(more, killed)):
            killed += 1
    inventory = run(take_inventory(store))
    assert killed
    assert len(inventory.entries) + len(inventory.incomplete) == killed
    for entry in inventory.entries:  # one may have been quicker than the kill: then it is good
        assert entry.manifest
        assert run(run_verify(store, entry.manifest, Keys(), None, Silent(), record=False)).ok
    assert inventory.incomplete
    assert plan_pruning(inventory, KeepRules(last=1), datetime.now(UTC)).incomplete == ()
    later = plan_pruning(inventory, KeepRules(last=1), datetime.now(UTC) + timedelta(days=2))
    assert later.incomplete == inventory.incomplete
    run(apply_pruning(store, later, datetime.now(UTC)))
    assert run(take_inventory(store)).incomplete == ()
    left = {
        path.relative_to(tmp_path / "backups").parts[0] for path in (tmp_path / "backups").rglob("*") if path.is_file()
    }
    assert left == {entry.id for entry in inventory.entries}


def test_a_killed_restore_goes_on(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    source, target = start("source"), start("target")
    url = f"file://{tmp_path / 'backups'}"

    async def load() -> None:
        client = await connect(source.url)
        await fill(client, "SMALL", 200)
        await fill(client, "BIG", 60_000, 2000)
        await run_backup(source.place, store, BackupPlan(), Silent())

    async def marks() -> dict[str, str | None]:
        async with target.place.open() as jetstream:
            listed = await jetstream.pages("STREAM.LIST", "streams")
        return {str(info["config"]["name"]): mark_of(info["config"]) for info in listed}

    run(load())
    seen_partial = False
    for _ in range(4):
        process = begin("restore", "--nats", target.url, "--from", url)
        if caught(process, lambda: "BIG" in run(marks())):
            seen_partial = seen_partial or bool(run(marks()).get("BIG"))
    assert seen_partial
    end = subprocess.run(
        [BIN / "secondsite", "restore", "--nats", target.url, "--from", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert end.returncode == 0, end.stdout + end.stderr

    async def compare() -> None:
        one, other = await connect(source.url), await connect(target.url)
        assert await everything(one, "SMALL") == await everything(other, "SMALL")
        assert (await other.jetstream().stream_info("BIG")).state.messages == 60_000

    run(compare())
    assert run(marks()) == {"SMALL": None, "BIG": None}


def test_a_person_who_interrupts_is_told_what_is_left(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    source, target = start("source"), start("target")
    good = f"file://{tmp_path / 'good'}"

    async def load() -> None:
        await fill(await connect(source.url), "BIG", 60_000, 2000)
        await run_backup(source.place, ObjectStorage(parse_store(good), make=True), BackupPlan(), Silent())

    async def there(name: str) -> bool:
        async with target.place.open() as jetstream:
            return await jetstream.stream(name) is not None

    run(load())
    for number in range(5):
        saved = tmp_path / f"saved{number}"
        process = begin("backup", "--nats", source.url, "--to", f"file://{saved}", stderr=subprocess.PIPE)
        caught(process, lambda saved=saved: bool(list(saved.glob("*/streams/BIG/*"))), signal.SIGINT)  # type: ignore[misc]
        if interrupted(process, "interrupted"):
            break
    else:
        pytest.fail("never interrupted in the middle")
    assert [path for path in saved.rglob("*") if path.is_file()] == []
    for number in range(5):
        arguments = ("restore", "--nats", target.url, "--from", good, "--stream", f"BIG=B{number}")
        process = begin(*arguments, stderr=subprocess.PIPE)
        caught(process, lambda number=number: run(there(f"B{number}")), signal.SIGINT)  # type: ignore[misc]
        if interrupted(process, "interrupted: run the same command again"):
            break
    else:
        pytest.fail("never interrupted in the middle")
    again = begin(*arguments, stderr=subprocess.PIPE)
    assert (again.wait(120), "restored" in told(again)) == (0, True)


def interrupted(process: subprocess.Popen[bytes], words: str) -> bool:
    """False when it was quicker than the person: then it may be anywhere on its way out."""
    text, code = told(process), process.wait()
    assert "Traceback" not in text
    return code == 130 and words in text


def told(process: subprocess.Popen[bytes]) -> str:
    """On standard error."""
    assert process.stderr
    with process.stderr:
        return process.stderr.read().decode()


def test_clients_of_a_stream_restored_and_not_yet_unmarked_lose_nothing(start: Any, store: ObjectStorage) -> None:
    """Killed between the last chunk and the end, and written to since: that stream is somebody's, and is refused."""
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "S", 20)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        await fill(other, "S", 20, metadata={"secondsite.restoring": manifest.id})
        await other.jetstream().publish("s.1", b"a client's")
        with pytest.raises(Exception, match=r"S exists with 21 messages"):
            await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        assert (await other.jetstream().stream_info("S")).state.messages == 21

    run(work())


@pytest.mark.parametrize("retention", ["limits", "interest", "workqueue"])
def test_written_and_purged_meanwhile(retention: str, start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "S", 0, retention=retention)
        await consume(client, "S", "c", 0)
        await publish(client, "S", 40_000, 1000)
        writing = asyncio.ensure_future(_write(source, "s.w"))
        progress = Slow()
        backing_up = asyncio.ensure_future(run_backup(source.place, store, BackupPlan(), progress))
        await progress.reached.wait()
        await client.jetstream().purge_stream("S", keep=100)
        manifest = await backing_up
        writing.cancel()
        outcome = (await run_restore(target.place, store, manifest, RestorePlan(), Silent()))[0]
        assert (outcome.ok, outcome.proof.verdict) == (True, "equal")
        record = manifest.streams[0]
        state = (await other.jetstream().stream_info("S")).state
        assert state.last_seq == record.last_seq
        assert 0 < state.messages <= record.messages
        assert (await other.jetstream().publish("s.next", b"x")).seq == record.last_seq + 1

    run(work())


async def _write(server: Server, subject: str) -> None:
    jetstream = (await connect(server.url)).jetstream()
    while True:
        await jetstream.publish(subject, bytes(500))


def test_a_stream_deleted_meanwhile_is_told(start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start()

    async def work() -> None:
        client = await connect(server.url)
        await fill(client, "A", 10)
        await fill(client, "Z", 10)
        choose = module._choose

        async def and_delete(*arguments: Any) -> dict[str, int]:
            chosen = await choose(*arguments)
            await client.jetstream().delete_stream("Z")
            return chosen

        monkeypatch.setattr(module, "_choose", and_delete)
        manifest = await run_backup(server.place, store, BackupPlan(), Silent())
        assert ([stream.name for stream in manifest.streams], manifest.gone) == (["A"], ("Z",))

    run(work())


def test_a_leader_killed_in_the_middle(cluster: list[Server], store: ObjectStorage, start: Any) -> None:
    target = start("target")

    async def work() -> None:
        client = await connect(cluster[0].url)
        await fill(client, "R3", 60_000, 1000, num_replicas=3)
        info = (await client.jetstream().stream_info("R3")).cluster
        assert info
        leader = next(server for server in cluster if server.name == info.leader)
        progress = Slow()
        backing_up = asyncio.ensure_future(run_backup(cluster_place(cluster), store, BackupPlan(), progress))
        await progress.reached.wait()
        leader.kill()
        manifest = await backing_up
        assert manifest.streams[0].attempts > 1
        assert manifest.streams[0].messages == 60_000
        plan = RestorePlan(changes=Changes(replicas=1))
        outcome = (await run_restore(target.place, store, manifest, plan, Silent()))[0]
        assert (outcome.ok, outcome.proof.verdict, outcome.messages) == (True, "equal", 60_000)

    run(work())


def test_a_leader_that_is_missing_at_the_start_is_waited_for(cluster: list[Server], store: ObjectStorage) -> None:
    """For as long as an election takes: the first question is asked again."""
    stayed, *away = cluster

    async def come_back() -> None:
        await asyncio.sleep(4)
        for server in away:
            await asyncio.to_thread(server.start)

    async def work() -> None:
        client = await connect(stayed.url)
        await fill(client, "R3", 200, num_replicas=3)
        manifest = await run_backup(stayed.place, store, BackupPlan(), Silent())
        for server in away:
            server.kill()
        back = asyncio.ensure_future(come_back())
        (outcome,) = await run_restore(
            stayed.place, store, manifest, RestorePlan(streams={"R3": "NEW"}, changes=Changes(replicas=1)), Silent()
        )
        await back
        assert (outcome.error, outcome.proof.verdict, outcome.messages) == ("", "equal", 200)

    run(work())


async def _elected(client: Any) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await client.request("$JS.API.STREAM.LIST", b"{}", timeout=6)
            except Exception:  # no answer, or no responder yet
                await asyncio.sleep(0.2)
                continue
            if b'"error"' not in answer.data:
                return


def test_a_stream_that_lost_its_server_is_named_and_not_left_out(cluster: list[Server], store: ObjectStorage) -> None:
    stayed, _, away = cluster

    async def work() -> None:
        client = await connect(stayed.url)
        lost = set()
        for number in range(9):
            await fill(client, f"S{number}", 5)
            placed = (await client.jetstream(timeout=30).stream_info(f"S{number}")).cluster
            lost |= {f"S{number}"} if placed and placed.leader == away.name else set()
        assert lost
        away.kill()
        await _elected(client)  # it may have led the meta group too: what it was asked then is never answered
        with pytest.raises(MachineError, match="streams without a leader") as refused:
            await run_backup(stayed.place, store, BackupPlan(attempts=1), Silent())
        assert all(f"--exclude {name}" in str(refused.value) for name in lost)
        manifest = await run_backup(stayed.place, store, BackupPlan(exclude=tuple(lost), attempts=8), Silent())
        assert {stream.name for stream in manifest.streams} == {f"S{number}" for number in range(9)} - lost

    run(work())


def test_a_server_that_stays_away_is_a_clear_error_and_no_half_backup(
    start: Any, store: ObjectStorage, tmp_path: Path
) -> None:
    server = start()

    async def work() -> None:
        client = await connect(server.url, allow_reconnect=False)
        await fill(client, "S", 40_000, 1000)
        progress = Slow()
        backing_up = asyncio.ensure_future(run_backup(server.place, store, BackupPlan(attempts=2), progress))
        await progress.reached.wait()
        server.kill()
        with pytest.raises(MachineError):
            await backing_up

    run(work())
    assert [path for path in (tmp_path / "backups").rglob("*") if path.is_file()] == []


def test_an_interrupted_backup_takes_back_what_it_wrote(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    server = start()

    async def work() -> None:
        await fill(await connect(server.url), "S", 40_000, 1000)
        progress = Slow()
        backing_up = asyncio.ensure_future(run_backup(server.place, store, BackupPlan(), progress))
        await progress.reached.wait()
        backing_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await backing_up

    run(work())
    assert [path for path in (tmp_path / "backups").rglob("*") if path.is_file()] == []


def test_the_newest_before_a_time(start: Any, store: ObjectStorage) -> None:
    server = start()

    async def work() -> None:
        client = await connect(server.url)
        await fill(client, "S", 10)
        one = await run_backup(server.place, store, BackupPlan(), Silent())
        await client.jetstream().publish("s.x", b"later")
        two = await run_backup(server.place, store, BackupPlan(), Silent())
        assert (await choose_backup(store)).id == two.id
        assert (await choose_backup(store, at=two.finished)).id == two.id
        assert (await choose_backup(store, at=two.finished - timedelta(microseconds=1))).id == one.id
        with pytest.raises(Exception, match="no backup finished at or before"):
            await choose_backup(store, at=one.finished - timedelta(seconds=1))

    run(work())


def test_a_stream_that_is_there_is_not_sent_again_when_its_proof_fails(
    start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the transfer and the second try of the proof clients' writes are refused, not lost."""
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "S", 20)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        prove, tries = stream_restore.prove, []

        async def failing_once(*arguments: Any) -> Any:
            tries.append(True)
            if len(tries) == 1:
                with pytest.raises(NoStreamResponseError):
                    await other.jetstream().publish("s.1", b"a client's")
                raise MachineError.at("nats://x", "the connection failed", "look")
            return await prove(*arguments)

        monkeypatch.setattr(restore_module, "prove", failing_once)
        (outcome,) = await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        assert (outcome.ok, outcome.proof.verdict, len(tries)) == (True, "equal", 2)
        assert (await other.jetstream().publish("s.1", b"a client's")).seq == 21

    run(work())


def test_a_restore_into_a_server_that_comes_back(start: Any, store: ObjectStorage) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client = await connect(source.url)
        await fill(client, "S", 40_000, 1000)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        progress = Slow()
        restoring = asyncio.ensure_future(run_restore(target.place, store, manifest, RestorePlan(attempts=6), progress))
        await progress.reached.wait()
        target.kill()
        await asyncio.to_thread(target.start)
        (outcome,) = await restoring
        assert (outcome.ok, outcome.proof.verdict, outcome.messages) == (True, "equal", 40_000)

    run(work())


def test_a_manifest_that_cannot_be_written_takes_everything_back(
    start: Any, store: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    create = store.create

    async def failing(key: str, content: bytes) -> None:
        if key.endswith("manifest.json"):
            raise MachineError.at(key, "the store failed", "look")
        await create(key, content)

    async def work() -> None:
        await fill(await connect(server.url), "S", 100)
        monkeypatch.setattr(store, "create", failing)
        with pytest.raises(MachineError, match="the store failed"):
            await run_backup(server.place, store, BackupPlan(), Silent())

    run(work())
    assert [path for path in (tmp_path / "backups").rglob("*") if path.is_file()] == []


def test_what_differs_after_the_transfer_is_named(
    start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "S", 3000)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        transfer = stream_restore.transfer

        async def and_delete(*arguments: Any) -> Passed:
            passed = await transfer(*arguments)
            for sequence in (7, 8, 2900):
                await other.jetstream().delete_msg("S", sequence)
            return passed

        monkeypatch.setattr(restore_module, "transfer", and_delete)
        (outcome,) = await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        assert (outcome.ok, outcome.proof.verdict) == (False, "differs")
        assert (outcome.proof.missing, outcome.proof.changed, outcome.proof.extra) == ((7, 8, 2900), (), ())

    run(work())


def test_a_reader_that_stalls_is_told_by_the_server(start: Any) -> None:
    server = start()

    async def work() -> None:
        await fill(await connect(server.url), "S", 40_000, 1000)
        async with server.place.open() as jetstream, open_snapshot(jetstream, "S") as snapshot:
            await anext(snapshot.chunks)
            await asyncio.sleep(8)
            with pytest.raises(SnapshotCutError, match="the server ended it with 408"):
                async for _ in snapshot.chunks:
                    pass

    run(work())
