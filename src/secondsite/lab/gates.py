"""The write gates of a lab's regions: the file that servers include, and the process that keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from attrs import asdict, frozen

from secondsite.lab.supervisor import Spec, python
from secondsite.model.deployment import Deployment
from secondsite.operate.gate import watched, write_gate_file
from secondsite.strategies.write_gate import gate_file, gated_subjects


@frozen
class Gates:
    """``url`` says where a region's servers are, as the operator or (``system``) as the system account."""

    deployment: Deployment
    folder: Path
    url: Callable[..., str]

    def set(self, region: str, *, is_open: bool) -> None:
        """Before its servers start: open where they are started for the first time, shut where they return."""
        if subjects := gated_subjects(self.deployment, region):
            write_gate_file(self.folder / "nats" / gate_file(region), subjects, is_open=is_open)

    def specs(self, region: str) -> tuple[Spec, ...]:
        """None where the region has no gate."""
        streams = watched(self.deployment, region)
        if not streams:
            return ()
        name = f"gate-{region}"
        config = {
            "region": region,
            "nats": self.url(region, operator=True),
            "system": self.url(region, system=True),
            "streams": [asdict(stream) for stream in streams],
            "folder": str(self.folder / "nats"),
        }
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(config, indent=1), encoding="utf-8")
        return (Spec(name, tuple(python("secondsite.lab.gate_process", str(path))), region=region),)
