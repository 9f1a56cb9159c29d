"""The write gate: a primary that comes back by itself takes no writes before the other region says that it still may.

Its servers start with their writers' subjects denied, by a file that the application's permissions to publish include.
Whoever keeps the
gate (`secondsite gate`, beside the servers) opens it once every copy elsewhere was seen to be a mirror still, and shuts
it where one was promoted. Nobody else has to be alive for that: not the region's peers, not a controller.

Under `writers: one` the region that takes over has a gate too. There the lease alone decides: what the lost region's
streams look like says nothing to whoever took over from it.
"""

from __future__ import annotations

from attrs import frozen

from secondsite.model.deployment import Deployment, Requirement
from secondsite.model.operate import Writers
from secondsite.model.system import System
from secondsite.strategies import requirements
from secondsite.strategies.design import Kit
from secondsite.strategies.nats_quote import nats_string
from secondsite.strategies.stream_config import subjects_of

REQUIREMENT = "write-gate"
OPEN = "# open: whoever logs in as the application may write\n"
SHUT = "deny"

LOOK_EVERY_S = 0.5
_DRIFT = 0.01
_MARGIN_S = 1.0


@frozen
class LeaseTerms:
    """How long the right to take writes lasts, on the clock of whoever holds it.

    It counts from before the renewal was asked for, and whoever takes over counts from after it was ended: so no two
    clocks are ever compared, and only their speed may differ, by ``_DRIFT`` (a quartz is off by 0.0001).
    """

    seconds: float

    @property
    def renew_after_s(self) -> float:
        return self.seconds / 5

    @property
    def shut_before_s(self) -> float:
        """Time to shut the gate and have the server read it, before the server is ended instead."""
        return self.seconds * 0.3

    @property
    def answer_s(self) -> float:
        """What is not answered by then must not keep a gate from being shut."""
        return self.shut_before_s / 4

    @property
    def handover_s(self) -> float:
        """After so long nobody holds a lease that was not renewed."""
        return self.seconds * (1 + _DRIFT) + _MARGIN_S

    @property
    def opens_s(self) -> float:
        """From when a lease is granted to an open gate: the pause between two looks, and the looks."""
        return LOOK_EVERY_S + 2 * self.answer_s


def lease_terms(system: System) -> LeaseTerms | None:
    """None where the policy is to be available."""
    operate = system.operate
    return LeaseTerms(operate.lease_s) if operate and operate.writers is Writers.ONE else None


def leased(deployment: Deployment) -> LeaseTerms | None:
    """What writers hang on, in the first region and in the one that takes over, in one of them at a time; None where
    a region goes on by itself, or there is no gate."""
    home = deployment.primary.region.name
    return lease_terms(deployment.system) if gated_subjects(deployment, home) else None


def takes_over(deployment: Deployment) -> str:
    return (deployment.standby or deployment.sites[-1]).region.name


def by_operator(system: System) -> bool:
    """A server's configuration cannot deny what the JWT of a user allows: there is nothing for a gate to shut."""
    return any(cluster.operator for cluster in system.nats)


def write_gate(kit: Kit) -> tuple[Requirement, ...]:
    if by_operator(kit.system):
        return ()
    beside = (
        f"servers of {kit.home.name} start shut to writers; `secondsite gate` beside them opens once {kit.second.name} "
        "still mirrors"
    )
    parent = (
        "servers of both regions start shut to writers, as children of `secondsite gate`, which opens while its region "
        "holds the write lease"
    )
    gate = requirements.work(
        kit,
        REQUIREMENT,
        "work.gate",
        parent if lease_terms(kit.system) else beside,
        "a region that comes back by itself would take writes until somebody reaches it to fence it",
        "two writers from the old primary's return until it is fenced",
    )
    return (gate,)


def gate_file(region: str) -> str:
    """Beside nats.conf; the server takes it relative to that."""
    return f"gate/{region}.conf"


def gated_subjects(deployment: Deployment, region: str) -> tuple[str, ...]:
    """What the region's writers may not use while its gate is shut; empty where it has none."""
    if not any(requirement.id == REQUIREMENT for requirement in deployment.requirements):
        return ()
    if lease_terms(deployment.system) and region == takes_over(deployment):
        region = deployment.primary.region.name
    mirrored = {stream.mirror.stream for cluster in deployment.clusters for stream in cluster.streams if stream.mirror}
    here = [cluster for cluster in deployment.clusters if (cluster.region or deployment.primary.region.name) == region]
    origins = [s for cluster in here for s in cluster.streams if s.name in mirrored and s.mirror is None]
    return tuple(dict.fromkeys(subject for origin in origins for subject in subjects_of(origin)))


def shut(subjects: tuple[str, ...]) -> str:
    """Reading, acknowledging and everything else go on."""
    listed = ", ".join(nats_string(subject) for subject in subjects)
    return f"{SHUT}: [{listed}]\n"
