"""What a drill is made from: the system laid out by a strategy, as prepared or as it is today, and what is asked."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.drill.evidence.manifest import TODAY
from secondsite.drill.play.aged import AgedWrites
from secondsite.drill.play.profile import Profile, profile, with_profile
from secondsite.model.contract import Standing
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure
from secondsite.model.strategy import Pattern, Strategy
from secondsite.model.system import System
from secondsite.strategies.compose import lay_out, procedures
from secondsite.strategies.design import Kit

CHECKS, WATCH = "checks", "watch"
"""Who notices and decides: health checks and a second signal of the drill's own, or the shipped observers and watch."""


@frozen
class Setup:
    """``rate_per_s`` is the load. ``nats_version``: "" for what the strategy prepares, ``today`` for what runs now
    (nothing that the strategy needs first is done then), else a version for every server. ``nats_server``: a binary of
    that version to run instead of the one that is known here. ``ignoring_ttl``: the share of users that keep for ever
    what they resolved first; None for the drill's own. ``reach_s``: some writes are older than this at the fault.
    ``aged``: old writes that are kept, in place of such as grow old in the run itself. ``trigger``: who notices and
    decides; on staging the URL of a watch.

    ``production`` is the deployment with its own times; ``deployment`` has those of the profile.
    """

    system: System
    catalogue: Catalogue
    strategy: Strategy
    profile: Profile
    seed: int
    nats_version: str
    rate_per_s: float
    production: Deployment
    deployment: Deployment
    nats_server: Path | None = None
    one_address: bool = False
    ignoring_ttl: float | None = None
    reach_s: float = 0.0
    aged: AgedWrites | None = None
    trigger: str = CHECKS

    @property
    def kit(self) -> Kit:
        return Kit.of(self.system, self.catalogue)

    @property
    def waits_s(self) -> float:
        """Until its old writes are old."""
        return self.reach_s if self.aged is None else self.aged.until_s(self.reach_s)

    def procedure(self, fault: Fault) -> Procedure:
        return procedures(self.deployment, self.kit)[fault]

    @property
    def standing(self) -> Standing:
        """A second region is a design until somebody has deployed it."""
        alone = self.strategy.pattern is Pattern.SINGLE_REGION
        return Standing.DEPLOYED if alone and self.nats_version == TODAY else Standing.DESIGN


def make_setup(
    system: System,
    catalogue: Catalogue,
    strategy: Strategy,
    *,
    profile_name: str = "quick",
    seed: int = 1,
    nats_version: str = "",
    rate_per_s: float = 100.0,
    soak_s: float | None = None,
) -> Setup:
    """Raises InputError for a system without streams: there is nothing to write to, and nothing to lose."""
    if not any(cluster.streams for cluster in system.nats):
        what = "the system has no stream, so a drill cannot write to it"
        raise InputError.at(system.file, what, "declare its streams under `nats`, or read them with `init --nats URL`")
    kit = Kit.of(system, catalogue)
    production = on_version(strategy, kit, nats_version)
    chosen = profile(profile_name, production, catalogue.figures)
    if soak_s is not None:
        chosen = evolve(chosen, soak_s=soak_s)
    deployment = with_profile(production, chosen)
    return Setup(system, catalogue, strategy, chosen, seed, nats_version, rate_per_s, production, deployment)


def on_version(strategy: Strategy, kit: Kit, nats_version: str) -> Deployment:
    """The strategy laid out for a ``nats_version`` as in a Setup."""
    deployment = lay_out(strategy, kit, prepared=nats_version != TODAY)
    if nats_version in ("", TODAY):
        return deployment
    clusters = tuple(evolve(cluster, version=nats_version) for cluster in deployment.clusters)
    nats = tuple(evolve(cluster, version=nats_version) for cluster in deployment.system.nats)
    return evolve(deployment, clusters=clusters, system=evolve(deployment.system, nats=nats))
