"""The WAN process of a lab: its configuration, and the command that starts it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import permutations
from pathlib import Path

from attrs import frozen

from secondsite.catalogue.own import rtt_ms
from secondsite.lab.addresses import WanListener
from secondsite.lab.options import LabOptions
from secondsite.lab.supervisor import Spec, port_open, python
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint


@frozen
class WanSetting:
    """One direction of a link. ``jitter`` is a share of the delay."""

    source: str
    target: str
    delay_ms: float
    jitter: float
    rate_bytes_per_s: float


def links_of(deployment: Deployment, regions: Iterable[str], options: LabOptions) -> list[WanSetting]:
    """Both directions between every two regions."""

    def way_ms(a: str, b: str) -> float:
        given = options.rtt_ms.get((a, b), options.rtt_ms.get((b, a)))
        return (rtt_ms(deployment, a, b) if given is None else given) / 2

    return [
        WanSetting(a, b, way_ms(a, b), options.jitter, options.rate_bytes_per_s) for a, b in permutations(regions, 2)
    ]


def wan_spec(
    folder: Path, seed: int, control: Endpoint, links: Iterable[WanSetting], listeners: Iterable[WanListener]
) -> Spec:
    config = {
        "seed": seed,
        "control": [control.host, control.port],
        "links": [
            {
                "source": link.source,
                "target": link.target,
                "delay_ms": link.delay_ms,
                "jitter_ms": link.delay_ms * link.jitter,
                "rate_bytes_per_s": link.rate_bytes_per_s,
            }
            for link in links
        ],
        "listeners": [
            {
                "source": each.source,
                "target": each.target,
                "at": [each.at.host, each.at.port],
                "to": [each.to.host, each.to.port],
            }
            for each in listeners
        ],
    }
    path = folder / "wan.json"
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    command = tuple(python("secondsite.lab.wan_process", str(path)))
    return Spec("wan", command, ready=lambda: port_open(control.host, control.port))
