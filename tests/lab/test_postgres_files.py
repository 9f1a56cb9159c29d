"""Who PostgreSQL's programs may run as: nobody else is there in a user namespace that has root alone."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from needed import missing
from postgres_pair import pair_deployment

from secondsite.lab import postgres_files
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.binaries import binary
from secondsite.lab.postgres_files import PACKAGE, copied, is_mapped, open_to_others, prefix, refused, tools
from secondsite.lab.postgres_fleet import PostgresFleet
from secondsite.model.errors import MachineError
from secondsite.model.store import RunningStore


@pytest.mark.parametrize(
    ("text", "mapped"),
    [
        ("         0          0 4294967295\n", True),
        ("         0          0          1\n", False),
        ("0 1000 1\n1 100000 65536\n", True),
        ("0 1000 1\n1 100000 65533\n", False),
        ("", False),
    ],
)
def test_another_user_is_there_where_the_namespace_has_one(text: str, mapped: bool, tmp_path: Path) -> None:
    (tmp_path / "uid_map").write_text(text)
    assert is_mapped(65534, tmp_path / "uid_map") is mapped


def test_without_such_a_map_every_user_is_there(tmp_path: Path) -> None:
    assert is_mapped(65534, tmp_path / "uid_map")


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(postgres_files, "OPEN", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """As installed by root below /root: nobody else gets there."""
    tmp_path.chmod(0o700)
    server = binary(PACKAGE, "postgres")
    assert server is not None
    package = server.parents[2]
    for part in (package, *package.parent.glob(f"{package.name}.libs")):
        shutil.copytree(part, tmp_path / part.name, symlinks=True)
    return tmp_path / server.parent.relative_to(package.parent)


@pytest.mark.slow
def test_installed_where_others_may_not_go_it_runs_from_a_copy(closed: Path, open_folder: Path) -> None:
    assert not open_to_others(closed)
    there = copied(closed)
    assert there.is_relative_to(open_folder)
    assert open_to_others(there)
    assert copied(closed) == there, "made once"
    asked = [*prefix(), str(there / "initdb"), "--pgdata", str(closed / "data"), "--no-sync", "--show"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert "could not" not in found.stderr
    assert f"share_path={there.parent}/share" in found.stderr


def test_a_copy_that_somebody_else_may_change_is_not_run(closed: Path, open_folder: Path) -> None:
    there = open_folder / copied(closed).relative_to(open_folder).parts[0]
    there.chmod(0o777)
    with pytest.raises(MachineError, match="other users may write there"):
        copied(closed)
    there.rename(open_folder / "elsewhere")
    there.symlink_to(open_folder / "elsewhere")
    with pytest.raises(MachineError, match="other users may write there"):
        copied(closed)


def _fleet(version: str, folder: Path) -> PostgresFleet:
    """Of a system whose servers told this version."""
    if tools() is None:
        missing("PostgreSQL is not installed: pip install 'secondsite[lab]'")
    deployment = pair_deployment(running=RunningStore(version=version))
    regions = tuple(site.region.name for site in deployment.sites)
    return PostgresFleet(deployment, LabAddresses(0, regions, ""), folder, wanted=True)


@pytest.mark.parametrize(("version", "major"), [("13.4", "13"), ("", "16")])
def test_what_a_server_told_is_believed_first_and_another_version_is_said(
    version: str, major: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_files, "PACKAGED", (str(tmp_path / "{major}"),))
    (replaced,) = _fleet(version, tmp_path).replaced()
    said = f"PostgreSQL {major} of postgres is not installed (apt-get install postgresql-{major}): "
    assert replaced.startswith(said)


def test_the_major_version_that_the_system_runs_is_played_where_all_its_programs_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_files, "PACKAGED", (str(tmp_path / "{major}"),))
    there, programs = tmp_path / "13", ("postgres", "initdb", "pg_ctl", "pg_basebackup", "pg_rewind")
    there.mkdir()
    for name in programs:
        assert _fleet("13.4", tmp_path).programs["postgres"] != there, "a client's package has no server"
        (there / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 13.22 (Debian 13.22-0)'\n")
        (there / name).chmod(0o755)
    fleet = _fleet("13.4", tmp_path)
    assert fleet.programs == {"postgres": there}
    assert fleet.replaced() == ()
    assert list(fleet.digests()) == ["PostgreSQL 13.22"]
    assert _fleet("18.1", tmp_path).programs == {"postgres": tools()}, "the wheel's own is pinned"


def test_a_user_without_a_name_is_told_that_databases_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that is given a number as its user: initdb ends with an error there."""
    with monkeypatch.context() as unnamed:
        unnamed.setattr("os.geteuid", lambda: 65532)
        unnamed.setattr("pwd.getpwuid", {}.__getitem__)
        assert "user 65532, who has no entry in /etc/passwd" in refused()
        assert tools() is None
        unnamed.setattr("pwd.getpwuid", lambda _user: "somebody")
        assert refused() == ""
