"""Whether duplicates after a failover are bounded as promised: by how old the copied positions of consumers were.

A position is copied at an interval, so at the fault it is up to that old; what was processed since is processed again,
and nothing older. Both are measured: the age of what was copied, and the age of the oldest message processed again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.play.final_reads import read_record
from secondsite.drill.play.stage import Stage
from secondsite.model.procedure import Verb
from secondsite.model.wording import counted
from secondsite.operate.journal import read_journal, records

Entry = Mapping[str, str | int]


@frozen
class Reprocessed:
    """``count`` messages were processed before the fault and again after it; ``oldest_s`` before it, the first."""

    count: int
    oldest_s: float


def processed_again(entries: Iterable[Entry], fault_ns: int) -> Reprocessed:
    """Of one consumer, in all regions together."""
    first: dict[str, int] = {}
    again: set[str] = set()
    for entry in sorted(entries, key=lambda each: int(each["monotonic_ns"])):
        name, at = str(entry["id"]), int(entry["monotonic_ns"])
        if first.setdefault(name, at) < fault_ns < at:
            again.add(name)
    oldest = min((first[name] for name in again), default=fault_ns)
    return Reprocessed(len(again), (fault_ns - oldest) / 1e9)


def observe_positions(stage: Stage) -> None:
    """Where a failover began with positions that had been copied; says nothing elsewhere."""
    copied = _copied(stage.writer.journal, [s.id for s in stage.procedure.steps if s.verb is Verb.RECORD_STATE])
    if not copied or Milestone.FAULT not in stage.milestones:
        return
    fault_ns = stage.milestones[Milestone.FAULT]
    fault_at = time.time() - (time.monotonic_ns() - fault_ns) / 1e9
    entries = [entry for region in stage.lab.regions for entry in read_record(stage.lab.consumed(region))]
    for key, position in sorted(copied.items()):
        stream, consumer = key.split("/", 1)
        family = next((each for each in stage.families if each.name == stream), None)
        if family is None:
            continue
        names = {placement.name for placement in (family.origin, *family.copies)}
        mine = [each for each in entries if each["consumer"] == consumer and each["stream"] in names]
        again, age_s = processed_again(mine, fault_ns), max(0.0, fault_at - float(position["at"]))
        every_s = stage.setup.profile.positions_s
        did = f"{counted(again.count, 'messages')} again, the oldest {again.oldest_s:.1f} s before the fault"
        observation = (
            f"{consumer} of {stream} processed {did if again.count else 'no message again'}; its position was copied "
            f"{age_s:.1f} s before the fault, as it is every {every_s:g} s"
        )
        stage.observe(observation, again.oldest_s <= age_s + every_s)


def _copied(journal: Path, steps: list[str]) -> Mapping[str, Any]:
    """By stream and consumer, the positions that were read from the standby."""
    if not journal.exists():
        return {}
    known = records(read_journal(journal))
    facts = [known[step].facts for step in steps if step in known]
    copied: dict[str, Any] = {}
    for each in facts:
        copied |= {k: p for k, p in (each.get("positions") or {}).items() if p.get("source") == "replicated"}
    return copied
