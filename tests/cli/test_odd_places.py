"""A number at the edge, a user without a home, a file that does not exist: told, and never a traceback."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run
from secondsite.model.errors import EXIT_BAD_INPUT, EXIT_DOES_NOT_HOLD, InputError
from secondsite.model.operate import PathHeader, WritePath
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage
from secondsite.operate.http_path import client_path

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents"
HEAVY = {"numpy", "scipy", "nats", "jinja2", "cryptography", "obstore", "ruamel", "cattrs", "httpx2", "starlette"}


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As uid 65532 in a container: no HOME, and the system knows no such user."""

    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "USER", "LOGNAME", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize(
    ("verb", "confidence"),
    [
        *((["audit"], confidence) for confidence in ("5e-324", "1e-17", "0", "1", "-1", "1.5", ".nan", ".inf")),
        (["evaluate", "--years", "200"], "5e-324"),
        (["verify"], "5e-324"),
        (["publish", "x", "--check"], "5e-324"),
    ],
)
def test_a_confidence_that_promises_nothing_is_refused_at_its_line(
    verb: list[str], confidence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (EXAMPLE / "secondsite.yaml").read_text("utf-8")
    path = tmp_path / "secondsite.yaml"
    path.write_text(text.replace("confidence: 0.9", f"confidence: {confidence}", 1), "utf-8")
    assert run([*verb, "--file", str(path)]) == EXIT_BAD_INPUT
    assert f"{path}:" in capsys.readouterr().err


@pytest.mark.parametrize("subject", ["$JS.API.>", ">", "a..b", "a b"])
def test_a_subject_that_no_server_takes_is_refused_before_it_is_rendered(
    subject: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (EXAMPLE / "secondsite.yaml").read_text("utf-8")
    path = tmp_path / "secondsite.yaml"
    path.write_text(text.replace("subjects: [agentese.>]", f"subjects: ['{subject}']", 1), "utf-8")
    arguments = ["render", str(tmp_path / "out"), "--file", str(path), "--domain", "nats.example.com"]
    assert run([*arguments, "--strategy", "warm-standby/leafnode-mirror"]) == EXIT_BAD_INPUT
    assert f"{path}:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("nobody")
def test_a_user_without_a_home_is_told_what_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backup", "--context", "east", "--to", "file:///x"]) == EXIT_BAD_INPUT
    assert "no home directory" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"file:~/token cannot be read"):
        client_path(WritePath("http://h/", headers=(PathHeader("X-API-Key", "file:~/token"),)))
    ObjectStorage(parse_store("s3://bucket/prefix"))  # asks for no home of its own
    assert run(["audit", "--file", str(EXAMPLE / "secondsite.yaml"), "--brief"]) == EXIT_DOES_NOT_HOLD


def test_evidence_that_leads_nowhere_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.evidence").symlink_to("/nonexistent")
    arguments = ["--file", str(EXAMPLE / "secondsite.yaml"), "--evidence", str(tmp_path)]
    assert run(["verify", *arguments]) == EXIT_DOES_NOT_HOLD
    out = "".join(capsys.readouterr().out.split())  # a long path is broken wherever a line ends
    assert "run.evidence:leadsnowhere" in out


def test_a_url_with_a_hash_in_its_password_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NATS_URL", "nats://u:p#x@127.0.0.1:1")
    assert run(["backup", "--to", f"file://{tmp_path}"]) == 4
    assert capsys.readouterr().err.startswith("nats://127.0.0.1:1: the connection was refused")


def test_help_loads_nothing_heavy() -> None:
    """What makes it slow, without a clock."""
    told = "import sys; from secondsite.cli.__main__ import run; run(['--help']); print('\\n', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, env=os.environ)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert loaded & HEAVY == set()
