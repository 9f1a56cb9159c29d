"""A small system like the example, built by hand: fast, and independent of discovery."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from hypothesis import settings

from secondsite.catalogue.figures import load_figures
from secondsite.catalogue.round_trips import load_round_trips
from secondsite.model.backup import Backup, Content, Where
from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.nats import Consumer, NatsCluster, Stream
from secondsite.model.region import Region
from secondsite.model.secret import Secret
from secondsite.model.service import AckBuffer, Role, Service, Spreading, Volume
from secondsite.model.store import Store
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.traffic import Traffic
from secondsite.model.units import Bytes, Cores, Seconds
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit

GIB = 1024**3
os.environ["SECONDSITE_NO_CACHE"] = "1"  # what is tested is computed; tests of the cache take it away
settings.register_profile("search", deadline=None)  # a loaded machine is no defect
settings.register_profile("secondsite", deadline=None, derandomize=True)  # no change is red by chance
settings.load_profile("secondsite")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background so, and every process of a test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _service(name: str, role: Role, replicas: int = 1, volume_gib: int = 0, **more: object) -> Service:
    return Service(
        name=name,
        role=role,
        kind="StatefulSet" if volume_gib else "Deployment",
        image=f"{name}:1",
        replicas=replicas,
        cpu_request_cores=Cores(0.1),
        memory_request_bytes=Bytes(256 * 1024**2),
        spread_nodes=Spreading.PREFERRED,
        volumes=(Volume("data", Bytes(volume_gib * GIB)),) if volume_gib else (),
        **more,  # type: ignore[arg-type] # keyword arguments of Service, spelled at the call
    )


@pytest.fixture(scope="session")
def system() -> System:
    """One region, three NATS 2.10 servers, a 202 buffer, stores with one replica: the example in small."""
    return System(
        name="small",
        region=Region("aws", "us-east-1"),
        second=Region("aws", "us-west-2"),
        third=Region("aws", "us-east-2"),
        services=(
            _service("api", Role.API, 2, ack_buffer=AckBuffer(1000)),
            _service("nats", Role.NATS, 3, 10),
            _service("redis", Role.CACHE),
            _service("postgres", Role.DATABASE, 1, 20),
            _service("qdrant", Role.VECTOR_STORE, 1, 20),
            _service("kong", Role.GATEWAY, 2),
            _service("prometheus", Role.OBSERVABILITY, 1, 50),
        ),
        nats=(
            NatsCluster(
                name="nats",
                service="nats",
                version="2.10-alpine",
                max_file_bytes=Bytes(10 * GIB),
                streams=(
                    Stream("EVENTS", subjects=("events.>",), replicas=3, consumers=(Consumer("metering"),)),
                    Stream("kgent-events", subjects=("kgent.>",), replicas=1, max_age_s=Seconds(168 * 3600)),
                ),
            ),
        ),
        stores=(
            Store("postgres", "postgres", "postgres", size_bytes=Bytes(20 * GIB)),
            Store("qdrant", "qdrant", "qdrant", size_bytes=Bytes(20 * GIB)),
        ),
        secrets=(Secret("api-secrets", keys=("STRIPE_API_KEY",), store="cloud"),),
        backups=(
            Backup(
                "nats-backup", ("nats",), Content.CONFIGURATION, Where.CLUSTER, Seconds(86400), errors_swallowed=True
            ),
            Backup("velero", ("postgres", "qdrant"), Content.VOLUMES, Where.REGION, Seconds(86400)),
        ),
        traffic=Traffic(host="api.example.io", ttl_s=Seconds(60)),
        contracts=(
            Contract(Subject.API, Fault.REGION, Seconds(300), Seconds(60)),
            Contract(Subject.NATS, Fault.REGION, Seconds(900), Seconds(300)),
            Contract(Subject.STATE, Fault.REGION, Seconds(1800), Seconds(3600)),
            Contract(Subject.API, Fault.PROCESS, Seconds(30)),
        ),
    )


@pytest.fixture(scope="session")
def kit(system: System) -> Kit:
    return Kit(system, load_figures(), load_round_trips(None))


@pytest.fixture(scope="session")
def laid_out(kit: Kit) -> Callable[[str], Deployment]:
    return lambda strategy: lay_out(Strategy.parse(strategy), kit)
