"""A small system with a stream of each kind: a queue, interest, a bucket with a history, objects, mapped subjects."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.play.setup import Setup, make_setup
from secondsite.model.nats import Consumer, Retention, Storage, Stream
from secondsite.model.settings import Settings
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import Seconds

SYSTEMS = Path(__file__).parents[1] / "cases" / "systems"
SEEN = Seconds(2.0)
"""An RPO that the load of a hurried drill reaches back to."""
MAPPED = Settings({"allow_direct": True, "subject_transform": {"src": "raw.*", "dest": "cooked.{{wildcard(1)}}"}})
PUSHED = Consumer("pushed", settings=Settings({"deliver_subject": "to.pushed", "deliver_group": "crew"}))
OF_EACH_KIND = (
    Stream(
        "JOBS",
        subjects=("jobs.*",),
        retention=Retention.WORKQUEUE,
        storage=Storage.FILE,
        replicas=3,
        consumers=(Consumer("worker"),),
    ),
    Stream(
        "WANTED",
        subjects=("wanted.*",),
        retention=Retention.INTEREST,
        storage=Storage.FILE,
        replicas=3,
        consumers=(Consumer("mailer"), Consumer("biller")),
    ),
    Stream("KV_settings", replicas=3, max_messages_per_subject=5),
    Stream("OBJ_files", replicas=3),
    Stream(
        "RAW",
        subjects=("raw.*",),
        replicas=3,
        settings=MAPPED,
        consumers=(Consumer("seven", filter_subject="cooked.7"), PUSHED),
    ),
)


def system_of(name: str) -> System:
    """With an RPO that a short drill can break, so that it can be held."""
    system = load_system(SYSTEMS / f"{name}.yaml")
    contracts = tuple(evolve(each, rpo_s=each.rpo_s and SEEN) for each in system.contracts)
    return evolve(system, contracts=contracts)


def with_streams(system: System, *streams: Stream) -> System:
    return evolve(system, nats=tuple(evolve(cluster, streams=streams) for cluster in system.nats))


def setup_for(system: System, *, rate_per_s: float = 60.0) -> Setup:
    """As `secondsite drill region-loss --nats-version 2.15` has it, with less patience."""
    strategy = Strategy.parse("warm-standby/leafnode-mirror")
    setup = make_setup(system, load_catalogue(), strategy, nats_version="2.15", rate_per_s=rate_per_s)
    return evolve(setup, profile=evolve(setup.profile, steady_s=3.0))
