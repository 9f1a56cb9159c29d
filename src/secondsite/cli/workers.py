"""Spreading a study over a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from secondsite.evaluate.study import Spread, here


@contextmanager
def spread_over(address: str) -> Iterator[Spread]:
    del address
    yield here
