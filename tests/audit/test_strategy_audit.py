"""Strategies as they are laid out: the audit tells the two-region super-cluster from what can work."""

from __future__ import annotations

import pytest

from secondsite.audit.registry import audit
from secondsite.model.hazard import Severity
from secondsite.model.strategy import Strategy
from secondsite.strategies.compose import failback, lay_out, procedures
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES


def rules_of(kit: Kit, strategy: Strategy, *, prepared: bool, severity: Severity = Severity.LOW) -> set[str]:
    deployment = lay_out(strategy, kit, prepared=prepared)
    found = procedures(deployment, kit)
    back = (failback(deployment, kit),) if len(deployment.sites) > 1 else ()
    hazards = audit(kit.system, deployment, (*found.values(), *back))
    return {hazard.rule for hazard in hazards if hazard.severity.rank <= severity.rank}


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_a_prepared_strategy_has_no_fatal_hazard(kit: Kit, strategy: Strategy) -> None:
    assert rules_of(kit, strategy, prepared=True, severity=Severity.FATAL) == set()


@pytest.mark.parametrize("link", ["supercluster-mirror", "supercluster-mirror-witness", "leafnode-mirror"])
def test_mirrors_on_today_s_version_are_fatal(kit: Kit, link: str) -> None:
    fatal = rules_of(kit, Strategy.parse(f"warm-standby/{link}"), prepared=False, severity=Severity.FATAL)
    assert "nats-promotion-refused" in fatal
    assert ("nats-promotion-without-leader" in fatal) is (link == "supercluster-mirror")


@pytest.mark.parametrize(
    ("strategy", "breaks"),
    [
        ("warm-standby/supercluster-mirror", True),
        ("warm-standby/supercluster-mirror-witness", False),
        ("warm-standby/leafnode-mirror", False),
        ("warm-standby/stretch", False),
        ("active-active/sourced/weighted", False),
    ],
)
def test_only_the_two_region_super_cluster_loses_its_meta_majority(kit: Kit, strategy: str, breaks: bool) -> None:
    assert ("nats-meta-quorum" in rules_of(kit, Strategy.parse(strategy), prepared=True)) is breaks


@pytest.mark.parametrize("strategy", ["warm-standby/leafnode-mirror", "active-active/sourced/weighted"])
def test_denied_subjects_keep_writers_apart(kit: Kit, strategy: str) -> None:
    assert "nats-leaf-double-capture" not in rules_of(kit, Strategy.parse(strategy), prepared=True)


def test_what_a_strategy_prepares_is_no_hazard_any_more(kit: Kit) -> None:
    today = {hazard.rule for hazard in audit(kit.system)}
    then = rules_of(kit, Strategy.parse("warm-standby/leafnode-mirror"), prepared=True)
    mended = {"api-buffered-acknowledgement", "secret-one-region", "dns-by-hand", "nats-version-without-promotion"}
    assert mended <= today - then
