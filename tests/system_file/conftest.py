"""A small system, to be edited by the tests."""

from __future__ import annotations

import pytest

from secondsite.model.load import Load
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.place import Place
from secondsite.model.region import Region
from secondsite.model.service import Service
from secondsite.model.system import System
from secondsite.model.units import Bytes


@pytest.fixture
def system() -> System:
    read = {
        path: Mark(Knowledge.READ, Place("api.yaml", line))
        for line, path in enumerate(
            ("services.api", "services.api.replicas", "services.api.memory_limit", "services.api.ports"), 1
        )
    }
    return System(
        "shop",
        Region("aws", "us-east-1"),
        services=(
            Service("api", replicas=2, memory_limit_bytes=Bytes(512 * 2**20), ports=(8000,), depends_on=("redis",)),
            Service("redis"),
        ),
        load=Load(mean_per_s=40.0),
        marks={
            **read,
            "services.redis": Mark(Knowledge.READ, Place("redis.yaml", 4)),
            "load.mean_per_s": Mark(Knowledge.ASSUMED, why="no metrics were read"),
        },
    )
