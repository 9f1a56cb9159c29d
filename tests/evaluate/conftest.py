"""A system like the kgents example and deployments of it, laid out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue, load_catalogue
from secondsite.catalogue.prices import Prices, load_prices
from secondsite.catalogue.round_trips import RoundTrips, load_round_trips
from secondsite.evaluate.assess import Assessor, Auditor, plan
from secondsite.evaluate.axes import axes_of
from secondsite.evaluate.compare import compare, study_setting
from secondsite.evaluate.evaluation import Evaluation
from secondsite.evaluate.study import Assumption, StudySetting
from secondsite.model.deployment import Deployment, LinkKind, PlacedService, Site, SiteRole, WanLink
from secondsite.model.hazard import Hazard
from secondsite.model.load import Load
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.region import Region
from secondsite.model.secret import Secret
from secondsite.model.service import Role, Service, Volume
from secondsite.model.strategy import Link, Pattern, Strategy
from secondsite.model.system import System
from secondsite.model.traffic import Traffic
from secondsite.model.units import Bytes, Cores, Seconds

GIB = 2**30
HOME, SECOND, THIRD = Region("aws", "us-east-1"), Region("aws", "us-west-2"), Region("aws", "us-east-2")


def service(name: str, role: Role, replicas: int, cores: float, mebibytes: int, *, volume_gib: int = 0) -> Service:
    return Service(
        name,
        role=role,
        replicas=replicas,
        cpu_request_cores=Cores(cores),
        memory_request_bytes=Bytes(mebibytes * 2**20),
        volumes=(Volume("data", Bytes(volume_gib * GIB)),) if volume_gib else (),
    )


KGENTS = System(
    name="kgents",
    region=HOME,
    second=SECOND,
    third=THIRD,
    services=(
        service("kgent-api", Role.API, 2, 0.1, 256),
        service("nats", Role.NATS, 3, 0.25, 512, volume_gib=10),
        service("kong", Role.GATEWAY, 2, 0.1, 256),
        service("postgres", Role.DATABASE, 1, 0.25, 512, volume_gib=20),
        service("qdrant", Role.VECTOR_STORE, 1, 0.25, 512, volume_gib=20),
        service("redis", Role.CACHE, 1, 0.1, 128),
        service("prometheus", Role.OBSERVABILITY, 1, 0.25, 1024, volume_gib=20),
        service("grafana", Role.OBSERVABILITY, 1, 0.1, 256),
        service("loki", Role.OBSERVABILITY, 1, 0.1, 512, volume_gib=10),
        service("tempo", Role.OBSERVABILITY, 1, 0.1, 512, volume_gib=10),
        service("otel", Role.OBSERVABILITY, 1, 0.1, 256),
        service("argocd", Role.DELIVERY, 1, 0.25, 512),
        service("external-secrets", Role.SECRETS, 1, 0.1, 128),
        service("velero", Role.BACKUP, 1, 0.1, 128),
    ),
    nats=(
        NatsCluster(
            "nats",
            service="nats",
            max_file_bytes=Bytes(10 * GIB),
            streams=(Stream("AGENTESE", replicas=3), Stream("EVENTS", replicas=3), Stream("kgent-events")),
        ),
    ),
    secrets=(Secret("kgents-api-secrets", store="aws", refresh_s=Seconds(300)),),
)


def placed(system: System) -> tuple[PlacedService, ...]:
    return tuple(PlacedService(s.name, s.replicas) for s in system.services)


def single_region(system: System = KGENTS, **changes: Any) -> Deployment:
    laid_out = Deployment(
        system=system,
        strategy=Strategy(Pattern.SINGLE_REGION, Link.NONE),
        sites=(Site(system.region, SiteRole.PRIMARY, placed(system)),),
        clusters=tuple(evolve(cluster, region=system.region.name) for cluster in system.nats),
        links=(),
        copies=(),
        traffic=Traffic(),
    )
    return evolve(laid_out, **changes)


def warm_standby(system: System = KGENTS, **changes: Any) -> Deployment:
    standby = tuple(PlacedService(s.name, 3 if s.role is Role.NATS else 1) for s in system.services)
    home = single_region(system)
    laid_out = evolve(
        home,
        strategy=Strategy(Pattern.WARM_STANDBY, Link.LEAFNODE_MIRROR),
        sites=(*home.sites, Site(SECOND, SiteRole.STANDBY, standby)),
        links=(WanLink(LinkKind.LEAF, HOME.name, SECOND.name, "streams", 40 * 1024.0),),
        traffic=Traffic(automatic=True, check_interval_s=Seconds(10)),
    )
    return evolve(laid_out, **changes)


@pytest.fixture(scope="session")
def prices() -> Prices:
    return load_prices()


@pytest.fixture(scope="session")
def round_trips() -> RoundTrips:
    return load_round_trips()


@pytest.fixture(name="single_region")
def single_region_fixture() -> Callable[..., Deployment]:
    return single_region


@pytest.fixture(name="warm_standby")
def warm_standby_fixture() -> Callable[..., Deployment]:
    return warm_standby


@pytest.fixture
def kgents() -> System:
    return KGENTS


@pytest.fixture
def busier() -> Callable[[float], System]:
    """The same system under ``factor`` times its load."""
    return lambda factor: evolve(KGENTS, load=Load(mean_per_s=40.0 * factor))


def no_hazards(*_: object) -> tuple[Hazard, ...]:
    """An auditor that finds nothing, so that figures speak alone."""
    return ()


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def auditor() -> Auditor:
    return no_hazards


@pytest.fixture(scope="session")
def evaluation(system: System, catalogue: Catalogue, auditor: Auditor) -> Evaluation:
    """The small system, all strategies, few years."""
    return compare(system, catalogue, auditor, years=4000)


@pytest.fixture(scope="module")
def setting(evaluation: Evaluation, catalogue: Catalogue, auditor: Auditor) -> StudySetting:
    return study_setting(Assessor(evaluation.system, catalogue, 1, auditor), evaluation.assessments, "aws")


@pytest.fixture(scope="module")
def axes(evaluation: Evaluation, catalogue: Catalogue) -> tuple[Assumption, ...]:
    plans = [plan(a.strategy, evaluation.system, catalogue) for a in evaluation.assessments]
    return axes_of(plans, catalogue, evaluation.system, evaluation.recommended.bills["aws"])
