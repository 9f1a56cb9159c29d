"""What listens does so on loopback, unless somebody says otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "secondsite"
EVERYWHERE = re.compile(
    r"""0\.0\.0\.0|["']::["']|INADDR_ANY|(?:host|bind|address)\s*=\s*["']["']|[\[(,]\s*["']["']\s*,\s*\w*port"""
)
MEANT = {
    "strategies/deployed_addresses.py",  # a pod's own servers, behind network policies
    "cli/backup.py",  # the help of --metrics-host
    "cli/archive.py",  # the same
    "archive/manifests.py",  # a pod that is scraped
    "publish/deploy/watch.py",  # a pod that watches ask
}


def test_nothing_of_ours_listens_everywhere() -> None:
    found = {
        path.relative_to(SRC).as_posix()
        for path in SRC.rglob("*.py")
        if any(EVERYWHERE.search(line) for line in path.read_text("utf-8").splitlines())
    }
    assert found - MEANT == set()


@pytest.mark.parametrize(
    "line",
    [
        'serve("0.0.0.0", 80)',
        'bind(("::", 1))',
        "host = ''",
        'make_server("", port)',
        'asyncio.start_server(f, host="")',
    ],
)
def test_the_look_sees_what_it_should(line: str) -> None:
    assert EVERYWHERE.search(line)
