"""RPO: how old the oldest lost acknowledged write is, by the chain of copies that survive a fault.

Each copy is a level: data waits (``hold``), travels (``propagate``) and is refreshed at an ``interval``. The
worst loss at a level is the sum of the three (Keeton and Merchant, DSN 2004); a fault falls anywhere in the
interval. Of several copies that survive, the freshest is used; where stores differ, the worst store counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, reduce

import numpy as np

from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.draws import Draws, Samples
from secondsite.model.contract import Subject, about
from secondsite.model.deployment import Copy, Deployment
from secondsite.model.estimate import Estimate, Provenance, Quantiles, unbounded
from secondsite.model.fault import DESTROYS_DATA, LEAVES_REGION, Fault
from secondsite.model.store import Loss
from secondsite.strategies.sizing import write_shares

DESTROYING = LEAVES_REGION | DESTROYS_DATA
"""Faults after which the serving copy cannot be used; after the others it is there again, with its data."""


def loss_s(
    deployment: Deployment, subject: Subject, fault: Fault, draws: Draws, buffer: Buffer, part: str = ""
) -> Samples:
    """Samples of the RPO in seconds, of the subject or one stream or store of it; inf where no copy survives."""
    if subject is Subject.OBSERVABILITY:
        return np.zeros(1)
    if subject is Subject.API:
        stored = loss_s(deployment, Subject.NATS, fault, draws, buffer)
        return np.maximum(stored, buffer.loss_s(deployment, fault, draws))
    if fault not in DESTROYING:
        return np.zeros(1)
    worst: Samples = np.zeros(1)
    for item in _items(deployment, subject, part):
        worst = np.maximum(worst, _freshest(_surviving(deployment, subject, fault, item), draws))
    return worst


def lost_for_good_s(
    deployment: Deployment,
    subject: Subject,
    fault: Fault,
    draws: Draws,
    buffer: Buffer,
    kept_s: float,
    destroyed: Estimate,
    part: str = "",
) -> Samples:
    """Seconds of writes that never come back, for the expected loss.

    Where no copy survives a region, waiting for it brings the data back, unless it was destroyed.
    """
    seconds = loss_s(deployment, subject, fault, draws, buffer, part)
    share = destroyed.mean * draws.factor(destroyed.name) if fault.leaves_region else 1.0
    return np.where(np.isinf(seconds), kept_s * np.asarray(share), np.minimum(seconds, kept_s))


def events_lost_s(
    deployment: Deployment, fault: Fault, draws: Draws, buffer: Buffer, kept_s: float, destroyed: Estimate
) -> Samples:
    """Seconds of business events that never come back. One that the API took and the databases hold is one event: it is
    lost once, with whichever of the two lost it; where one pod dies, only its share of the API's own is."""
    api, state = (
        _by_stream(deployment, subject, fault, draws, buffer, kept_s, destroyed)
        for subject in (Subject.API, Subject.STATE)
    )
    return state + buffer.share(fault, deployment) * np.maximum(api - state, 0.0)


def _by_stream(
    deployment: Deployment,
    subject: Subject,
    fault: Fault,
    draws: Draws,
    buffer: Buffer,
    kept_s: float,
    destroyed: Estimate,
) -> Samples:
    """Where streams have copies of their own, each loses its share of the writes; elsewhere all lose alike."""
    own = any(copy.subject is Subject.NATS and copy.covers for copy in deployment.copies)
    if subject is not Subject.API or not own or fault not in DESTROYING:
        return lost_for_good_s(deployment, subject, fault, draws, buffer, kept_s, destroyed)
    lost: Samples = np.zeros(1)
    for name, share in _alike(deployment).items():
        stored = lost_for_good_s(deployment, Subject.NATS, fault, draws, buffer, kept_s, destroyed, name)
        lost = lost + share * np.maximum(stored, np.minimum(buffer.loss_s(deployment, fault, draws), kept_s))
    return lost


def _alike(deployment: Deployment) -> Mapping[str, float]:
    """Of streams with the same copies, one by name, with the share of writes that go into all of them."""
    limited = [copy for copy in deployment.copies if copy.subject is Subject.NATS and copy.covers]
    covered = [frozenset(copy.covers) for copy in limited]
    first: dict[tuple[bool, ...], str] = {}
    shares: dict[str, float] = {}
    for name, share in write_shares(deployment.system).items():
        one = first.setdefault(tuple(name in names for names in covered), name)
        shares[one] = shares.get(one, 0.0) + share
    return shares


def rpo(
    deployment: Deployment, subject: Subject, fault: Fault, draws: Draws, buffer: Buffer, part: str = ""
) -> Estimate:
    """The RPO as an Estimate in seconds, with the delays of the copies it depends on as inputs."""
    name = f"RPO of {about(subject, part)}, {fault}"
    samples = loss_s(deployment, subject, fault, draws, buffer, part)
    data = Subject.NATS if subject is Subject.API else subject
    wanted = _items(deployment, data, part) if fault in DESTROYING else ()
    copies = list(dict.fromkeys(copy for item in wanted for copy in _surviving(deployment, data, fault, item)))
    inputs = tuple(e for copy in copies for e in (copy.hold, copy.propagate, copy.interval))
    if subject is Subject.API and buffer.applies(deployment):
        inputs += (buffer.lost(fault),)
    if not np.all(np.isfinite(samples)):
        endless = next((copy.propagate.source for copy in copies if copy.propagate.unbounded), "")
        why = endless or f"no copy of {_missing(deployment, data, fault, part)} survives"
        return unbounded(name, "s", why, inputs)
    p05, p50, p95 = (float(q) for q in np.quantile(samples, (0.05, 0.5, 0.95)))
    used = ", ".join(f"{copy.method} in {copy.region}" for copy in copies) or "the serving copy, which survives"
    return Estimate(
        name=name,
        unit="s",
        distribution=Quantiles(p05, p50, p95, float(samples.mean())),
        provenance=Provenance.DERIVED,
        source=f"freshest of: {used}",
        formula="hold + propagate + a share of the interval, freshest copy per store, worst store",
        inputs=inputs,
    )


def _missing(deployment: Deployment, subject: Subject, fault: Fault, part: str) -> str:
    gone = [i for i in _items(deployment, subject, part) if not _surviving(deployment, subject, fault, i)]
    return ", ".join(gone) or str(subject)


def _items(deployment: Deployment, subject: Subject, part: str = "") -> tuple[str, ...]:
    """What has to be there: each store that holds data, or the streams as a whole (nothing, where there are none)."""
    if part:
        return (part,)
    if subject is Subject.STATE:
        return tuple(store.name for store in deployment.system.stores if store.loss is Loss.DATA)
    return ("streams",) if any(cluster.streams for cluster in deployment.system.nats) else ()


def _surviving(deployment: Deployment, subject: Subject, fault: Fault, item: str) -> list[Copy]:
    return [copy for copy in deployment.copies if copy.left(subject, fault, item)]


def _freshest(copies: list[Copy], draws: Draws) -> Samples:
    ages = [draws.once(copy, partial(_age_s, copy, draws)) for copy in copies]
    return reduce(np.minimum, ages, np.full(1, np.inf))


def _age_s(copy: Copy, draws: Draws) -> Samples:
    key = f"copy/{copy.method}/{copy.what}"
    age = draws.of(key, copy.hold) + draws.of(key, copy.propagate)
    return age + draws.of(key, copy.interval) * draws.uniform(f"{key}/phase")
