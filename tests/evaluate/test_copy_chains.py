"""What Keeton and Merchant published (DSN 2004) of their file server, its chain of copies in ``secondsite.yaml``."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from secondsite.catalogue.bundle import Catalogue
from secondsite.discover.system_file.reading import read_system
from secondsite.evaluate.assess import Planned, plan
from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.loss import loss_s, rpo
from secondsite.model.contract import Subject
from secondsite.model.errors import InputError
from secondsite.model.estimate import Provenance
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Strategy
from secondsite.model.system import System

SERVER = """\
schema: secondsite/system/1
name: cello
region: {provider: aws, name: us-east-1}
services:
  - {name: db, role: database, volumes: [{name: data, size: 1360Gi}]}
stores:
  - {name: db, service: db, engine: postgres, size: 1360Gi}
backups:
"""
SAVES = "covers: [db], content: data"
TAPE = f"{{name: tape, {SAVES}, where: same-region, interval: 7d, hold: 1h, travel: 48h}}"
DAILY_FULL = f"{{name: tape, {SAVES}, where: same-region, interval: 1d, hold: 1h, travel: 12h}}"
INCREMENTAL = f"{{name: tape, {SAVES}, where: same-region, interval: 1d, hold: 1h, travel: 48h}}"
VAULT = f"{{name: vault, {SAVES}, where: other-region, copy_of: tape, interval: 28d, hold: 684h, travel: 24h}}"
WEEKLY_VAULT = f"{{name: vault, {SAVES}, where: other-region, copy_of: tape, interval: 7d, hold: 12h, travel: 24h}}"
AT_HAND = "fetch: 0s, restore_bytes_per_s: 166243000"
"""1,360 GiB in 2.44 hours, as they have it."""


def written(*backups: str) -> System:
    return read_system(SERVER + "".join(f"  - {backup}\n" for backup in backups), "secondsite.yaml")


def today(system: System, catalogue: Catalogue) -> Planned:
    return plan(Strategy.parse("single-region/none/manual"), system, catalogue)


def worst_h(system: System, catalogue: Catalogue, fault: Fault) -> float:
    deployment = today(system, catalogue).deployment
    draws = Draws(1, "x", 20_000)
    return float(loss_s(deployment, Subject.STATE, fault, draws, Buffer(catalogue.figures.by_name)).max()) / 3600


def restore_h(system: System, catalogue: Catalogue) -> float:
    steps = today(system, catalogue).procedures[Fault.BAD_WRITE].steps
    return next(step for step in steps if step.verb is Verb.RESTORE_STORES).duration.mean / 3600


@pytest.mark.parametrize(
    ("chain", "fault", "published_h"),
    [
        ([TAPE, VAULT], Fault.BAD_WRITE, 217),
        ([TAPE, VAULT], Fault.REGION, 1429),
        ([TAPE, WEEKLY_VAULT], Fault.REGION, 253),
        ([INCREMENTAL, WEEKLY_VAULT], Fault.BAD_WRITE, 73),
        ([DAILY_FULL, WEEKLY_VAULT], Fault.BAD_WRITE, 37),
        ([DAILY_FULL, WEEKLY_VAULT], Fault.REGION, 217),
    ],
)
def test_recent_loss_as_published(chain: Sequence[str], fault: Fault, published_h: float, catalogue: Catalogue) -> None:
    assert worst_h(written(*chain), catalogue, fault) == pytest.approx(published_h, rel=0.001)
    assert worst_h(written(*reversed(chain)), catalogue, fault) == pytest.approx(published_h, rel=0.001)


def test_the_figures_of_the_file_are_named(catalogue: Catalogue) -> None:
    deployment = today(written(TAPE, VAULT), catalogue).deployment
    found = rpo(deployment, Subject.STATE, Fault.REGION, Draws(1, "x", 100), Buffer(catalogue.figures.by_name))
    waited, travel, interval = found.inputs
    assert [one.name for one in waited.inputs] == ["hold of vault", "travel of tape", "hold of tape"]
    assert (travel.source, interval.source) == ("backups.vault.travel", "backups.vault.interval")
    assert {one.provenance for one in (waited, travel, interval)} == {Provenance.DERIVED}


def test_recovery_as_published_from_bytes_and_bandwidth(catalogue: Catalogue) -> None:
    near = TAPE.replace("}", f", {AT_HAND}}}")
    assert restore_h(written(near, VAULT), catalogue) == pytest.approx(2.44, abs=0.005)


def test_a_vault_is_fetched_before_it_is_read(catalogue: Catalogue) -> None:
    far = VAULT.replace("}", f", {AT_HAND.replace('0s', '24h')}}}").replace(", copy_of: tape", "")
    assert restore_h(written(far), catalogue) == pytest.approx(24 + 2.44, abs=0.005)
    assert restore_h(written(far.replace("24h, restore_bytes_per_s: 166243000", "24h")), catalogue) > 24


def test_without_figures_of_its_own_a_backup_has_those_of_the_catalogue(catalogue: Catalogue) -> None:
    plain = written(f"{{name: dump, {SAVES}, where: same-region, interval: 1d}}")
    (copy,) = today(plain, catalogue).deployment.copies
    assert copy.restore is None
    assert copy.propagate is catalogue.figures["backup.stores.travel"]
    assert restore_h(plain, catalogue) > 2.44, "1,360 GiB, published at more than the rate that is assumed"


@pytest.mark.parametrize(
    ("backups", "what"),
    [
        ([VAULT], r"secondsite\.yaml:9:.*'tape' is not a backup of this system"),
        ([VAULT, TAPE.replace("interval", "copy_of: vault, interval")], "copies of each other: vault -> tape -> vault"),
        ([TAPE.replace("interval", "restore_bytes_per_s: 0, interval")], "0 is not 1 or more"),
    ],
)
def test_a_chain_that_cannot_be_is_refused(backups: Sequence[str], what: str) -> None:
    with pytest.raises(InputError, match=what):
        written(*backups)
