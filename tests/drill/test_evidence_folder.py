"""Evidence holds what was written and no secret, and every later change of any byte in it is noticed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from drilled import MANIFEST, STEPS, Scenario, fill, leave
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondsite.drill.evidence import manifest as manifests
from secondsite.drill.evidence.chain import CHAIN, check_chain, last_hash
from secondsite.drill.evidence.events import EventName, step_runs
from secondsite.drill.evidence.folder import Below, EvidenceWriter, evidence_below, read_evidence, usual_folders
from secondsite.model.errors import InputError, MachineError
from secondsite.operate.journal import EntryKind, Journal

SMALL = Scenario(until_s=1.0, back_s=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return leave(tmp_path_factory.mktemp("evidence"), SMALL)


def _whats(folder: Path) -> list[str]:
    return [str(problem) for problem in check_chain(folder)]


def test_what_was_written_is_read_back(folder: Path) -> None:
    evidence = read_evidence(folder)
    assert evolve(evidence.manifest, id="", campaign="") == MANIFEST
    assert [run.id for run in step_runs(evidence.events)] == [step.id for step in STEPS]
    assert [path.name for path in evidence.ledgers] == ["0.ledger", "1.ledger"]
    assert check_chain(folder) == ()
    assert len(last_hash(folder)) == 64


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_changed_byte_is_noticed(folder: Path, data: st.DataObject) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    flip = data.draw(st.integers(1, 255))
    after = bytearray(before)
    after[place] ^= flip
    path.write_bytes(after)
    try:
        assert any(path.name in what for what in _whats(folder))
    finally:
        path.write_bytes(before)
    assert _whats(folder) == []


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_missing_and_added_files_are_named(own: Path) -> None:
    (own / "config" / "nats-1.conf").unlink()
    (own / "logs" / "new.log").write_text("hello")
    whats = _whats(own)
    assert len(whats) == 2
    assert "nats-1.conf: is missing" in whats[0]
    assert "new.log: was added" in whats[1]


@pytest.mark.parametrize("cut", [1, 2])
def test_a_chain_cut_short_is_noticed_even_when_the_files_go_too(own: Path, cut: int) -> None:
    chain = json.loads((own / CHAIN).read_text())
    for entry in chain["files"][-cut:]:
        (own / entry["path"]).unlink()
    chain["files"] = chain["files"][:-cut]
    (own / CHAIN).write_text(json.dumps(chain, indent=1) + "\n")
    assert any("was modified after the drill" in what for what in _whats(own))


def test_entries_that_were_moved_are_noticed(own: Path) -> None:
    from secondsite.drill.evidence.chain import SCHEMA, ChainEntry, _text

    chain = json.loads((own / CHAIN).read_text())
    first, second, *rest = (ChainEntry(**entry) for entry in chain["files"])
    assert chain["schema"] == SCHEMA
    (own / CHAIN).write_text(_text([second, first, *rest]))
    assert any("the hash chain breaks at" in what for what in _whats(own))


def test_a_drill_that_did_not_end_leaves_no_evidence(tmp_path: Path) -> None:
    with EvidenceWriter.create(tmp_path, MANIFEST) as writer:
        fill(writer, SMALL)
    assert any("no hash chain" in what for what in _whats(writer.folder))
    assert evidence_below(tmp_path) == Below((), (writer.folder,))


def test_a_folder_is_never_written_twice(tmp_path: Path) -> None:
    first, second = leave(tmp_path, SMALL), leave(tmp_path, SMALL)
    assert first != second
    assert evidence_below(tmp_path).ended == (first, second)
    assert evidence_below(second).ended == (second,)


_KILLED = """
import sys
from pathlib import Path
from drilled import MANIFEST, Scenario, fill
from secondsite.drill.evidence.folder import EvidenceWriter
with EvidenceWriter.create(Path(sys.argv[1]), MANIFEST) as writer:
    fill(writer, Scenario(until_s=1.0, back_s=None))
    print("ready", flush=True)
    for number in range(10**9):
        writer.event("tick", number=number)
