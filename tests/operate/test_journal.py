"""The journal survives what kills its writer, and shows what was changed in it."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from secondsite.model.errors import InputError, MachineError
from secondsite.operate.journal import EntryKind, Journal, StepState, _is_at, archive, read_journal, records
from secondsite.operate.live import RealClock


def _write(path: Path, steps: int) -> list[str]:
    with Journal(path, RealClock()) as journal:
        for number in range(steps):
            journal.append(EntryKind.INTENT, f"s{number}", {})
            journal.append(EntryKind.OUTCOME, f"s{number}", {"state": "done", "facts": {"n": number}})
        return [entry.hash for entry in journal.entries]


@settings(max_examples=30, deadline=None)
@given(cut=some.integers(1, 4000))
def test_cut_anywhere_it_opens_with_its_whole_lines(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "journal"
    hashes = _write(path, 5)
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    whole = content[: max(0, len(content) - cut)].count(b"\n")
    with Journal(path, RealClock()) as journal:
        assert [entry.hash for entry in journal.entries] == hashes[:whole]
        journal.append(EntryKind.NOTE, "", {"after": "the cut"})
    assert len(read_journal(path)) == whole + 1


@pytest.mark.parametrize("line", [0, 3, 9])
def test_a_changed_entry_is_named(tmp_path: Path, line: int) -> None:
    path = tmp_path / "journal"
    _write(path, 5)
    lines = path.read_text().splitlines()
    changed = json.loads(lines[line])
    changed["wall"] += 1
    lines[line] = json.dumps(changed, sort_keys=True)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=f"journal:{line + 1}: .*modified"):
        read_journal(path)


def test_a_removed_entry_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _write(path, 5)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:4] + lines[5:]))
    with pytest.raises(InputError, match="does not match"):
        Journal(path, RealClock())


def test_one_controller_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, RealClock()):
        with pytest.raises(MachineError, match="another controller"):
            Journal(path, RealClock())
        assert read_journal(path) == []
    Journal(path, RealClock()).__exit__(None, None, None)


def test_an_intent_without_an_outcome_was_interrupted(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal", RealClock()) as journal:
        journal.append(EntryKind.INTENT, "fence", {})
        assert records(journal.entries)["fence"].state is StepState.INTERRUPTED
        journal.append(EntryKind.OUTCOME, "fence", {"state": "failed", "why": "no", "remedy": "yes"})
        journal.append(EntryKind.INTENT, "fence", {})
        journal.append(EntryKind.OUTCOME, "fence", {"state": "done", "facts": {"state": "fenced"}})
        found = records(journal.entries)["fence"]
    assert (found.state, found.attempts, found.facts) == (StepState.DONE, 2, {"state": "fenced"})


def test_a_disk_without_room_leaves_a_whole_journal(tmp_path: Path) -> None:
    """What could not be written is taken back, so that the next line begins at the start of one."""
    path = tmp_path / "journal"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path, RealClock()) as journal:
        journal.append(EntryKind.INTENT, "fence", {})
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 40, hard))
            with pytest.raises(MachineError, match=r"cannot be written .*free disk space"):
                journal.append(EntryKind.OUTCOME, "fence", {"state": "done"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        journal.append(EntryKind.OUTCOME, "fence", {"state": "done", "facts": {}})
    assert [entry.kind for entry in read_journal(path)] == [EntryKind.INTENT, EntryKind.OUTCOME]


def test_a_torn_line_is_said(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _write(path, 1)
    with path.open("ab") as file:
        file.write(b'{"number": 2, "ki')
    with Journal(path, RealClock()) as journal:
        assert journal.torn_bytes == 17
    with Journal(path, RealClock()) as journal:
        assert journal.torn_bytes == 0


def test_a_torn_first_line_is_no_entry_to_whoever_looks(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"number": 1, "ki')
    assert read_journal(path) == []


def test_what_was_archived_meanwhile_is_not_written_to(tmp_path: Path) -> None:
    """Opened, and moved away before it was locked."""
    path = tmp_path / "journal"
    _write(path, 1)
    with Journal(path, RealClock()) as journal:
        other = os.open(path, os.O_RDWR)
        archived = archive(journal)
    assert archived.parent == tmp_path / "operations"
    assert not _is_at(path, other)
    os.close(other)
    with Journal(path, RealClock()) as journal:
        assert journal.entries == []
