"""Which backup is blamed for what, when several cover the same service."""

from __future__ import annotations

import pytest
from attrs import evolve
from sound_world import SYSTEM, WORLDS, both, in_backup, in_cluster, in_stream, in_system

from secondsite.model.backup import Backup, Content, Where
from secondsite.model.hazard import Hazard
from secondsite.model.nats import Consumer
from secondsite.model.units import Seconds

SNAPSHOTS, DUMP = SYSTEM.backups
CONFIGURATION = evolve(SNAPSHOTS, content=Content.CONFIGURATION)
OBJECTS = evolve(SNAPSHOTS, name="objects", covers=("nats", "postgres"), content=Content.RESOURCES)
DAILY = evolve(DUMP, interval_s=Seconds(86400))


def found(rule: str, *backups: Backup) -> list[Hazard]:
    return [h for h in in_system(backups=backups)(WORLDS["system"]).hazards() if h.rule == rule]


def subjects(rule: str, *backups: Backup) -> list[str]:
    return [hazard.subject for hazard in found(rule, *backups)]


@pytest.mark.parametrize(
    ("backups", "blamed"),
    [
        ((CONFIGURATION, OBJECTS), ["backups.snapshots.content"]),
        ((OBJECTS, DUMP), ["backups.objects.content"]),
        ((CONFIGURATION, evolve(SNAPSHOTS, name="whole")), ["backups.snapshots.content"]),
        ((DUMP,), []),
    ],
)
def test_the_backup_meant_for_nats_is_blamed_for_the_messages(backups: tuple[Backup, ...], blamed: list[str]) -> None:
    assert subjects("backup-no-messages", *backups) == blamed


def test_no_messages_are_missed_where_there_is_no_stream() -> None:
    empty = both(in_cluster("nats", streams=()), in_system(backups=(CONFIGURATION, DUMP)))
    assert not {"backup-no-messages", "backup-missing"} & empty(WORLDS["system"]).rules()


@pytest.mark.parametrize(
    ("backups", "missing"),
    [
        ((), ["nats.nats.streams", "stores.postgres"]),
        ((CONFIGURATION,), ["stores.postgres"]),
        ((DUMP,), ["nats.nats.streams"]),
        ((SNAPSHOTS, DUMP), []),
        ((SNAPSHOTS, evolve(DUMP, content=Content.VOLUMES)), []),
        ((SNAPSHOTS, evolve(DUMP, content=Content.MESSAGES)), ["stores.postgres"]),
    ],
)
def test_what_no_backup_saves(backups: tuple[Backup, ...], missing: list[str]) -> None:
    assert sorted(subjects("backup-missing", *backups)) == missing


@pytest.mark.parametrize(
    ("other", "fires"),
    [
        (evolve(DUMP, name="wal", interval_s=Seconds(3600)), False),
        (evolve(DUMP, name="wal", interval_s=Seconds(3601)), True),
        (evolve(DUMP, name="wal", content=Content.RESOURCES), True),
        (evolve(DUMP, name="wal", covers=("nats",)), True),
        (evolve(DUMP, name="wal", covers=("postgres", "nats"), content=Content.VOLUMES), False),
    ],
)
def test_a_rare_backup_is_fine_beside_one_that_is_often_enough(other: Backup, fires: bool) -> None:
    assert ("backups.dump.interval" in subjects("backup-interval", SNAPSHOTS, DAILY, other)) is fires


@pytest.mark.parametrize(
    ("backup", "says"),
    [
        (evolve(DUMP, where=Where.CLUSTER), "dump is stored in the same Kubernetes cluster as what it saves"),
        (
            evolve(DUMP, where=Where.REGION, destination="s3://b"),
            "dump is stored in the same region as what it saves (s3://b)",
        ),
    ],
)
def test_the_failure_domain_is_named(backup: Backup, says: str) -> None:
    assert [hazard.message for hazard in found("backup-same-domain", SNAPSHOTS, backup)] == [says]


def test_a_backup_of_unknown_content_saves_nothing_that_is_known() -> None:
    unknown = found("backup-no-messages", evolve(SNAPSHOTS, content=Content.UNKNOWN), DUMP)
    assert [h.message for h in unknown] == ["snapshots saves nothing known of nats and no message of EVENTS"]


@pytest.mark.parametrize(
    ("version", "replicas", "covers", "fires"),
    [
        ("2.14.6", 1, ("nats",), True),
        ("2.14.6", 2, ("nats",), True),
        ("2.14.6", 3, ("nats",), False),
        ("2.14.6", 0, ("nats",), False),
        ("2.15.0", 1, ("nats",), False),
        ("2.14.6", 1, ("postgres",), False),
    ],
)
def test_reduced_consumers(version: str, replicas: int, covers: tuple[str, ...], fires: bool) -> None:
    change = both(
        in_cluster("nats", version=version),
        in_stream("EVENTS", consumers=(Consumer("metering", replicas=replicas),)),
        in_backup("snapshots", covers=covers),
    )
    assert ("backup-reduced-consumers" in change(WORLDS["system"]).rules()) is fires
