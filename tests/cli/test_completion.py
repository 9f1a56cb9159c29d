"""A shell completes verbs and options with the script that is printed for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run

pytestmark = pytest.mark.slow

COMPLETE = """
source "$1"; shift
COMP_WORDS=(secondsite "$@"); COMP_CWORD=$#; COMP_LINE="secondsite $*"; COMP_POINT=${#COMP_LINE}
_secondsite; printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(params=["bash", "zsh", "fish"])
def script(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, Path]:
    assert run(["completion", request.param]) == 0
    path = tmp_path / f"secondsite.{request.param}"
    path.write_text(capsys.readouterr().out, "utf-8")
    return request.param, path


def test_the_shell_takes_it(script: tuple[str, Path]) -> None:
    shell, path = script
    assert "evaluate" in path.read_text("utf-8")
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(path)], check=True)


@pytest.mark.parametrize(("words", "expected"), [(["ev"], "evaluate"), (["evaluate", "--expl"], "--explain")])
def test_bash_completes(words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash"]) == 0
    path = tmp_path / "completion.bash"
    path.write_text(capsys.readouterr().out, "utf-8")
    found = subprocess.run(
        ["bash", "-c", COMPLETE, "bash", str(path), *words], check=True, capture_output=True, text=True
    )
    assert expected in found.stdout.split()


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"]) == 2
    capsys.readouterr()
