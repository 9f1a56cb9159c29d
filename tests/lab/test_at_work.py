"""Who stands for the services in a lab: without an API, workers consume, in the same regions as they would run."""

from __future__ import annotations

from attrs import evolve
from kinds import system_of

from secondsite.lab.services import at_work
from secondsite.model.service import Role


def test_where_there_is_no_api_its_workers_are_at_work() -> None:
    assert [service.role for service in at_work(system_of("no-api"))] == [Role.WORKER]
    assert [service.role for service in at_work(system_of("exact-subject"))] == [Role.API]


def test_where_no_service_is_known_nobody_is() -> None:
    assert at_work(evolve(system_of("no-api"), services=())) == ()
