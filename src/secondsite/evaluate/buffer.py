"""The fallback queue: writes that were acknowledged (202) and live in the memory of one pod until NATS is back.

This is how a stateless API comes to have an RPO: the oldest message in the queue is as old as the trouble.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen

from secondsite.evaluate.draws import Draws, Samples
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import Estimate, Fixed, Lognormal, Maybe, Provenance, Uniform
from secondsite.model.fault import Fault

_POD_DIES = frozenset({Fault.PROCESS, Fault.NODE})


@frozen
class Buffer:
    """``rows`` are figures by name: how often trouble comes before the loss, and how long it has lasted."""

    rows: Mapping[str, Estimate]

    def applies(self, deployment: Deployment) -> bool:
        return bool(deployment.system.forgetful)

    def lost(self, fault: Fault) -> Estimate:
        """Age of the oldest buffered write when its pod dies, in seconds; zero where NATS was well until then."""
        share = self.rows["buffer.share" if fault in _POD_DIES else "onset.share"]
        age = self.rows["onset.duration"]
        if not isinstance(age.distribution, Fixed | Uniform | Lognormal):
            raise TypeError("onset.duration has no plain distribution to be drawn from")
        return Estimate(
            "age of the oldest buffered write",
            "s",
            Maybe(min(1.0, share.mean), age.distribution),
            Provenance.DERIVED,
            "acknowledged with 202 while NATS was away, held in memory",
            formula=f"{age.name} with probability {share.name}, else 0",
            inputs=(share, age),
        )

    def share(self, fault: Fault, deployment: Deployment) -> float:
        """Of all writes that wait in memory, those that are lost: one pod's where one pod dies, else every pod's."""
        pods = [service.replicas for service in deployment.system.forgetful]
        return 1 / max(1, min(pods)) if fault in _POD_DIES and pods else 1.0

    def loss_s(self, deployment: Deployment, fault: Fault, draws: Draws) -> Samples:
        if fault.per_system or not self.applies(deployment):
            return np.zeros(1)
        return draws.of("buffer", self.lost(fault))
