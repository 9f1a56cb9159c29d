"""What a worker of a test does with an order: evidence of the run that was ordered, and no lab."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from attrs import evolve
from distributed import get_worker
from drilled import MANIFEST, Scenario, fill

from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.evidence.packed import pack
from secondsite.drill.remote import RemoteOrder


def left_there(text: str) -> tuple[str, str, bytes, str]:
    """As `run_there` answers."""
    order, machine = RemoteOrder(**json.loads(text)), str(get_worker().name)
    manifest = evolve(
        MANIFEST,
        drill=order.drill,
        strategy=order.strategy,
        seed=order.seed,
        run=order.number,
        id=order.id,
        campaign=order.campaign,
        host={"worker": machine},
    )
    with tempfile.TemporaryDirectory() as folder:
        with EvidenceWriter.create(Path(folder), manifest) as writer:
            fill(writer, Scenario(manifest=manifest))
            writer.close()
        packed = pack(writer.folder)
        return machine, packed.name, packed.read_bytes(), ""