"""


@pytest.mark.slow
def test_a_killed_drill_is_no_evidence_and_its_timeline_is_whole(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": "tests/support"}
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    below = evidence_below(tmp_path)
    closed, (left,) = below.ended, below.unfinished
    assert closed == ()
    assert len(read_evidence(left).events) >= 13


def test_no_secret_gets_into_evidence(tmp_path: Path) -> None:
    secrets = ["lab-secret-value", "kQ0/bW9uZXk="]
    log = tmp_path / "server.log"
    log.write_text("started\nAuthorization: Bearer eyJhbGciOi.abc.def\nkey kQ0/bW9uZXk= taken\n")
    with EvidenceWriter.create(tmp_path / "e", MANIFEST, secrets) as writer:
        fill(writer, SMALL)
        writer.add_config(
            "a.conf", 'users [{user: app, password: "app"}]\nurls: [nats-leaf://leaf:leafpw@127.0.0.1:7422]\n'
        )
        writer.add_log(log)
        (writer.ledgers / "client-0.json").write_text('{"api_key": "key-of-a-client", "keys": ["lab-secret-value"]}')
        writer.event("note", text='asked with "password: \\"hunter2\\"" and lab-secret-value', api_key="k")
        writer.close()
    everything = b"".join(path.read_bytes() for path in writer.folder.rglob("*") if path.is_file())
    for gone in (*secrets, "eyJhbGciOi", "leafpw", '"app"', "hunter2", '"k"', "key-of-a-client"):
        assert gone.encode() not in everything
    assert b"user: app" in everything
    assert b"started" in everything
    assert check_chain(writer.folder) == ()
    assert read_evidence(writer.folder).events


def test_a_secret_that_got_in_otherwise_stops_the_chain(tmp_path: Path) -> None:
    with EvidenceWriter.create(tmp_path, MANIFEST, ["lab-secret-value"]) as writer:
        (writer.finals / "odd.bin").write_bytes(b"\0" * (1 << 20) + b"lab-secret-value")
        with pytest.raises(MachineError, match=r"odd\.bin: holds a secret value"):
            writer.close()
    assert not (writer.folder / CHAIN).exists()


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now

    def wall(self) -> float:
        return self.now + 1.8e9

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_journal_tells_when_steps_began_and_ended(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, _Clock()) as journal:
        journal.append(EntryKind.PLAN, "", {})
        journal.append(EntryKind.INTENT, "fence", {})
        journal.append(EntryKind.INTENT, "fence", {})
        journal.append(EntryKind.OUTCOME, "fence", {"state": "done"})
        journal.append(EntryKind.INTENT, "promote-streams", {})
        journal.append(EntryKind.OUTCOME, "promote-streams", {"state": "failed", "why": "10055"})
    with EvidenceWriter.create(tmp_path / "e", MANIFEST) as writer:
        writer.take_journal(path)
    events = read_evidence(writer.folder).events
    (run,) = step_runs(events)
    assert (run.id, run.begin_ns, run.seconds) == ("fence", 102 * 10**9, 2.0)
    assert events[-1].name == EventName.STEP_END
    assert events[-1].data == {"step": "promote-streams", "state": "failed", "why": "10055"}


def test_a_folder_that_is_no_evidence_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not an evidence folder"):
        read_evidence(tmp_path)
    with pytest.raises(InputError, match="is not a drill manifest"):
        manifests.from_text("{}", "manifest.json")
    with pytest.raises(InputError, match="its schema is"):
        manifests.from_text('{"schema": "other/1"}', "manifest.json")


def test_committed_campaigns_count_without_being_named_and_a_folder_of_that_name_alone_does_not(tmp_path: Path) -> None:
    drilled = tmp_path / ".secondsite" / "evidence"
    assert usual_folders(tmp_path) == (drilled,)
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "minutes.pdf").touch()
    assert usual_folders(tmp_path) == (drilled,)
    (tmp_path / "evidence" / "20261128T000000-region-loss-a.campaign").touch()
    assert usual_folders(tmp_path) == (drilled, tmp_path / "evidence")
