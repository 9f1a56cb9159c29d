"""Evidence is bound to the whole configuration of streams, and stays good where nothing more was known of them."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from secondsite.drill.evidence.fingerprint import fingerprint
from secondsite.model.deployment import Deployment
from secondsite.model.external_service import ExternalService
from secondsite.model.settings import Settings
from secondsite.model.store import RunningStore
from secondsite.model.system import System
from secondsite.model.units import Seconds


def with_settings(system: System, settings: Settings) -> System:
    clusters = (evolve(c, streams=tuple(evolve(s, settings=settings) for s in c.streams)) for c in system.nats)
    return evolve(system, nats=tuple(clusters))


def test_settings_are_part_of_what_was_drilled(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("warm-standby/leafnode-mirror")
    changed = with_settings(deployment.system, Settings({"allow_atomic": True}))
    plain = fingerprint(deployment.system, deployment, ())
    assert plain.system != fingerprint(changed, deployment, ()).system


def test_what_a_database_said_of_itself_is_no_part_of_what_was_drilled(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("warm-standby/leafnode-mirror")
    stores = tuple(evolve(one, running=RunningStore(lag_s=Seconds(3.0), slots=1)) for one in deployment.system.stores)
    asked = evolve(deployment.system, stores=stores)
    assert stores
    assert fingerprint(asked, deployment, ()).system == fingerprint(deployment.system, deployment, ()).system
    other = evolve(deployment.system, stores=tuple(evolve(one, replicas=7) for one in stores))
    assert fingerprint(other, deployment, ()).system != fingerprint(deployment.system, deployment, ()).system


def test_services_of_others_are_no_part_of_what_was_drilled(laid_out: Callable[[str], Deployment]) -> None:
    deployment = laid_out("warm-standby/leafnode-mirror")
    system = deployment.system
    known = evolve(system, external_services=(ExternalService("api.stripe.com", "payments"),))
    assert fingerprint(known, deployment, ()).system == fingerprint(system, deployment, ()).system
