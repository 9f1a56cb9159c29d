"""The same stream comes back: every kind, on every version, alone and on three servers; what cannot be is said.

One table, `CANNOT`, holds what a version does not do; everything else has to be equal: messages, state, deleted gaps,
configuration field by field, consumers with their positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nats_world import Server, binary_of, cluster_place, connect, run, three_servers
from stream_kinds import CANNOT, CASES, KINDS, api, facts, make, wear

from secondsite.backup.inventory import choose_backup
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.target import differences
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def begin(version: str, count: int, name: str) -> list[Server]:
            binary = binary_of(version)
            if count == 3:
                return stack.enter_context(three_servers(tmp_path / name, binary))
            server = Server(tmp_path / name, name, binary=binary)
            stack.callback(server.kill)
            server.start()
            return [server]

        yield begin


@pytest.mark.parametrize(("version", "count"), CASES)
def test_the_same_stream_comes_back(version: str, count: int, servers: Any, store: ObjectStorage) -> None:
    source, target = servers(version, count, "source"), servers(version, count, "target")
    kinds = [kind for kind in KINDS if version not in CANNOT.get(kind, ())]

    async def work() -> None:
        client, other = await connect(source[0].url), await connect(target[0].url)
        for kind in kinds:
            await make(client, kind, count)
        for kind in kinds:
            await wear(client, kind)
        await run_backup(cluster_place(source), store, BackupPlan(parallel=4), Silent())
        before = {kind: await facts(client, kind) for kind in kinds}
        configs = {kind: (await api(client, f"STREAM.INFO.{kind}"))["config"] for kind in kinds}
        manifest = await choose_backup(store)
        plan = RestorePlan(parallel=4)
        outcomes = await run_restore(cluster_place(target), store, manifest, plan, Silent())
        told = {item.stream: (item.error, item.missing_consumers, item.proof.verdict) for item in outcomes}
        assert told == dict.fromkeys(kinds, ("", (), "equal"))
        for item in outcomes:
            found = (await api(other, f"STREAM.INFO.{item.stream}"))["config"]
            wanted = configs[item.stream]
            if item.stream == "SOURCED":  # from 2.15 on it says where it goes on
                found = {**found, "sources": [{"name": "LIMITS"}]}
            assert differences(wanted, found) == ()
            assert item.differences == ()
            assert await facts(other, item.stream) == before[item.stream], item.stream

    run(work())
