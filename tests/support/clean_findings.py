"""What a stream's findings are where nothing is wrong."""

from __future__ import annotations

from secondsite.drill.check.findings import Fate, StreamFindings


def clean(stream: StreamFindings) -> bool:
    """Nothing lost, nothing that should not be there."""
    odd = stream.duplicate + stream.reordered + stream.resurrected + stream.phantom
    odd += stream.altered + stream.moved + stream.clashes + stream.torn
    return stream.proven and not odd + stream.fates[Fate.ACKNOWLEDGED_LOST] + stream.fates[Fate.WRONG_PRESENT]
