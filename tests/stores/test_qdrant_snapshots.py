"""Snapshots of Qdrant: its own engine saves and restores them; the HTTP around it is the lab's."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_pair import EXAMPLE
from qdrant_engine import Engine, qdrant_engine

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.__main__ import run
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.qdrant_process import version
from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.action import ManualContext
from secondsite.operate.verbs import commands
from secondsite.stores.postgres_place import StoreRefusedError
from secondsite.stores.qdrant import QdrantPlace, QdrantServer
from secondsite.strategies.compose import lay_out, procedures
from secondsite.strategies.design import Kit

KEY = "k3y-of-the-test"
PEOPLE = "people & places"
HELD = {"docs": list(range(1500)), PEOPLE: [7, 9], "empty": list[int]()}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    with qdrant_engine(KEY, tmp_path / "here") as server:
        server.fill(HELD)
        yield server


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One that is only asked."""
    with qdrant_engine(KEY, tmp_path_factory.mktemp("asked")) as server:
        server.fill({"docs": [1]})
        yield server


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Engine]:
    with qdrant_engine(KEY, tmp_path / "there") as server:
        yield server


def _door(server: Engine, key: str = KEY) -> QdrantServer:
    return QdrantServer(QdrantPlace(server.url, key))


def test_every_collection_comes_back_elsewhere_with_its_points(
    here: Engine,
    there: Engine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QDRANT_KEY", KEY)
    saved, key = tmp_path / "saved", ["--key", "env:QDRANT_KEY"]
    assert run(["qdrant", "save", here.url, "--folder", str(saved), *key]) == 0
    assert here.snapshots() == []  # none is left on the disk of the server
    assert run(["qdrant", "restore", there.url, "--folder", str(saved), *key]) == 0
    assert there.points() == here.points() == HELD
    assert run(["qdrant", "status", there.url, *key]) == 0
    printed = capsys.readouterr().out
    assert "docs: 1,500 points" in printed
    assert f"Qdrant {version()}: 3 collections, 1,502 points" in printed
    assert KEY not in printed + "".join(path.read_text(errors="replace") for path in saved.iterdir())


def test_nothing_is_overwritten_unasked(here: Engine, there: Engine, tmp_path: Path) -> None:
    _door(here).save(tmp_path / "saved")
    there.fill({"docs": [1]})
    with pytest.raises(InputError, match="already has docs"):
        _door(there).restore(tmp_path / "saved")
    assert there.points() == {"docs": [1]}
    _door(there).restore(tmp_path / "saved", replace=True)
    assert there.points() == HELD
    with pytest.raises(InputError, match="earlier snapshots"):
        _door(here).save(tmp_path / "saved")


def test_what_is_damaged_or_comes_back_short_is_red(here: Engine, there: Engine, tmp_path: Path) -> None:
    here.wrong.truncates = True
    with pytest.raises(MachineError, match="arrived damaged"):
        _door(here).save(tmp_path / "cut")
    assert here.snapshots() == []
    here.wrong.truncates = False
    _door(here).save(tmp_path / "saved")
    there.wrong.forgets = 1
    with pytest.raises(MachineError, match="came back with 1,499 points, and had 1,500"):
        _door(there).restore(tmp_path / "saved")
    file = tmp_path / "saved" / "docs.snapshot"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="was changed"):
        _door(there).restore(tmp_path / "saved", replace=True)
    file.unlink()
    with pytest.raises(InputError, match="is missing"):
        _door(there).restore(tmp_path / "saved", replace=True)


def test_silence_and_a_refusal_are_two_things(asked: Engine) -> None:
    with pytest.raises(StoreRefusedError, match="refuses"):
        _door(asked, "wrong").collections()
    with pytest.raises(MachineError, match="does not answer") as silent:
        QdrantServer(QdrantPlace("http://127.0.0.1:9", within_s=1.0)).collections()
    assert not isinstance(silent.value, StoreRefusedError)
    assert KEY not in repr(QdrantPlace(asked.url, KEY))


@pytest.mark.parametrize("words", [["http://me:s3cret@q:6333"], ["http://q:6333", "--key", "s3cret"], ["q:6333"]])
def test_a_key_on_the_command_line_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["qdrant", "status", *words]) == 2
    assert "s3cret" not in "".join(capsys.readouterr())


def test_the_command_that_the_runbook_prints_restores_it(
    here: Engine, there: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit.of(load_system(EXAMPLE), load_catalogue())
    deployment = lay_out(Strategy.parse("backup-restore/backup"), kit)
    over = procedures(deployment, kit)[Fault.REGION]
    (step,) = [each for each in over.steps if each.verb is Verb.RESTORE_STORES]
    lines = commands(ManualContext(deployment, over, kit.second.name, Fault.REGION), step)
    (line,) = [each for each in lines if each.startswith("secondsite qdrant")]
    _door(here).save(tmp_path / "saved")
    typed = line.replace("http://127.0.0.1:6333", there.url).replace("$SNAPSHOTS", str(tmp_path / "saved"))
    monkeypatch.setenv("QDRANT_KEY", KEY)
    assert run([*shlex.split(typed)[1:], "--key", "env:QDRANT_KEY"]) == 0
    assert there.points() == HELD


@pytest.mark.parametrize(
    "content", [[], {}, {"result": None}, {"result": {"count": "many"}}, {"result": {"count": True}}]
)
@pytest.mark.parametrize("end", ["/points/count", "/snapshots"])
def test_what_answers_as_no_qdrant_does_is_named(asked: Engine, content: object, end: str, tmp_path: Path) -> None:
    asked.wrong.instead = {end: content}
    with pytest.raises(MachineError, match="like a Qdrant server"):
        _door(asked).save(tmp_path / "saved")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"collections": [{}]}', '{"collections": 3}', '{"collections": [{"name": 1}]}']
)
def test_a_list_that_is_none_is_refused(asked: Engine, text: str, tmp_path: Path) -> None:
    (tmp_path / "qdrant.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is not a list of saved snapshots"):
        _door(asked).restore(tmp_path)
