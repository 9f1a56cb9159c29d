"""A run in one file: smaller, the same byte for byte, judged alike, and every change in it noticed."""

from __future__ import annotations

import io
import lzma
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from drilled import API, NATS, Scenario, leave
from hypothesis import given, settings
from hypothesis import strategies as st

from secondsite.cli.verify import verify
from secondsite.drill.evidence import campaign, register
from secondsite.drill.evidence.columns import folded, unfolded
from secondsite.drill.evidence.folder import check_chain, evidence_below, read_evidence
from secondsite.drill.evidence.packed import PACKED, pack
from secondsite.drill.ledger.ledger import Ledger, LedgerHeader, LedgerStream
from secondsite.drill.ledger.record import Status
from secondsite.drill.verdict.judge import judge
from secondsite.drill.verdict.judgement import verdicts_json
from secondsite.drill.verdict.measurements import find_runs
from secondsite.model.errors import InputError

SMALL = Scenario(until_s=20.0)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _runs(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.suffix not in (campaign.SUFFIX, register.SUFFIX))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(leave(tmp_path_factory.mktemp("packed"), SMALL))


def test_a_packed_run_is_one_small_file_with_the_same_bytes(tmp_path: Path) -> None:
    folder = leave(tmp_path, SMALL)
    before = _files(folder)
    path = pack(folder)
    assert path == folder.with_name(folder.name + PACKED)
    assert _runs(tmp_path) == [path.name]
    assert _files(read_evidence(path).folder) == before
    assert path.stat().st_size * 4 < sum(map(len, before.values()))


def test_packing_again_gives_the_same_file(tmp_path: Path) -> None:
    one = leave(tmp_path / "a", SMALL)
    other = shutil.copytree(one, tmp_path / "b" / one.name)
    assert pack(one).read_bytes() == pack(other).read_bytes()


def test_both_forms_are_judged_alike(tmp_path: Path) -> None:
    folder = leave(tmp_path, SMALL)
    before = verdicts_json(judge(read_evidence(folder), [API, NATS]))
    path = pack(folder)
    assert check_chain(path) == ()
    assert verdicts_json(judge(read_evidence(path), [API, NATS])) == before
    assert evidence_below(tmp_path).ended == (path,)
    assert [str(run.evidence.path) for run in find_runs(tmp_path).runs] == [str(path)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_changed_byte_of_a_packed_run_is_noticed(packed: Path, data: st.DataObject) -> None:
    """Or changes nothing that is read: a compressor has bytes of that kind."""
    raw = bytearray(packed.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    other = packed.with_name(f"changed{PACKED}")
    other.write_bytes(raw)
    problems = check_chain(other)
    if problems:
        assert all(str(other) in str(problem) for problem in problems)
    else:
        assert _files(read_evidence(other).folder) == _files(read_evidence(packed).folder)


def test_a_folder_that_was_changed_is_not_packed(tmp_path: Path) -> None:
    folder = leave(tmp_path, SMALL)
    (folder / "config" / "nats-1.conf").write_text("server_name: other\n")
    with pytest.raises(InputError, match=r"nats-1\.conf: was changed"):
        pack(folder)
    assert _runs(tmp_path) == [folder.name]


def test_a_file_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO(b""))
    path = tmp_path / f"bad{PACKED}"
    path.write_bytes(lzma.compress(made.getvalue()))
    (problem,) = check_chain(path)
    assert "cannot be unpacked: ../outside does not belong in evidence" in str(problem)


def test_a_ledger_with_a_torn_end_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "0.ledger"
    with Ledger.create(path, LedgerHeader("r", 0, (LedgerStream("EVENTS", "events"),))) as ledger:
        for number in range(500):
            sequence = ledger.intend(0, number % 7, 100)
            ledger.outcome(sequence, 0, number % 7, Status.STORED, stream_sequence=number + 1, endpoint=5)
    raw = path.read_bytes() + b"torn"
    made = folded(raw)
    assert made is not None
    assert unfolded(made) == raw
    assert len(lzma.compress(made)) * 2 < len(lzma.compress(raw))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_records_come_back(packed: Path, noise: bytes) -> None:
    raw = (read_evidence(packed).folder / "ledger" / "0.ledger").read_bytes()[:-2000] + noise
    made = folded(raw)
    assert made is not None
    assert unfolded(made) == raw


def test_what_is_no_file_of_records_is_not_folded() -> None:
    for raw in (b"", b"text", b"SSRECS01" + (9).to_bytes(8, "little") + b"{}", np.arange(99).tobytes()):
        assert folded(raw) is None


def test_verify_packs_what_it_found_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "evidence"
    sound, changed = leave(root, SMALL), leave(root, SMALL)
    (changed / "config" / "nats-1.conf").write_text("server_name: other\n")
    assert verify(evidence=(sound, changed), pack=True) == 1
    assert _runs(root) == sorted([sound.name + PACKED, changed.name])
    assert f"packed: {sound}{PACKED}" in capsys.readouterr().err
