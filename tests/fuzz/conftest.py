"""Every test here is bounded: ten seconds of the processor for one input, one GiB of memory over what there was."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOM_BYTES = 1 << 30


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """What asks for more gets a MemoryError, and that fails the test as any other error does."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
