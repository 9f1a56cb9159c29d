"""Which Kubernetes cluster a region is: a part of what is approved, and looked at by whoever types."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from secondsite.cli.operating_options import shown_clusters
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, RegionCluster
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.action import ManualContext
from secondsite.operate.shell import same_cluster
from secondsite.operate.verbs import commands
from secondsite.strategies.compose import failover, lay_out
from secondsite.strategies.design import Kit

AWAY, UID = "us-west-2", "4f9c3a1e-0000-4000-8000-000000000001"


def _typed(kit: Kit, operate: Operate | None) -> tuple[str, ...]:
    ready = evolve(kit, system=evolve(kit.system, operate=operate))
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), ready)
    procedure = failover(deployment, ready, Fault.REGION)
    step = next(one for one in procedure.steps if one.verb is Verb.SCALE_SERVICES)
    return commands(ManualContext(deployment, procedure, AWAY, Fault.REGION), step)


def test_services_are_scaled_only_in_the_cluster_that_is_named(kit: Kit) -> None:
    operate = Operate(clusters=(RegionCluster(AWAY, UID), RegionCluster("us-east-1", "another")))
    first, *rest = _typed(kit, operate)
    assert first == same_cluster(AWAY, UID)
    assert tuple(rest) == _typed(kit, None)


@pytest.mark.parametrize(("uid", "code"), [(UID, 0), ("another", 1)])
def test_another_cluster_behind_the_context_ends_it(tmp_path: Path, uid: str, code: int) -> None:
    stand_in = tmp_path / "kubectl"
    stand_in.write_text(f"#!/bin/sh\nprintf %s {uid}\n")
    stand_in.chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    assert subprocess.run(["sh", "-c", same_cluster(AWAY, UID)], env=path, check=False).returncode == code


def test_it_is_part_of_what_is_approved_and_said_to_be_unchecked(kit: Kit) -> None:
    system = evolve(kit.system, operate=Operate(clusters=(RegionCluster(AWAY, UID),)))
    assert shown_clusters(system, {}) == {"Kubernetes clusters": {AWAY: f"{UID} (not checked here)"}}
    assert shown_clusters(kit.system, {}) == {}
