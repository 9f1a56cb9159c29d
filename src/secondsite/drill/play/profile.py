"""How fast the world around a drill turns: ``quick`` for a few minutes of patience, ``production`` as deployed."""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.catalogue.figures import Figures
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.traffic import Traffic
from secondsite.model.units import Seconds

PROFILES = ("quick", "production")


@frozen
class Profile:
    """``decide_s``: how long a second signal has to agree. ``positions_s``: how often consumers' floors are copied.

    ``hopeless_s``: for how long clients go on trying after a procedure failed. ``backup_s``: how often streams are
    backed up, where that is all there is. ``cut_off_s``: how long the API is cut off from NATS.
    ``soak_s``: how long a soak lasts.
    """

    name: str
    check_interval_s: float
    check_threshold: int
    ttl_s: float
    decide_s: float
    positions_s: float
    steady_s: float = 6.0
    settle_s: float = 40.0
    hopeless_s: float = 25.0
    backup_s: float = 3.0
    cut_off_s: float = 12.0
    soak_s: float = 120.0

    @property
    def floor_s(self) -> float:
        """What the configuration alone takes: the checks that have to fail, and a TTL that has just begun."""
        return self.check_interval_s * (self.check_threshold - 1) + self.ttl_s


def profile(name: str, deployment: Deployment, figures: Figures) -> Profile:
    """Raises InputError for a name that is none."""
    if name == "quick":
        return Profile("quick", 1.0, 3, 2.0, 1.0, 1.0)
    if name != "production":
        raise InputError.at("--profile", f"unknown profile {name}", f"there are {', '.join(PROFILES)}")
    traffic = deployment.traffic
    return Profile(
        name,
        float(traffic.check_interval_s),
        traffic.check_threshold,
        float(traffic.ttl_s),
        figures["decide.automatic"].mean,
        positions_s=5.0,
        steady_s=15.0,
        settle_s=180.0,
        hopeless_s=60.0,
        backup_s=figures["backup.streams.interval"].mean,
        cut_off_s=60.0,
        soak_s=3600.0,
    )


def as_configured(traffic: Traffic, decide_s: float) -> Profile:
    """The times that staging really has; ``decide_s`` is the window of its watch."""
    return Profile(
        "staging",
        float(traffic.check_interval_s),
        traffic.check_threshold,
        float(traffic.ttl_s),
        decide_s,
        positions_s=5.0,
        steady_s=3.0,
        settle_s=max(40.0, 3.0 * traffic.ttl_s),
    )


def with_profile(deployment: Deployment, chosen: Profile) -> Deployment:
    """The deployment whose record and checks have the profile's times, so that its procedures know them."""
    traffic = evolve(
        deployment.traffic,
        ttl_s=Seconds(chosen.ttl_s),
        check_interval_s=Seconds(chosen.check_interval_s),
        check_threshold=chosen.check_threshold,
    )
    return evolve(deployment, traffic=traffic)
