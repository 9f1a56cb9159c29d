"""Where evidence cannot be written, or is not what it says: an error with its place, and nothing half believed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from drilled import MANIFEST, Scenario, leave

from secondsite.drill.evidence import packed
from secondsite.drill.evidence.chain import write_chain
from secondsite.drill.evidence.chained_lines import FIRST, append_line, read_lines
from secondsite.drill.evidence.events import EventName, TimelineEvent, read_events, stopped
from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.evidence.redact import blanked
from secondsite.drill.evidence.register import CampaignSeries, register_campaign
from secondsite.drill.evidence.sound import sound_runs
from secondsite.drill.ledger.envelope import write_new
from secondsite.drill.ledger.finals import COPY_ROW, OLD_COPY_ROW, OLD_COPY_SCHEMA, CopyReader, SavedCopy
from secondsite.drill.ledger.ledger import Ledger, LedgerHeader, LedgerStream, read_ledger_header
from secondsite.drill.ledger.record import ANY_KEY, STRAY
from secondsite.model.errors import InputError, MachineError

HEADER = LedgerHeader("r1", 3, (LedgerStream("EVENTS", "events.load"),))


def test_a_line_that_cannot_be_added_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as error:
        append_line(tmp_path / "gone" / "a.register", FIRST, {"n": 1})
    assert error.value.problems[0].place.file.endswith("a.register")
    assert not (tmp_path / "gone").exists()


def test_a_line_that_does_not_fit_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.register"
    last = append_line(path, FIRST, {"n": 1})
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="No space left"):
        append_line(path, last, {"n": 2})
    assert path.read_bytes() == before
    assert [line["n"] for line in read_lines(path, "look")] == [1]


@pytest.mark.parametrize("text", [None, b"\xff\xfe"])
def test_lines_and_events_that_cannot_be_read_are_bad_input(tmp_path: Path, text: bytes | None) -> None:
    path = tmp_path / "timeline.jsonl"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(InputError, match="cannot be read"):
        list(read_lines(path, "look"))
    with pytest.raises(InputError, match="cannot be read"):
        read_events(path)


@pytest.mark.parametrize("line", ["{", "[]", "3", "{}", '{"previous": "0", "hash": "1"}'])
def test_a_line_that_is_none_breaks_the_chain_at_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.register"
    append_line(path, FIRST, {"n": 1})
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match="the hash chain breaks here") as error:
        list(read_lines(path, "look"))
    assert error.value.problems[0].place.line == 2


def test_no_folder_of_evidence_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError):
        EvidenceWriter.create(tmp_path / "file", MANIFEST)
    with pytest.raises(MachineError):
        register_campaign(tmp_path / "file", "1", "c", CampaignSeries("a", "b", "c", "d", ()), 1)


def test_the_thousandth_folder_of_a_name_is_refused(tmp_path: Path) -> None:
    with EvidenceWriter.create(tmp_path, MANIFEST) as writer:
        name = writer.folder.name
    for number in range(2, 1000):
        (tmp_path / f"{name}.{number}").mkdir()
    with pytest.raises(MachineError, match="give another --evidence folder"):
        EvidenceWriter.create(tmp_path, MANIFEST)


def test_what_cannot_be_kept_ends_the_drill(tmp_path: Path) -> None:
    with EvidenceWriter.create(tmp_path, MANIFEST) as writer:
        with pytest.raises(MachineError):
            writer.add_log(tmp_path / "no.log")
        with pytest.raises(MachineError):
            writer.write_json("manifest.json/below.json", {})
        (writer.folder / "manifest.json.new").touch()
    writer._end_timeline()
    with pytest.raises(MachineError) as error:
        writer.event("fault", 1, 1)
    assert error.value.problems[0].place.file.endswith("timeline.jsonl")


def test_a_chain_that_cannot_be_written_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = leave(tmp_path, Scenario())
    (folder / "chain.json").unlink(missing_ok=True)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="No space left"):
        write_chain(folder)
    assert sorted(folder.rglob("*")) == before


def test_a_run_that_cannot_be_packed_stays_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = leave(tmp_path, Scenario())
    target = folder.with_name(folder.name + packed.PACKED)
    target.mkdir()
    with pytest.raises(MachineError):
        packed.pack(folder)
    assert folder.is_dir()
    assert not target.with_name(target.name + ".new").exists()
    target.rmdir()
    monkeypatch.setattr(packed, "_MOST_BYTES", 100)
    with pytest.raises(ValueError, match="lie in it"):
        packed.pack(folder)
    assert folder.is_dir()
    assert not target.exists()


def test_what_stopped_a_procedure_is_told_in_its_words() -> None:
    def event(**data: object) -> TimelineEvent:
        return TimelineEvent(EventName.STOPPED, 1, 1, data)

    assert stopped([event(why="no leader")]) == "no leader"
    assert stopped([event(why="first"), event(why="last")]) == "last"
    assert stopped([event()]) == "the procedure stopped"
    assert stopped([]) == ""


def _manifest(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text())
        change(manifest)
        path.write_text(json.dumps(manifest))

    return changed


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda manifest: manifest.update(started_at="someday"), "its date 'someday' is not valid"),
        (lambda manifest: manifest.update(started_at="2026-11-25T10:00:00"), "2026-11-25"),
        (lambda manifest: manifest.pop("drill"), "manifest.json"),
    ],
)
def test_a_run_whose_manifest_is_none_proves_nothing(
    tmp_path: Path, change: Callable[[dict[str, object]], object], why: str
) -> None:
    leave(tmp_path, Scenario(), change=_manifest(change))
    found = sound_runs(tmp_path)
    assert found.runs == ()
    assert any(why in str(problem) for problem in found.problems), found.problems


def test_of_two_runs_with_one_id_the_second_proves_nothing(tmp_path: Path) -> None:
    first = leave(tmp_path, Scenario(manifest=evolve(MANIFEST, id="one")))
    second = leave(tmp_path, Scenario(manifest=evolve(MANIFEST, id="one"), back_s=90.0))
    found = sound_runs(tmp_path)
    assert [run.folder for run in found.runs] == [first]
    (problem,) = found.problems
    assert problem.place.file == str(second)
    assert problem.what == f"has the id of {first}, but is a different run"


def test_only_a_switch_in_the_data_plane_moves_with_the_checks() -> None:
    moves = {strategy: evolve(MANIFEST, strategy=strategy).moves_by_checks for strategy in (MANIFEST.strategy, "gone")}
    assert moves == {MANIFEST.strategy: False, "gone": False}
    assert evolve(MANIFEST, strategy=f"{MANIFEST.strategy}/failover-record").moves_by_checks


def test_a_secret_is_blanked_at_any_depth() -> None:
    found = blanked({"a": [{"b": "x s3cret y"}, ("s3cret",), 3], "password": ["z"]}, ["s3cret"])
    assert "s3cret" not in json.dumps(found)
    assert "z" not in str(found["password"])
    assert found["a"][2] == 3


# --- ledgers and copies -----------------------------------------------------------------------------------------


def test_a_disk_that_is_full_ends_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.create(tmp_path / "a.ledger", HEADER)
    real = ledger._descriptor
    ledger._descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(MachineError, match="No space left"):
            ledger.intend(0, 1, 100)
        assert ledger.next_sequence == 0, "nothing was promised"
    finally:
        os.close(ledger._descriptor)
        ledger._descriptor = real
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda _descriptor, record: len(record) - 1)
        with pytest.raises(MachineError, match="No space left"):
            ledger.intend(0, 1, 100)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _descriptor: os.truncate(tmp_path / "no", 0))
        with pytest.raises(MachineError):
            ledger.close()
    ledger.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(real)


@pytest.mark.parametrize(
    "header",
    [
        {"run": "r", "client": 1},
        {"run": "r", "client": "x", "streams": []},
        {"run": "r", "client": 1, "streams": [3]},
        {"run": "r", "client": 1, "streams": 3},
    ],
)
def test_a_header_that_is_no_ledgers_is_bad_input(tmp_path: Path, header: dict[str, object]) -> None:
    Ledger.create(tmp_path / "sound.ledger", HEADER).close()
    text = (tmp_path / "sound.ledger").read_bytes()
    length = int.from_bytes(text[8:16], "little")
    schema = json.loads(text[16 : 16 + length])["schema"]
    write_new(tmp_path / "a.ledger", {"schema": schema, **header})
    with pytest.raises(InputError, match="its header is not a ledger's"):
        read_ledger_header(tmp_path / "a.ledger")


def test_a_file_that_is_not_there_or_no_drills_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_ledger_header(tmp_path / "a.ledger")
    for content in (b"", b"SSRECS01", b"SSRECS01" + (1 << 24).to_bytes(8, "little"), b"SSRECS01\2\0\0\0\0\0\0\0{]"):
        (tmp_path / "a.ledger").write_bytes(content)
        with pytest.raises(InputError, match="not a file of secondsite/ledger"):
            read_ledger_header(tmp_path / "a.ledger")


def test_a_copy_keeps_what_is_no_clients_and_what_was_salvaged() -> None:
    reader = CopyReader("r1", "EVENTS", "west", "events.load")
    reader.take("", 1, "events.load.7", b"")
    reader.take("from elsewhere", 2, "events.other", b"", salvaged=True)
    found = reader.finished(complete=False, why_incomplete="it broke off")
    assert found.rows["identity"].tolist()[1] == STRAY
    assert "from elsewhere" in found.strays
    assert (found.salvaged, found.rows["key"].tolist()) == ((2,), [7, ANY_KEY])
    assert (found.complete, found.why_incomplete) == (False, "it broke off")
    assert found.rows["subject"].tolist()[0] == 0
    assert found.rows["subject"].tolist()[1] != 0
    for number in range(200):
        reader.take(f"stray {number}", 3 + number, "events.load.1", b"")
    assert len(reader.finished(complete=True).strays) == 100, "enough to know who it was"


@pytest.mark.parametrize(
    ("subject", "in_place", "key"),
    [
        ("jobs.7.a", True, 7),
        ("jobs.7.a.b", False, ANY_KEY),
        ("east.jobs.7.a", True, 7),
        ("orders.x", True, ANY_KEY),
        ("orders", False, ANY_KEY),
        ("other.9", False, 9),
    ],
)
def test_a_template_says_where_the_key_stands(subject: str, in_place: bool, key: int) -> None:
    reader = CopyReader("r1", "S", "west", "", prefixed=True, templates=("jobs.{key}.{any}", "orders.{some}"))
    reader.take("", 1, subject, b"")
    (row,) = reader.finished(complete=True).rows
    assert (int(row["subject"]) == 0, int(row["key"])) == (in_place, key)


def test_a_copy_of_an_older_version_is_read_without_payloads(tmp_path: Path) -> None:
    old = np.zeros(2, OLD_COPY_ROW)
    old["identity"], old["stream_sequence"], old["key"] = (5, 6), (1, 2), (7, 8)
    header = {"schema": OLD_COPY_SCHEMA, "stream": "S", "place": "west", "complete": True, "strays": []}
    write_new(tmp_path / "s.copy", {**header, "why_incomplete": ""}, old.tobytes())
    found = SavedCopy(tmp_path / "s.copy").load()
    assert found.rows.dtype == COPY_ROW
    assert [found.rows[name].tolist() for name in ("identity", "stream_sequence", "key")] == [[5, 6], [1, 2], [7, 8]]
    assert not found.rows["payload"].any()
    assert not found.compared
