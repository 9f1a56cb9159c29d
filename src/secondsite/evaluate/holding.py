"""Whether a contract holds when its fault comes: decided here, for assessments and for studies alike.

A fault comes in kinds (a region is lost plainly, or with its control plane, or while machines are short): what is
promised for the fault is promised for the mixture of its kinds, by their shares. A contract that names a kind is
judged on that kind alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.derive import count
from secondsite.evaluate.draws import Draws, Samples
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.loss import loss_s
from secondsite.evaluate.recovery import recovery_s, rto
from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import Estimate, Provenance, Quantiles, unbounded
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure


@frozen
class Judge:
    """What a contract is judged by, beside the samples of its fault."""

    model: FaultModel
    buffer: Buffer

    def probability(
        self, contract: Contract, deployment: Deployment, procedures: Mapping[Fault, Procedure], draws: Draws
    ) -> Samples:
        """That every limit is kept, over the kinds of the fault: one value for each row of samples."""
        whole: Samples = np.zeros(1)
        for kind, weight in self._kinds(contract.fault, procedures, draws).items():
            held = self._held(contract, kind, deployment, procedures, draws)
            whole = whole + np.ravel(weight) * np.atleast_2d(held).mean(axis=1)
        return whole

    def rto(
        self, procedures: Mapping[Fault, Procedure], fault: Fault, subject: Subject, draws: Draws, part: str = ""
    ) -> Estimate:
        """The RTO over the kinds of the fault; of a fault without kinds, its own."""
        kinds = self._kinds(fault, procedures, draws)
        own = {kind: rto(procedures, kind, subject, draws, part) for kind in kinds}
        if len(own) == 1:
            return own[fault]
        name = own[fault].name
        if any(estimate.unbounded for estimate in own.values()):
            why = next(estimate.source for estimate in own.values() if estimate.unbounded)
            return unbounded(name, "s", why, tuple(own.values()))
        samples = self._mixture(
            {kind: recovery_s(procedures, kind, subject, draws, part) for kind in kinds}, kinds, draws
        )
        p05, p50, p95 = (float(q) for q in np.quantile(samples, (0.05, 0.5, 0.95)))
        shares = ", ".join(f"{float(np.mean(weight)):.3g} {kind}" for kind, weight in kinds.items())
        parts = tuple(
            count(f"share of {kind}", float(np.mean(weight)), "catalogue: share", *self._share(fault, kind))
            for kind, weight in kinds.items()
        )
        return Estimate(
            name=name,
            unit="s",
            distribution=Quantiles(p05, p50, p95, float(samples.mean())),
            provenance=Provenance.DERIVED,
            source=f"simulated over the kinds of {fault}",
            formula=f"mixture: {shares}",
            inputs=(*parts, *own.values()),
        )

    def _share(self, fault: Fault, kind: Fault) -> tuple[Estimate, ...]:
        shares = self.model.kinds(fault)
        return (shares[kind],) if kind in shares else tuple(shares.values())

    def _kinds(
        self, fault: Fault, procedures: Mapping[Fault, Procedure], draws: Draws
    ) -> Mapping[Fault, Samples | float]:
        """Only a strategy that was laid out in part has no procedure for a kind: it is then judged without."""
        weights = self.model.weights(fault, draws)
        return weights if all(kind in procedures for kind in weights) else {fault: 1.0}

    def _mixture(
        self, samples: Mapping[Fault, Samples], weights: Mapping[Fault, Samples | float], draws: Draws
    ) -> Samples:
        phase, below = draws.uniform("kind"), 0.0
        mixed: Samples = np.zeros(draws.count)
        for kind, weight in weights.items():
            share = float(np.mean(weight))
            mixed = np.where((phase >= below) & (phase < below + share), samples[kind], mixed)
            below += share
        return mixed

    def _held(
        self,
        contract: Contract,
        kind: Fault,
        deployment: Deployment,
        procedures: Mapping[Fault, Procedure],
        draws: Draws,
    ) -> NDArray[np.bool_]:
        """For each sample, whether every limit that is promised is kept. A limit of zero is a limit."""
        holds = np.ones(1, dtype=np.bool_)
        if contract.rto_s is not None:
            holds = holds & (recovery_s(procedures, kind, contract.subject, draws, contract.part) <= contract.rto_s)
        if contract.rpo_s is not None:
            holds = holds & (
                loss_s(deployment, contract.subject, kind, draws, self.buffer, contract.part) <= contract.rpo_s
            )
        return holds
