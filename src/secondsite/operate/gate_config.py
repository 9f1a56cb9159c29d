"""What a gate has to know of its deployment, as a file: `secondsite render` writes it, the lab starts from the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from secondsite.backup.strict import parse, structure
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.nats.jetstream import api_prefix
from secondsite.operate.layout import Reach, StreamPlacement, families
from secondsite.operate.writer_lease import lease_config, lease_home
from secondsite.strategies.write_gate import gated_subjects, leased

SCHEMA = "secondsite/gate/1"


@frozen
class GuardedStream:
    """A stream of this region, what its writers use, and its copies elsewhere: API prefix and name."""

    name: str
    subjects: tuple[str, ...]
    copies: tuple[tuple[str, str], ...]


@frozen
class LeaseRecordPlace:
    """``prefix`` is the JetStream API of the region that keeps the record, ``config`` the stream that holds it.
    ``at_first``: whether the region may write where nobody has said anything yet."""

    seconds: float
    prefix: str
    config: dict[str, Any]
    at_first: bool = True


@frozen
class GateConfig:
    region: str
    streams: tuple[GuardedStream, ...]
    subjects: tuple[str, ...]
    lease: LeaseRecordPlace | None = None


def gate_config(deployment: Deployment, region: str) -> GateConfig | None:
    """None for a region that has no gate. Where writers hang on a lease it alone decides."""
    lease = _lease(deployment, region)
    streams = () if lease else watched(deployment, region)
    subjects = gated_subjects(deployment, region)
    return GateConfig(region, streams, subjects, lease) if streams or (lease and subjects) else None


def _lease(deployment: Deployment, region: str) -> LeaseRecordPlace | None:
    terms, keeper = leased(deployment), lease_home(deployment)
    if terms is None:
        return None
    placement = next(one for family in families(deployment) if (one := family.at(keeper)))
    prefix = api_prefix(placement.cluster.domain or None)
    return LeaseRecordPlace(terms.seconds, prefix, lease_config(deployment), region == deployment.primary.region.name)


def gate_text(config: GateConfig) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(config)}, indent=2, ensure_ascii=False) + "\n"


def read_gate(path: Path) -> GateConfig:
    """Raises InputError for what `secondsite render` did not write."""
    try:
        gate_document = parse(path.read_bytes())
        if gate_document["schema"] != SCHEMA:
            raise ValueError(gate_document["schema"])  # noqa: TRY301 # told like everything else that does not fit
        config = structure(gate_document, GateConfig)
        if any(len(copy) != 2 for stream in config.streams for copy in stream.copies):
            raise ValueError("copies")  # noqa: TRY301 # as above
        return config  # noqa: TRY300 # as above
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"not a gate configuration ({type(error).__name__})"
        raise InputError.at(str(path), what, "use REGION/gate/gate.json from `secondsite render`") from None


def watched(deployment: Deployment, region: str) -> tuple[GuardedStream, ...]:
    """The streams whose writers the gate stands before."""
    gated = set(gated_subjects(deployment, region))
    mirrored = [each for each in families(deployment) if each.reach is Reach.MIRRORED and gated & set(each.subjects)]
    guarded = [(family, placement) for family in mirrored if (placement := family.at(region))]
    return tuple(
        GuardedStream(
            placement.name, family.subjects, tuple(_reached(placement, other) for other in family.others(region))
        )
        for family, placement in guarded
    )


def _reached(placement: StreamPlacement, other: StreamPlacement) -> tuple[str, str]:
    """Through this region's own servers, and the link."""
    foreign = other.cluster.domain and other.cluster.domain != placement.cluster.domain
    return api_prefix(other.cluster.domain if foreign else None), other.name
