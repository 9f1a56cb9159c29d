"""Whether a contract holds when its fault comes: decided here, for assessments and for studies alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.loss import loss_s
from secondsite.evaluate.recovery import recovery_s
from secondsite.model.contract import Contract
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure


def held(
    contract: Contract, deployment: Deployment, procedures: Mapping[Fault, Procedure], draws: Draws, buffer: Buffer
) -> NDArray[np.bool_]:
    """For each sample of the fault, whether every limit that is promised is kept. A limit of zero is a limit."""
    subject, fault = contract.subject, contract.fault
    holds = np.ones(1, dtype=np.bool_)
    if contract.rto_s is not None:
        holds = holds & (recovery_s(procedures, fault, subject, draws) <= contract.rto_s)
    if contract.rpo_s is not None:
        holds = holds & (loss_s(deployment, subject, fault, draws, buffer) <= contract.rpo_s)
    return holds
