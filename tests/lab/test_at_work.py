"""Who stands for the services in a lab: without an API, workers consume, in the same regions as they would run."""

from __future__ import annotations

import pytest
from attrs import evolve
from kinds import system_of
from nats.aio.client import Client
from starlette.testclient import TestClient

from secondsite.lab.api_app import ApiGateway, api_app
from secondsite.lab.breaker import Breaker
from secondsite.lab.fallback_queue import FallbackQueue
from secondsite.lab.publisher import Publisher
from secondsite.lab.rate_limit import RateLimit
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


@pytest.mark.parametrize("path", ["/health", "/ready", "/up/of/it"])
def test_the_systems_own_health_check_is_answered_without_a_key(path: str) -> None:
    publisher = Publisher(Client(), Breaker(), FallbackQueue(0))
    app = ApiGateway(api_app(publisher, "here", lambda *_: None, path), frozenset({"key"}), RateLimit(0), path)
    with TestClient(app) as client:
        assert client.get(path).status_code == 200
        assert client.get("/another").status_code == 401
        assert client.post("/v1/events").status_code == 401
