"""Evidence is bound to the whole configuration of streams, and stays good where nothing more was known of them."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from secondsite.drill.evidence.fingerprint import fingerprint
from secondsite.model.deployment import Deployment
from secondsite.model.settings import Settings
from secondsite.model.system import System


def with_settings(system: System, settings: Settings) -> System:
    clusters = (evolve(c, streams=tuple(evolve(s, settings=settings) for s in c.streams)) for c in system.nats)
    return evolve(system, nats=tuple(clusters))


def test_settings_are_part_of_what_was_drilled(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("warm-standby/leafnode-mirror")
    changed = with_settings(deployment.system, Settings({"allow_atomic": True}))
    plain = fingerprint(deployment.system, deployment, None)
    assert plain.system != fingerprint(changed, deployment, None).system
