"""What a strategy is made of: a pattern, a NATS link and a traffic switch, each a small module of its own.

A part decides only its own matter: the pattern which services run where, the link how streams get to the
other region and are made writable there, the switch who notices and how clients are moved.
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.figures import Figures
from secondsite.catalogue.own import beside
from secondsite.catalogue.round_trips import RoundTrips
from secondsite.model.deployment import Copy, Deployment, Requirement, Site, WanLink
from secondsite.model.errors import InputError
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.nats import NatsCluster
from secondsite.model.procedure import Step
from secondsite.model.region import Region
from secondsite.model.system import System
from secondsite.model.traffic import Traffic


@frozen
class Kit:
    """What a part builds with: the system, the catalogue, and the round trips between its regions."""

    system: System
    figures: Figures
    round_trips: RoundTrips

    @classmethod
    def of(cls, system: System, catalogue: Catalogue) -> Kit:
        return cls(system, catalogue.figures, beside(catalogue, system.premises).round_trips)

    @property
    def home(self) -> Region:
        return self.system.region

    @property
    def second(self) -> Region:
        return self._region(self.system.second, "second")

    @property
    def third(self) -> Region:
        return self._region(self.system.third, "third")

    def _region(self, region: Region | None, key: str) -> Region:
        if region is None:
            raise InputError.at(
                self.system.file,
                f"no {key} region is configured, and this strategy needs one",
                f"add `{key}: {{provider: {self.home.provider}, name: …}}`; `secondsite catalogue regions` lists them",
            )
        return region

    def rtt_ms(self, a: Region, b: Region) -> Estimate:
        return self.round_trips.of(a, b)


class PatternDesign(Protocol):
    """Which services run where, and how stores get to the other region."""

    def sites(self) -> tuple[Site, ...]: ...

    def links(self) -> tuple[WanLink, ...]: ...

    def copies(self) -> tuple[Copy, ...]: ...

    def requirements(self) -> tuple[Requirement, ...]: ...

    def service_steps(self, after: str) -> tuple[Step, ...]:
        """What makes the services of the other region ready; the last step is the milestone."""
        ...

    def store_steps(self, after: str) -> tuple[Step, ...]:
        """What makes the stores of the other region usable; the last step is the milestone."""
        ...

    def growth_steps(self, after: str) -> tuple[Step, ...]:
        """What follows once clients are served again."""
        ...


class LinkDesign(Protocol):
    """How streams get to other regions, and how they are made writable there."""

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        """The pattern's sites with what this link adds: a witness, a third region, no servers at all."""
        ...

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]: ...

    def links(self) -> tuple[WanLink, ...]: ...

    def copies(self) -> tuple[Copy, ...]: ...

    def requirements(self) -> tuple[Requirement, ...]: ...

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        """What makes the streams writable in the other region; the last step is the milestone."""
        ...

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        """What gives the first region its streams again, or one blocked step with the reason why nothing does.

        The last step is the milestone; it stops the writers of the other region, and waits for what is ``ready``.
        """
        ...


class SwitchDesign(Protocol):
    """Who notices, who decides, and how clients are moved."""

    def traffic(self) -> Traffic: ...

    def requirements(self) -> tuple[Requirement, ...]: ...

    def trigger_steps(self, deployment: Deployment, fault: Fault) -> tuple[Step, ...]:
        """Detection and decision; the last step is what everything else waits for."""
        ...

    def change_steps(
        self, deployment: Deployment, trigger: str, ready: tuple[str, ...], to: Region
    ) -> tuple[Step, ...]:
        """The change of the record and its convergence; the last step ends with clients in the region ``to``.

        A switch that somebody throws waits until the other side is ``ready``; one that throws itself does not.
        """
        ...
