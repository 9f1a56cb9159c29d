"""What is configured where a drill runs, and in production: intervals of checks, of a TTL, of backups and snapshots."""

from __future__ import annotations

from attrs import evolve

from secondsite.drill.evidence.manifest import Timing
from secondsite.drill.play.profile import Profile, profile
from secondsite.drill.play.script import Drill
from secondsite.drill.play.setup import Setup
from secondsite.drill.verdict.projection import run_loss_s
from secondsite.model.deployment import Deployment
from secondsite.operate.layout import Reach, families
from secondsite.strategies.archiver import archived
from secondsite.strategies.snapshots import reaches, save_every_s, saved_stores

_QUANTILE = 0.95


def reach_s(drill: Drill, setup: Setup) -> float:
    """How old writes have to be so that this drill can break each RPO that it is about; 0 where there is none."""
    ran, own = timings(drill, setup)
    limits = [
        run_loss_s(contract.rpo_s, ran, own) if drill.moves else float(contract.rpo_s)
        for contract in setup.system.contracts
        if contract.rpo_s and contract.fault is drill.fault and contract.subject in drill.subjects
    ]
    return max(limits, default=0.0)


def timings(drill: Drill, setup: Setup) -> tuple[Timing, Timing]:
    """As it is drilled, and in production."""
    ran_s, own_s = snapshot_s(drill, setup)
    production = profile("production", setup.production, setup.catalogue.figures)
    ran, own = (_timing(each, setup.deployment) for each in (setup.profile, production))
    return evolve(ran, snapshot_s=ran_s), evolve(own, snapshot_s=own_s)


def _timing(of: Profile, deployment: Deployment) -> Timing:
    alone = any(family.reach is Reach.ALONE for family in families(deployment)) and len(deployment.sites) > 1
    backed_up = alone and not archived(deployment, deployment.primary.region.name)  # that ships as often in either
    return Timing(of.check_interval_s, of.check_threshold, of.decide_s, of.ttl_s, of.backup_s if backed_up else 0.0)


def saved_every_s(of: Profile, setup: Setup) -> float:
    return save_every_s(setup.production) if of.name == "production" else of.backup_s


def snapshot_s(drill: Drill, setup: Setup) -> tuple[float, float]:
    """What is lost at most of what nothing but snapshots carries away: as it is drilled, and in production.

    There a snapshot is of the store's whole volume, and takes so long to be saved and loaded; 0 where none is saved.
    """
    stores = saved_stores(setup.production) if drill.vectors else ()
    if not stores:
        return 0.0, 0.0
    longest = max(reaches(setup.kit, each.store).quantile(_QUANTILE) for each in stores)
    return saved_every_s(setup.profile, setup), save_every_s(setup.production) + longest
