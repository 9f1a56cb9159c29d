"""Nothing is created before the servers of a group agree on one leader and count each other."""

from __future__ import annotations

from typing import Any

import pytest

from secondsite.lab.meta import agreed, meta_groups
from secondsite.model.strategy import Strategy
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.server_config import servers_of


@pytest.mark.parametrize(
    ("strategy", "sizes"),
    [
        ("warm-standby/supercluster-mirror", [6]),
        ("warm-standby/supercluster-mirror-witness", [7]),
        ("warm-standby/leafnode-mirror", [3, 3]),
        ("warm-standby/stretch", [3]),
    ],
)
def test_gateways_make_one_group_and_leaf_nodes_do_not(kit: Kit, strategy: str, sizes: list[int]) -> None:
    groups = meta_groups(servers_of(lay_out(Strategy.parse(strategy), kit)))
    assert sorted(len(group) for group in groups) == sizes


def _look(leader: str = "n1", size: int = 6) -> dict[str, Any]:
    return {"leader": leader, "cluster_size": size}


def test_one_leader_and_everybody_counted() -> None:
    assert agreed([_look()] * 6, 6)
    assert not agreed([_look(), None], 6), "one does not answer"
    assert not agreed([_look(), _look("n4")], 6), "two groups"
    assert not agreed([_look(), _look(size=3)], 6), "one has not heard of the others"
    assert not agreed([_look("")] * 6, 6), "no leader"
