"""The other examples, from their files to their documents, as `make demo EXAMPLE=…` runs them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.drills]

ROOT = Path(__file__).parents[2]
FIRST_PORT = 24222
"""Where the servers of `parcels` listen."""


@pytest.mark.parametrize("name", ["parcels", "harbour"])
def test_an_example_runs_to_its_documents(tmp_path: Path, name: str) -> None:
    example = tmp_path / "examples" / name
    shutil.copytree(ROOT / "examples" / name, example)
    (tmp_path / ".venv").symlink_to(sys.prefix)  # whole: Python looks for its packages from there
    done = subprocess.run(
        ["sh", ROOT / "script" / "demo.sh", f"examples/{name}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    documents = tmp_path / "build" / "demo" / name
    for document in ("report.html", "runbook.md", "dr-contracts.md", "multi-region-evaluation.md"):
        assert (documents / document).stat().st_size > 1000
    assert (
        "secondsite.yaml: up to date" in done.stdout
        or example.joinpath("secondsite.yaml").read_bytes()
        == (ROOT / "examples" / name / "secondsite.yaml").read_bytes()
    ), "the committed file is what init finds"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", FIRST_PORT)) != 0, "its servers have stopped"
