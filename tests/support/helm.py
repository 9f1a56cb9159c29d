"""Helm, as `script/helm.py` fetches it or as it is on PATH, and what a chart of it renders."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from needed import missing
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FETCHED = ROOT / "build" / "helm" / "helm"


@pytest.fixture(scope="session")
def helm() -> str:
    found = str(FETCHED) if FETCHED.is_file() else shutil.which("helm")
    return found or missing("Helm is not installed: python3 script/helm.py (Linux), or put it on PATH")


def rendered(helm: str, chart: Path, *options: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects by kind and name."""
    command = [helm, "template", "release", str(chart), "--namespace", "nats", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    objects = [each for each in YAML(typ="safe").load_all(done.stdout) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}
