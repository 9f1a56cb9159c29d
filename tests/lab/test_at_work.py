"""Who stands for the services in a lab: without an API, workers consume, in the same regions as they would run."""

from __future__ import annotations

from attrs import evolve
from kinds import system_of

from secondsite.lab.breaker import Breaker
from secondsite.lab.services import NO_BUFFER, at_work
from secondsite.model.service import Role


def test_where_there_is_no_api_its_workers_are_at_work() -> None:
    assert [service.role for service in at_work(system_of("no-api"))] == [Role.WORKER]
    assert [service.role for service in at_work(system_of("exact-subject"))] == [Role.API]


def test_where_no_service_is_known_nobody_is() -> None:
    assert at_work(evolve(system_of("no-api"), services=())) == ()


def test_an_api_whose_breaker_nobody_knows_has_none() -> None:
    breaker = Breaker(NO_BUFFER.after_failures, NO_BUFFER.half_open_after_s)
    for second in range(10_000):
        breaker.failed(float(second))
    assert breaker.lets_through(10_000.0)
