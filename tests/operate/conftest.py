"""Two regions that run, and nothing left of them afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from region_pair import AWAY, HOME, Pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    found = Pair(tmp_path_factory.mktemp("pair"))
    try:
        for region in (HOME, AWAY):
            found.start(region)
        yield found
    finally:
        for region in (HOME, AWAY):
            found.kill(region)
