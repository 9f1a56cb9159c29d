"""What a strategy cannot carry at peak load, with the figure that forbids it."""

from __future__ import annotations

from secondsite.catalogue.bundle import Catalogue
from secondsite.model.deployment import Deployment
from secondsite.model.strategy import Link
from secondsite.strategies.sizing import stretch_messages_per_s, write_shares


def overloaded(deployment: Deployment, catalogue: Catalogue) -> str:
    """Why it cannot work; empty where it can."""
    endless = next((copy.propagate.source for copy in deployment.copies if copy.propagate.unbounded), "")
    return endless or (_stretched(deployment, catalogue) if deployment.strategy.link is Link.STRETCH else "")


def _stretched(deployment: Deployment, catalogue: Catalogue) -> str:
    """Every write waits for the nearer of two other regions."""
    system, home = deployment.system, deployment.primary.region
    others = [site.region for site in deployment.sites if site.region != home]
    trip = min((catalogue.round_trips.of(home, other) for other in others), key=lambda one: one.mean)
    takes = stretch_messages_per_s(catalogue.figures, trip)
    shares = write_shares(system)
    busiest = max(shares, key=lambda name: shares[name], default="")
    asked = shares.get(busiest, 0.0) * system.load.peak_per_s
    if asked <= takes:
        return ""
    return (
        f"{busiest} takes {asked:,.0f} messages/s at peak, and a stream over {trip.mean:.0f} ms takes {takes:,.0f} "
        "(stretch.in-flight)"
    )
