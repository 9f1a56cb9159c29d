"""Fixtures of real servers and a store, all gone after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nats_world import Server

from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers, each with its own folder; all are gone after the test."""
    with ExitStack() as stack:

        def begin(name: str = "one", binary: Path | None = None, **settings: Any) -> Server:
            server = Server(tmp_path / "servers" / name, name, settings)
            server.binary = binary or server.binary
            stack.callback(server.kill)
            server.start()
            return server

        yield begin


@pytest.fixture
def store(tmp_path: Path) -> ObjectStorage:
    return ObjectStorage(parse_store(f"file://{tmp_path / 'archive'}"), make=True)
